//! From a fault to a problem: words for what does not fit, and what to write instead.

use super::fault::{Fault, Kind};
use super::problem::Problems;
use super::redact::{is_secret, redact};
use super::suggest::did_you_mean;
use super::tree::{Node, Step};

/// Reports `fault`, whose path leads on from `base`.
pub(super) fn report(problems: &mut Problems, tree: &Node, base: &[Step], fault: &Fault) {
    let path: Vec<Step> = base.iter().chain(&fault.path).cloned().collect();
    let place = match fault.kind {
        Kind::UnknownKey { .. } => tree.key_place_of(&path),
        _ => tree.place_of(&path),
    };
    let (message, help) = describe(&fault.kind, &path);
    problems.add(place, message, help);
}

fn describe(kind: &Kind, path: &[Step]) -> (String, Option<String>) {
    match kind {
        Kind::UnknownKey { known } => unknown_key(path, known),
        Kind::UnknownWord { word, known } => (
            format!(
                "{} can't be `{word}`{}",
                subject(path),
                did_you_mean(word, known.iter().copied())
            ),
            Some(format!("write one of {}", listed(known))),
        ),
        Kind::Missing(key) => (
            format!("`{key}` is missing in {}", section(path)),
            Some(format!("add a line `{key} = …` to it")),
        ),
        Kind::Mismatch { expected, .. } if leads_to_secret(path) => {
            (format!("{} must be {expected}", subject(path)), None)
        }
        Kind::Mismatch { expected, found } => {
            (format!("{} must be {expected}, not {found}", subject(path)), None)
        }
        Kind::Refused(reason) => (format!("{}: {}", subject(path), redact(reason)), advice(reason)),
    }
}

fn unknown_key(path: &[Step], known: &[&str]) -> (String, Option<String>) {
    let (key, parents) = match path.split_last() {
        Some((Step::Key(key), parents)) => (key.as_str(), parents),
        _ => ("", path),
    };
    let suggestion = did_you_mean(key, known.iter().copied());
    let section = section(parents);
    let help = format!("the keys of {section} are {}", listed(known));
    (format!("unknown key `{key}` in {section}{suggestion}"), Some(help))
}

fn leads_to_secret(path: &[Step]) -> bool {
    path.iter().any(|step| matches!(step, Step::Key(key) if is_secret(key)))
}

/// `listen` in [http]
pub(super) fn subject(path: &[Step]) -> String {
    match path.split_last() {
        Some((Step::Key(key), [])) => format!("`{key}`"),
        Some((Step::Key(key), parents)) => format!("`{key}` in {}", section(parents)),
        Some((Step::Index(_), [Step::Key(key)])) => format!("[[{key}]]"),
        Some((Step::Index(index), parents)) => {
            format!("item {} of {}", index + 1, subject(parents))
        }
        None => "the file".to_owned(),
    }
}

/// A table as its header writes it.
fn section(path: &[Step]) -> String {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    match path {
        [] => "the file".to_owned(),
        [.., Step::Index(_)] => format!("[[{}]]", keys.join(".")),
        _ => format!("[{}]", keys.join(".")),
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What to write instead, where a library's own message does not say it.
fn advice(reason: &str) -> Option<String> {
    let advice = if reason.contains("socket address") {
        "write ADDRESS:PORT in quotes, as in \"127.0.0.1:8080\" or \"[::1]:8080\""
    } else if reason.contains("relative URL") || reason.contains("invalid port") {
        "write the URL in full, as in \"mqtt://broker.example:1883\" or \"https://app.example/hook\""
    } else {
        return None;
    };
    Some(advice.to_owned())
}

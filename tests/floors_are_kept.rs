//! Each module imports only what is on its floor or below; HTTP is known on one floor only; and an
//! adapter knows the words of the sdk and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// The house from the ground up. A module that is not listed has no place yet: give it one.
const FLOORS: [(usize, &[&str]); 4] = [
    (1, &["limits", "log", "mapping", "meta", "recorder", "registry"]),
    (2, &["command", "silo", "supervisor"]),
    (3, &["auth", "exposed", "push", "rest"]),
    (4, &["adapters", "cli", "config", "gateway", "lib", "main", "telemetry"]),
];

/// Words of HTTP that only floors 3 and 4 may say.
const HTTP: [&str; 6] = ["axum", "StatusCode", "tower_http", "reqwest", "hyper", "HeaderMap"];

/// Where adapters may be named: the one table, and the demonstration that brings its own devices.
const MAY_NAME_ADAPTERS: [&str; 2] = ["src/adapters.rs", "src/cli/demo"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file, without what stands in line comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let uncommented = text.lines().map(|line| match line.trim_start().starts_with("//") {
        true => "",
        false => line.split(" // ").next().unwrap_or(line),
    });
    uncommented.collect::<Vec<_>>().join("\n")
}

/// The top-level module that a file below `src` belongs to.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that this code names after `crate::`, alone or in braces.
fn named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.push(head(rest)),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// How many modules a file below `src` stands in: `src/a.rs` in one, `src/a/b.rs` in two.
fn depth(path: &Path) -> usize {
    let below = path.strip_prefix(root().join("src")).unwrap();
    below.iter().filter(|part| *part != "mod.rs").count()
}

/// The top-level modules that this code names after climbing to the root by `super::`.
fn climbed(code: &str, depth: usize) -> Vec<String> {
    const UP: &str = "super::";
    let starts = code.match_indices(UP).filter(|(at, _)| !code[..*at].ends_with(UP));
    let targets = starts.filter_map(|(at, _)| {
        let mut rest = &code[at..];
        let mut steps = 0;
        while let Some(above) = rest.strip_prefix(UP) {
            rest = above;
            steps += 1;
        }
        (steps >= depth).then(|| head(rest))
    });
    targets.filter(|target| floor(target).is_some()).collect()
}

/// The first identifier.
fn head(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first identifier of each member of a brace group, whose brace is already open.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut members, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// Whether a word stands in the code as a word of its own.
fn says(code: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        !part(code[..at].chars().next_back()) && !part(code[at + word.len()..].chars().next())
    })
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn no_module_reaches_up() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let (module, code, path) = (module_of(&file), code(&file), shown(&file));
        let Some(own) = floor(&module) else {
            wrong.push(format!("{path}: `{module}` is on no floor"));
            continue;
        };
        let climbed = climbed(&code, depth(&file));
        for other in named(&code).into_iter().chain(climbed) {
            match floor(&other) {
                Some(above) if above > own => {
                    wrong.push(format!(
                        "{path}: `{module}` (floor {own}) imports `{other}` (floor {above})"
                    ));
                }
                Some(_) => {}
                // The library's own name for something that is declared in lib.rs itself.
                None => wrong.push(format!("{path}: names `crate::{other}`, which is on no floor")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn http_is_spoken_on_its_floor_only() {
    let below: Vec<PathBuf> = rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| floor(&module_of(file)).is_some_and(|floor| floor < 3))
        .chain(rust_files(&root().join("adapters")))
        .collect();
    let mut wrong = Vec::new();
    for file in &below {
        let code = code(file);
        for word in HTTP.iter().filter(|word| says(&code, word)) {
            wrong.push(format!("{}: {word}", shown(file)));
        }
    }
    assert!(below.len() > 20, "only {} files looked at", below.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The crates below `adapters/`: folder and names of what they depend on.
fn adapters() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("adapters")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("Cargo.toml")) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        let of = |section: &str| {
            let table = manifest.get(section).and_then(toml::Value::as_table);
            table.into_iter().flat_map(toml::Table::keys).cloned().collect::<Vec<_>>()
        };
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        found.push((name, [of("dependencies"), of("build-dependencies")].concat()));
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

#[test]
fn an_adapter_depends_on_the_sdk_alone() {
    for (name, dependencies) in adapters() {
        for dependency in dependencies {
            let ours = dependency == "thingway" || dependency.starts_with("thingway-");
            // Simulated devices are the far side of a protocol: they speak it, and adapt nothing.
            let speaks = name == "sim" && dependency == "thingway-coap";
            let allowed = name != "sdk" && dependency == "thingway-sdk" || speaks;
            assert!(!ours || allowed, "adapters/{name} depends on {dependency}");
            let http =
                ["axum", "hyper", "reqwest", "tower-http", "http"].contains(&dependency.as_str());
            assert!(!http, "adapters/{name} depends on {dependency}");
        }
    }
}

#[test]
fn adapters_are_named_in_one_table() {
    let words: Vec<String> = adapters()
        .into_iter()
        .filter(|(name, _)| name != "sdk")
        .map(|(name, _)| format!("thingway_{name}"))
        .collect();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let (path, code) = (shown(&file), code(&file));
        if MAY_NAME_ADAPTERS.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        wrong.extend(
            words.iter().filter(|word| says(&code, word)).map(|word| format!("{path}: {word}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_words_have_no_sockets() {
    for file in rust_files(&root().join("adapters/sdk/src")) {
        let path = shown(&file);
        // The suite that adapters are tested with talks to real peers.
        if path.contains("conformance") {
            continue;
        }
        let code = code(&file);
        for word in ["TcpStream", "UdpSocket", "TcpListener", "UnixStream"] {
            assert!(!says(&code, word), "{path}: {word}");
        }
    }
}

#[test]
fn this_test_sees_what_it_looks_for() {
    let code = "use crate::{log::{Seq, x}, rest, push::a::{b, c}};\nlet x = crate::cli::run();\nuse $crate::no;";
    assert_eq!(named(code), ["cli", "log", "push", "rest"]);
    assert_eq!(climbed("use super::super::rest::x; use super::log;", 2), ["rest"]);
    assert!(says("use axum::Router", "axum") && !says("maxaxum", "axum"));
    assert!(floor("rest") > floor("command") && floor("command") > floor("log"));
}

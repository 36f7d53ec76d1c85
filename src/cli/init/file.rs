//! The `thingway.toml` that `init` writes: what changes nothing stands as it is, and what is a guess
//! stands behind `# `, to be uncommented.

use std::fmt::Write;

use super::families::Family;
use super::hints::{self, Looks};
use super::report::Report;
use crate::cli::output::{counted, printable};
use crate::mapping::names_a_time;

/// How much of a payload is shown, in characters.
const SAMPLE: usize = 100;

/// How many properties of a family are written out.
const MOST_PROPERTIES: usize = 20;

/// The text of the file for the adapter called `name`. The login, if there was one, is not in it.
pub(super) fn text(name: &str, report: &Report, families: &[Family], has_login: bool) -> String {
    let mut out = Lines(String::new());
    out.note(&format!(
        "Written by `thingway init` after {} s with {}. What is a guess stands behind `# `: \
         uncomment what is right. `thingway schema config` has every option, `thingway check` \
         finds mistakes.",
        report.seconds, report.endpoint
    ));
    adapter(name, &report.endpoint, has_login, &mut out);
    conventions(report, &mut out);
    if !families.is_empty() {
        out.blank();
        out.note(
            "Topics that became things by their shape alone. As they stand, these rules only name \
             levels of the topics, for `thing = \"…\"` and `write`. A rule goes before what a \
             convention says of the same topics: take out those that devices will announce.",
        );
    }
    families.iter().for_each(|family| rule(family, &mut out));
    if report.families_left_out > 0 {
        out.blank();
        let left_out = report.families_left_out;
        out.note(&format!("{left_out} further families of topics are left out here."));
    }
    out.0
}

fn adapter(name: &str, endpoint: &str, has_login: bool, out: &mut Lines) {
    out.blank();
    out.line("[[adapters]]");
    out.line(&format!("name = {}", quoted(name)));
    out.line("protocol = \"mqtt\"");
    out.line(&format!("url = {}", quoted(endpoint)));
    if has_login {
        out.note("The broker was asked with a login, which is not written down here:");
    }
    out.suggest("username = \"gateway\"");
    let variable = format!("THINGWAY__ADAPTERS__{}__PASSWORD_FILE", name.to_ascii_uppercase());
    out.note(&format!("The password is best kept in a file, named here or by {variable}:"));
    out.suggest("password_file = \"/run/secrets/mqtt\"");
}

fn conventions(report: &Report, out: &mut Lines) {
    out.blank();
    if report.conventions.is_empty() {
        out.note("No convention of devices was recognised. All that are known are looked for.");
        return;
    }
    let recognised: Vec<String> = report.conventions.iter().map(|it| it.words()).collect();
    out.note(&format!("Recognised: {}.", recognised.join("; ")));
    out.note("All conventions that are known are looked for, unless some are named:");
    out.suggest("[mapping]");
    let names: Vec<String> = report.conventions.iter().map(|it| quoted(it.convention)).collect();
    out.suggest(&format!("conventions = [{}]", names.join(", ")));
}

fn rule(family: &Family, out: &mut Lines) {
    let (topics, address) = (counted(family.topics, "topic"), &family.example);
    out.blank();
    out.note(&format!("{topics}, such as {address}: {}", shortened(&family.sample)));
    if let Some(reason) = &family.failed {
        out.note(&format!("failed: {reason}"));
    }
    let header = ["[[rules]]".to_owned(), format!("topic = {}", quoted(&family.pattern()))];
    match &family.takes_away {
        // Taken over as it is, it would do harm.
        Some(address) => {
            out.note(&format!("It would also take {address}, which a convention knows:"));
            header.iter().for_each(|line| out.suggest(line));
        }
        None => header.iter().for_each(|line| out.line(line)),
    }
    if let Some(subject) = family.subject() {
        out.suggest(&format!("title = {}", quoted(&title(subject))));
    }
    format_of(family.looks, out);
    if !matches!(family.looks, Looks::Csv { .. } | Looks::Octets) {
        properties(family, out);
    }
}

fn format_of(looks: Looks, out: &mut Lines) {
    match looks {
        Looks::Plain => {}
        Looks::Text => out.suggest("format = \"text\""),
        Looks::DecimalComma => {
            out.suggest("format = \"text\"");
            out.suggest("decimal = \",\"");
        }
        Looks::Csv { separator, comma, cells } => {
            out.suggest("format = \"csv\"");
            if comma {
                out.suggest("decimal = \",\"");
            }
            if separator != if comma { ';' } else { ',' } {
                out.suggest(&format!("separator = {}", quoted(&separator.to_string())));
            }
            let names: Vec<String> = (1..=cells).map(|n| quoted(&format!("cell{n}"))).collect();
            out.suggest(&format!("columns = [{}]", names.join(", ")));
        }
        Looks::Octets => {
            out.note("or format = \"cbor\", without a layout:");
            out.suggest("format = \"bytes\"");
            out.suggest("layout = [{ name = \"value\", offset = 0, type = \"u8\" }]");
        }
    }
}

fn properties(family: &Family, out: &mut Lines) {
    // What tells the time of a message is known for it without a rule.
    let all = || family.properties.iter().filter(|(name, _)| !names_a_time(name));
    for (name, value) in all().take(MOST_PROPERTIES) {
        let seen = format!("  # seen: {}", shortened(value));
        out.suggest(&format!("[rules.properties.{}]{seen}", key(name)));
        let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let unit = hints::unit(name).filter(|_| is_number || family.looks == Looks::DecimalComma);
        match (unit, hints::switch(value)) {
            (Some(unit), _) => out.suggest(&format!("unit = {}", quoted(unit))),
            (None, Some((on, off))) => {
                out.suggest(&format!("on = {on}"));
                out.suggest(&format!("off = {off}"));
            }
            (None, None) => out.suggest(&format!("title = {}", quoted(&title(name)))),
        }
    }
    let more = all().skip(MOST_PROPERTIES).count();
    if more > 0 {
        out.note(&format!("… and {more} more properties"));
    }
}

/// `air_temperature` as `Air temperature`.
fn title(name: &str) -> String {
    let words = name.replace(['_', '-', '.'], " ");
    let mut signs = words.trim().chars();
    signs
        .next()
        .map_or_else(|| name.to_owned(), |first| first.to_uppercase().chain(signs).collect())
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(SAMPLE).collect();
    if shown.len() < text.len() { format!("{shown}…") } else { shown }
}

fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A basic string: JSON's escapes are TOML's, which has them for further control characters.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_control() {
            quoted.push_str(&format!("\\u{:04X}", u32::from(c)));
        } else {
            quoted.push(c);
        }
    }
    quoted
}

/// The file, line by line.
struct Lines(String);

impl Lines {
    fn blank(&mut self) {
        self.0.push('\n');
    }

    fn line(&mut self, text: &str) {
        // Nothing refuses to be written into a string.
        let _ = writeln!(self.0, "{}", printable(text));
    }

    /// A line that counts when it is uncommented.
    fn suggest(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// Words for who reads the file, in lines that are told from what can be uncommented.
    fn note(&mut self, text: &str) {
        let mut line = String::from("##");
        let mut width = 0;
        for word in printable(text).split(' ') {
            if width > 0 && width + word.chars().count() > 96 {
                self.line(&line);
                line.truncate(2);
                width = 0;
            }
            line.push(' ');
            line.push_str(word);
            width += word.chars().count() + 1;
        }
        self.line(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::families::{Topic, group, topic};
    use super::super::report::Recognised;
    use super::*;
    use crate::config::{Config, FileChoice, Overrides, Sources};

    fn written(topics: &[Topic], recognised: &[&str], has_login: bool) -> String {
        let mut report = Report::new("mqtt://broker:1883".into(), 10, None);
        let examples = vec!["Kitchen\nlamp".to_owned()];
        let convention = "zigbee2mqtt";
        report.conventions = vec![Recognised { convention, messages: 3, things: 1, examples }];
        text("mqtt", &report, &group(topics, recognised), has_login)
    }

    /// What the loaded configuration has in rules, or what is wrong with it.
    fn loaded(text: &str) -> Result<Vec<String>, String> {
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let sources = Sources {
            file: FileChoice::BuiltIn { name: "thingway.toml", text },
            environment: Vec::<(OsString, OsString)>::new(),
            overrides: Overrides::default(),
        };
        let config = Config::load(&sources).map_err(|error| format!("{error}\n{text}"))?.config;
        Ok(config.rules.iter().map(|rule| rule.topic.to_string()).collect())
    }

    fn uncommented(text: &str) -> String {
        let line = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n";
        text.lines().map(line).collect()
    }

    fn looking(address: &str, looks: Looks, sample: &str) -> Topic {
        let last = address.rsplit('/').next().unwrap();
        Topic { looks, sample: sample.into(), ..topic(address, &[(last, "\"21,5\"")]) }
    }

    fn all_kinds() -> Vec<Topic> {
        let csv = |separator, comma| Looks::Csv { separator, comma, cells: 3 };
        vec![
            topic("home/kitchen/climate", &[("temperature", "21.5"), ("color.x\"\\", "\"a\"")]),
            topic("home/bath/climate", &[("temperature", "20"), ("fan", "\"ON\"")]),
            looking("meter/a/temperature", Looks::DecimalComma, "21,5"),
            looking("line/one", csv(';', true), "21,5;1;2"),
            looking("line/two", csv('\t', false), "1\t2\t3"),
            looking("raw/a", Looks::Octets, "\u{fffd}\u{1}"),
            looking("broken/a", Looks::Text, "{\"a\":NaN}\r\n# [[rules]]"),
            looking("sign\u{7f}\u{9}\u{85}\"/a", Looks::Plain, "x"),
            Topic { failed: Some("too\nlarge".into()), values: vec![], ..topic("big/a", &[]) },
        ]
    }

    #[test]
    fn the_file_is_in_order_as_it_is_and_with_all_that_is_suggested() {
        for topics in [vec![], all_kinds()] {
            let text = written(&topics, &[], false);
            let rules = loaded(&text).unwrap();
            assert_eq!(rules, loaded(&uncommented(&text)).unwrap());
            assert_eq!(rules.len(), topics.len().saturating_sub(1), "{text}");
        }
    }

    #[test]
    fn what_was_seen_is_suggested() {
        let text = written(&all_kinds(), &[], false);
        for expected in [
            "url = \"mqtt://broker:1883\"\n",
            "# conventions = [\"zigbee2mqtt\"]\n",
            "[[rules]]\ntopic = \"home/{device}/climate\"\n# title = \"Climate\"\n",
            "# [rules.properties.temperature]  # seen: 21.5\n# unit = \"Cel\"\n",
            "# [rules.properties.fan]  # seen: \"ON\"\n# on = \"ON\"\n# off = \"OFF\"\n",
            "# format = \"text\"\n# decimal = \",\"\n# [rules.properties.temperature]",
            "# format = \"csv\"\n# decimal = \",\"\n# columns = [\"cell1\", \"cell2\", \"cell3\"]\n",
            "# separator = \"\\t\"\n",
            "# format = \"bytes\"\n",
            "## failed: too\\nlarge\n",
        ] {
            assert!(text.contains(expected), "{expected}\nin\n{text}");
        }
    }

    #[test]
    fn a_rule_that_would_take_topics_of_a_convention_is_only_suggested() {
        let topics = [topic("home/a/s", &[("k", "1")]), topic("home/b/s", &[("k", "1")])];
        let text = written(&topics, &["home/c/s"], true);
        assert!(text.contains("home/c/s, which a convention knows"), "{text}");
        assert!(text.contains("with a login"), "{text}");
        assert!(loaded(&text).unwrap().is_empty());
        assert_eq!(loaded(&uncommented(&text)).unwrap(), ["home/{device}/s"]);
    }
}

//! `THINGWAY__SECTION__KEY`: every option as an environment variable.

use std::ffi::OsString;

use super::SECTIONS;
use super::entries::List;
use super::explain::listed;
use super::problem::Problems;
use super::suggest::did_you_mean;
use super::tree::{Node, Place, Step, Value};

pub(super) const PREFIX: &str = "THINGWAY__";

/// What is wrong, and what to do.
pub(super) type Refusal = (String, Option<String>);

/// Puts what the variables say into the tree, over what is there.
pub(super) fn apply(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    tree: &mut Node,
    problems: &mut Problems,
) {
    let mut ours: Vec<Variable> =
        variables.into_iter().filter_map(|pair| Variable::read(pair, problems)).collect();
    // Those that make an entry go before those that change it; of rules, 2 goes before 10.
    ours.sort_by_key(|variable| (!variable.makes_an_entry(), variable.name.len()));
    for variable in ours {
        if let Err((message, help)) = variable.apply(tree) {
            problems.add(&variable.place(), message, help);
        }
    }
}

struct Variable {
    name: String,
    section: String,
    /// What follows the section.
    rest: String,
    value: String,
}

impl Variable {
    fn read((name, value): (OsString, OsString), problems: &mut Problems) -> Option<Self> {
        let name = name.into_string().ok()?;
        let option = name.strip_prefix(PREFIX)?;
        let (section, rest) = option.split_once("__").unwrap_or((option, ""));
        let (section, rest) = (section.to_lowercase(), rest.to_owned());
        match value.into_string() {
            Ok(value) => Some(Self { name, section, rest, value }),
            Err(_) => {
                problems.add(&Place::Variable(name), "its value is not UTF-8".into(), None);
                None
            }
        }
    }

    fn place(&self) -> Place {
        Place::Variable(self.name.clone())
    }

    fn makes_an_entry(&self) -> bool {
        List::named(&self.section).is_some_and(|list| list.is_made_by(&self.rest))
    }

    fn apply(&self, tree: &mut Node) -> Result<(), Refusal> {
        self.check_section()?;
        let Some(list) = List::named(&self.section) else {
            return self.set(tree, &[Step::from(self.section.as_str())], &self.rest);
        };
        let (index, option) = list.locate(tree, &self.rest, &self.place())?;
        self.set(tree, &[list.name.into(), index.into()], option)
    }

    fn check_section(&self) -> Result<(), Refusal> {
        if !SECTIONS.contains(&self.section.as_str()) {
            let suggestion = did_you_mean(&self.section, SECTIONS.iter().copied());
            let message = format!("there is no section `{}`{suggestion}", self.section);
            return Err((message, Some(format!("there are {}", listed(SECTIONS)))));
        }
        if self.rest.is_empty() {
            let help = format!("append two underscores and a key: {}__…", self.name);
            return Err(("it names a section and no option".into(), Some(help)));
        }
        Ok(())
    }

    /// Sets the option below `base`, making tables where there are none.
    fn set(&self, tree: &mut Node, base: &[Step], option: &str) -> Result<(), Refusal> {
        let mut path = base.to_vec();
        for key in option.split("__") {
            let key = tree.at(&path).map_or_else(|| key.to_lowercase(), |node| node.key_like(key));
            path.push(Step::Key(key));
        }
        let node = Node::new(self.place(), Value::Raw(self.value.clone()));
        tree.put(&path, node).ok_or_else(|| {
            let help = Some("correct that first, or leave this variable away".to_owned());
            ("what it is part of is no table".to_owned(), help)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;

    fn applied(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<String>) {
        let mut problems = Problems::new(None);
        let mut tree = file::parse(file, &mut problems);
        apply(variables.iter().map(|(n, v)| (n.into(), v.into())), &mut tree, &mut problems);
        let problems = problems.into_result().map_or_else(|error| error.problems, |()| Vec::new());
        (tree, problems.iter().map(ToString::to_string).collect())
    }

    fn text(tree: &Node, path: &[Step]) -> Option<String> {
        tree.at(path).and_then(Node::text).map(str::to_owned)
    }

    #[test]
    fn a_variable_wins_over_the_file_and_makes_missing_tables() {
        let variables = [("THINGWAY__HTTP__LISTEN", "[::1]:1"), ("THINGWAY__LIMITS__THINGS", "5")];
        let (tree, problems) = applied("[http]\nlisten = \"127.0.0.1:2\"", &variables);
        assert_eq!(problems, [""; 0]);
        assert_eq!(text(&tree, &["http".into(), "listen".into()]).unwrap(), "[::1]:1");
        assert_eq!(text(&tree, &["limits".into(), "things".into()]).unwrap(), "5");
    }

    #[test]
    fn an_adapter_is_addressed_by_its_name_or_made() {
        let file = "[[adapters]]\nname = \"Plant-1\"\nprotocol = \"mqtt\"";
        let variables = [
            ("THINGWAY__ADAPTERS__PLANT_1__CA_FILE", "/ca"),
            ("THINGWAY__ADAPTERS__YARD__URL", "mqtt://yard"),
            ("THINGWAY__ADAPTERS__YARD__PROTOCOL", "mqtt"),
        ];
        let (tree, problems) = applied(file, &variables);
        assert_eq!(problems, [""; 0]);
        let at =
            |index: usize, key| text(&tree, &["adapters".into(), index.into(), Step::from(key)]);
        assert_eq!(at(0, "ca_file").unwrap(), "/ca");
        assert_eq!(
            (at(1, "name"), at(1, "url")),
            (Some("yard".into()), Some("mqtt://yard".into()))
        );
    }

    #[test]
    fn a_variable_that_fits_nowhere_is_named() {
        for (name, expected) in [
            ("THINGWAY__HTP__LISTEN", "no section `htp`; did you mean `http`?"),
            ("THINGWAY__HTTP", "names a section"),
            ("THINGWAY__ADAPTERS__YARD__URL", "set THINGWAY__ADAPTERS__YARD__PROTOCOL, too"),
            ("THINGWAY__ADAPTERS__YARD", "THINGWAY__ADAPTERS__NAME__KEY"),
            ("THINGWAY__RULES__3__TOPIC", "no entry `3`"),
        ] {
            let (_, problems) = applied("", &[(name, "x")]);
            assert!(
                problems[0].starts_with(name) && problems[0].contains(expected),
                "{problems:?}"
            );
        }
    }
}

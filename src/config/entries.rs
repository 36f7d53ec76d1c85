//! How environment variables address the entries of a list: adapters and webhooks by their name
//! (`THINGWAY__ADAPTERS__PLANT__PASSWORD_FILE`), rules and joins by their
//! position, counted from 0.

use super::environment::{PREFIX, Refusal};
use super::suggest::did_you_mean;
use super::tree::{Node, Place, Value};

/// A section that may stand in the file any number of times.
pub(super) struct List {
    pub(super) name: &'static str,
    /// The key without which there is no entry: setting it makes one.
    founded_by: &'static str,
    has_names: bool,
}

const LISTS: [List; 4] = [
    List { name: "adapters", founded_by: "protocol", has_names: true },
    List { name: "webhooks", founded_by: "url", has_names: true },
    List { name: "rules", founded_by: "topic", has_names: false },
    List { name: "joins", founded_by: "thing", has_names: false },
];

impl List {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        LISTS.iter().find(|list| list.name == name)
    }

    /// Whether `LABEL__KEY` would make an entry that is not there.
    pub(super) fn is_made_by(&self, rest: &str) -> bool {
        rest.rsplit_once("__").is_some_and(|(_, key)| key.eq_ignore_ascii_case(self.founded_by))
    }

    /// The entry that `LABEL__KEY` is about, made if need be, and the key.
    pub(super) fn locate<'a>(
        &self,
        tree: &mut Node,
        rest: &'a str,
        place: &Place,
    ) -> Result<(usize, &'a str), Refusal> {
        if let Some(found) = self.find(tree, rest) {
            return Ok(found);
        }
        let Some((label, key)) = rest.split_once("__") else {
            let help = format!("write {PREFIX}{}__NAME__KEY", self.name.to_uppercase());
            return Err((format!("it names no entry of `{}`", self.name), Some(help)));
        };
        let next = tree.items(self.name).len();
        let follows = self.has_names || label == next.to_string();
        if !follows || !key.eq_ignore_ascii_case(self.founded_by) {
            return Err(self.no_such_entry(tree, label));
        }
        self.make(tree, label, place).map(|()| (next, key))
    }

    /// Names may hold `__` themselves, so the longest one that fits wins.
    fn find<'a>(&self, tree: &Node, rest: &'a str) -> Option<(usize, &'a str)> {
        self.labels(tree)
            .enumerate()
            .filter_map(|(index, label)| {
                let (start, key) = rest.split_at_checked(label.len())?;
                let key = key.strip_prefix("__")?;
                comparable(start).eq(&comparable(&label)).then_some((label.len(), index, key))
            })
            .max_by_key(|(length, ..)| *length)
            .map(|(_, index, key)| (index, key))
    }

    fn labels<'a>(&self, tree: &'a Node) -> impl Iterator<Item = String> + use<'a> {
        let has_names = self.has_names;
        tree.items(self.name).iter().enumerate().map(move |(index, item)| {
            let name = item.child(&"name".into()).filter(|_| has_names).and_then(Node::text);
            name.map_or_else(|| index.to_string(), str::to_owned)
        })
    }

    fn make(&self, tree: &mut Node, label: &str, place: &Place) -> Result<(), Refusal> {
        let mut entry = Node::empty_table(place.clone());
        if self.has_names {
            let name = Node::new(place.clone(), Value::Text(label.to_lowercase()));
            entry.put(&["name".into()], name);
        }
        tree.push(self.name, entry).ok_or_else(|| (format!("`{}` is no list", self.name), None))
    }

    fn no_such_entry(&self, tree: &Node, label: &str) -> Refusal {
        let labels: Vec<String> = self.labels(tree).collect();
        let suggestion = did_you_mean(label, labels.iter().map(String::as_str));
        let list = self.name.to_uppercase();
        let label_to_make =
            if self.has_names { label.to_owned() } else { labels.len().to_string() };
        let founded_by = self.founded_by.to_uppercase();
        let help = format!("to make one, set {PREFIX}{list}__{label_to_make}__{founded_by}, too");
        (format!("there is no entry `{label}` in `{}`{suggestion}", self.name), Some(help))
    }
}

/// Shells allow neither `-` nor, by custom, small letters in the name of a variable.
fn comparable(label: &str) -> String {
    label.to_lowercase().replace('-', "_")
}

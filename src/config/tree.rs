//! What was configured, before it is understood: values, each with the place it came from.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where something was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Byte range of the configuration file.
    File(Range<usize>),
    /// Name of an environment variable.
    Variable(String),
    /// Name of a command-line option.
    Argument(&'static str),
    /// Nobody wrote it.
    Default,
}

/// One step from a table to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where the key of this value stands.
    pub(super) key: Place,
    /// Where the value itself stands.
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// Text of an environment variable: what is wanted decides what it means.
    Raw(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Node {
    /// A value whose key stands at the same place: the form of variables and arguments.
    pub(super) fn new(place: Place, value: Value) -> Self {
        Self { key: place.clone(), place, value }
    }

    pub(super) fn empty_table(place: Place) -> Self {
        Self::new(place, Value::Table(BTreeMap::new()))
    }

    pub(super) fn child(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get(key),
            (Value::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    fn child_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Table(entries), Step::Key(key)) => entries.get_mut(key),
            (Value::List(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        }
    }

    /// The value at `path`.
    pub(super) fn at(&self, path: &[Step]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| node.child(step))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Raw(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the list under `key`, none when there is no list.
    pub(super) fn items(&self, key: &str) -> &[Self] {
        match self.child(&key.into()).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    /// Where the value at `path` was configured, or else what encloses it.
    pub(super) fn place_of(&self, path: &[Step]) -> &Place {
        let mut node = self;
        for step in path {
            match node.child(step) {
                Some(child) => node = child,
                None => break,
            }
        }
        &node.place
    }

    /// Where the key at `path` was configured, or else what encloses it.
    pub(super) fn key_place_of(&self, path: &[Step]) -> &Place {
        let mut node = self;
        for step in path {
            match node.child(step) {
                Some(child) => node = child,
                None => return &node.place,
            }
        }
        &node.key
    }

    /// Takes out what is at `path`.
    pub(super) fn remove(&mut self, path: &[Step]) -> Option<Self> {
        let (last, parents) = path.split_last()?;
        let mut node = self;
        for step in parents {
            node = node.child_mut(step)?;
        }
        match (&mut node.value, last) {
            (Value::Table(entries), Step::Key(key)) => entries.remove(key),
            (Value::List(items), Step::Index(index)) if *index < items.len() => {
                Some(items.remove(*index))
            }
            _ => None,
        }
    }

    /// Puts a value where `path` says, making tables on the way; `None` when something on the way
    /// is a single value.
    pub(super) fn put(&mut self, path: &[Step], node: Self) -> Option<()> {
        let Some((first, rest)) = path.split_first() else {
            *self = node;
            return Some(());
        };
        if let (Value::Table(entries), Step::Key(key)) = (&mut self.value, first) {
            entries.entry(key.clone()).or_insert_with(|| Self::empty_table(node.place.clone()));
        }
        self.child_mut(first)?.put(rest, node)
    }

    /// Appends to the list under `key`; `None` when something else than a list is there.
    pub(super) fn push(&mut self, key: &str, item: Self) -> Option<()> {
        if self.child(&key.into()).is_none() {
            self.put(&[key.into()], Self::new(item.place.clone(), Value::List(Vec::new())))?;
        }
        match &mut self.child_mut(&key.into())?.value {
            Value::List(items) => {
                items.push(item);
                Some(())
            }
            _ => None,
        }
    }

    /// The key of this table that equals `written` but for its case, or else `written` in small
    /// letters.
    pub(super) fn key_like(&self, written: &str) -> String {
        let existing = match &self.value {
            Value::Table(entries) => entries.keys().find(|key| key.eq_ignore_ascii_case(written)),
            _ => None,
        };
        existing.cloned().unwrap_or_else(|| written.to_lowercase())
    }
}

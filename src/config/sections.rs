//! Reads the sections of a tree into their types and keeps going after a fault.

use serde::de::DeserializeOwned;

use super::explain;
use super::fault::{Fault, Kind};
use super::problem::Problems;
use super::reader::Reader;
use super::suggest::did_you_mean;
use super::tree::{Node, Step, Value};

/// An entry of a list and its place in the file, which later checks point at.
pub(super) struct Entry<T> {
    pub(super) index: usize,
    pub(super) value: T,
}

pub(super) struct Sections<'a> {
    pub(super) tree: &'a mut Node,
    pub(super) problems: &'a mut Problems,
}

impl Sections<'_> {
    /// `[name]`; its defaults when it is absent.
    pub(super) fn table<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.read(&[name.into()], |value| T::deserialize(Reader(value))).unwrap_or_default()
    }

    /// Each `[[name]]`.
    pub(super) fn list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<Entry<T>> {
        self.entries(name, |sections, path| {
            sections.read(path, |value| T::deserialize(Reader(value)))
        })
    }

    /// Each `[[name]]`, read by `read`, which gets the path of the entry.
    pub(super) fn entries<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Self, &[Step]) -> Option<T>,
    ) -> Vec<Entry<T>> {
        self.expect_list(name);
        (0..self.tree.items(name).len())
            .filter_map(|index| {
                let value = read(self, &[name.into(), index.into()])?;
                Some(Entry { index, value })
            })
            .collect()
    }

    fn expect_list(&mut self, name: &str) {
        if let Some(node) = self.tree.child(&name.into())
            && !matches!(node.value, Value::List(_))
        {
            let message = format!("`{name}` is a list");
            let help = format!("write [[{name}]], in double brackets, once for each entry");
            self.problems.add(&node.key, message, Some(help));
        }
    }

    /// Reads what is at `base`. What does not fit is reported and taken out, then the rest is read
    /// again, until nothing is wrong or nothing more can be taken out.
    pub(super) fn read<T>(
        &mut self,
        base: &[Step],
        read: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let mut taken_out: Vec<Vec<Step>> = Vec::new();
        loop {
            let fault = match read(&self.tree.at(base)?.value) {
                Ok(value) => return Some(value),
                Err(fault) => fault,
            };
            if !self.follows_from(&taken_out, &fault) {
                explain::report(self.problems, self.tree, base, &fault);
            }
            let path = [base, &fault.path].concat();
            if fault.path.is_empty() || self.tree.remove(&path).is_none() {
                return None;
            }
            taken_out.push(fault.path);
        }
    }

    /// Whether a key is only missing because it was wrong, or because its line was no TOML.
    fn follows_from(&self, taken_out: &[Vec<Step>], fault: &Fault) -> bool {
        let Kind::Missing(key) = fault.kind else { return false };
        let mut missing = fault.path.clone();
        missing.push(key.into());
        self.problems.has_unreadable_lines() || taken_out.contains(&missing)
    }

    /// Reports what stands at the top of the file and is none of `known`.
    pub(super) fn refuse_others(&mut self, known: &[&str]) {
        let Value::Table(entries) = &self.tree.value else { return };
        for (name, node) in entries.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let suggestion = did_you_mean(name, known.iter().copied());
            let help = format!("there are {}", explain::listed(known));
            self.problems.add(
                &node.key,
                format!("unknown section `{name}`{suggestion}"),
                Some(help),
            );
        }
    }
}

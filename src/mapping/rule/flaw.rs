/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The keys that lead to it, from the rule on; items of lists are counted from 0.
    pub at: Vec<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// Collects what is wrong in one table of a rule.
pub(in crate::mapping) struct Flaws {
    table: Vec<String>,
    pub(in crate::mapping) found: Vec<Flaw>,
}

impl Flaws {
    pub(in crate::mapping) fn new(table: &[&str]) -> Self {
        Self { table: table.iter().map(|key| (*key).to_owned()).collect(), found: Vec::new() }
    }

    pub(in crate::mapping) fn add(
        &mut self,
        key: &str,
        reason: impl Into<String>,
        help: impl Into<String>,
    ) {
        let at = self.table.iter().cloned().chain([key.to_owned()]).collect();
        self.found.push(Flaw { at, reason: reason.into(), help: help.into() });
    }
}

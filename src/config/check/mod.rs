//! What only shows once a value is understood: names that must be unique, numbers that make no
//! sense, addresses that let strangers in.

mod adapters;
mod http;
mod joins;
mod limits;
mod rules;
mod webhooks;

use super::explain::subject;
use super::problem::Problems;
use super::sections::Entry;
use super::tree::{Node, Step};
use crate::adapters::{AdapterEntry, CoapConfig};
use crate::limits::Limits;
use crate::log::LogConfig;
use crate::mapping::{JoinConfig, MappingConfig, RuleConfig};
use crate::push::webhook::{DeliveryConfig, WebhookConfig};
use crate::rest::HttpConfig;

/// All sections, each entry with its place.
pub(super) struct Read {
    pub(super) http: HttpConfig,
    pub(super) adapters: Vec<Entry<AdapterEntry>>,
    pub(super) coap: CoapConfig,
    pub(super) mapping: MappingConfig,
    pub(super) rules: Vec<Entry<RuleConfig>>,
    pub(super) joins: Vec<Entry<JoinConfig>>,
    pub(super) webhooks: Vec<Entry<WebhookConfig>>,
    pub(super) delivery: DeliveryConfig,
    pub(super) limits: Limits,
    pub(super) log: LogConfig,
}

pub(super) fn check(read: &Read, tree: &Node, problems: &mut Problems) {
    let mut checks = Checks { tree, problems };
    http::check(&read.http, &mut checks);
    adapters::check(&read.adapters, &mut checks);
    adapters::check_coap(&read.coap, &read.adapters, &mut checks);
    rules::check(&read.rules, &mut checks);
    joins::check(&read.joins, &mut checks);
    webhooks::check(&read.webhooks, &mut checks);
    webhooks::check_delivery(&read.delivery, &mut checks);
    limits::check(&read.limits, &mut checks);
    limits::check_log(&read.log, &mut checks);
}

struct Checks<'a> {
    tree: &'a Node,
    problems: &'a mut Problems,
}

impl Checks<'_> {
    /// Reports `reason` for the value at `path`.
    fn refuse(&mut self, path: &[Step], reason: &str, help: impl Into<String>) {
        let message = format!("{}: {reason}", subject(path));
        self.problems.add(self.tree.place_of(path), message, Some(help.into()));
    }

    /// Numbers that make no sense as zero.
    fn positive(&mut self, section: &str, options: &[(&str, bool)]) {
        for (key, _) in options.iter().filter(|(_, is_zero)| *is_zero) {
            let help = "write 1 or more, or leave it away for the default";
            self.refuse(&[section.into(), Step::from(*key)], "0 would let nothing through", help);
        }
    }

    /// Names of list entries: well formed, and each only once.
    fn names<'a>(&mut self, list: &str, names: impl Iterator<Item = (usize, &'a str)>) {
        let mut seen: Vec<&str> = Vec::new();
        for (index, name) in names {
            let path = [list.into(), index.into(), Step::from("name")];
            if !is_name(name) {
                let help = "use letters, digits, `-` and `_` only";
                self.refuse(&path, &format!("`{name}` can't be used in URLs"), help);
            } else if seen.contains(&name) {
                self.refuse(&path, &format!("`{name}` is taken by an entry above"), "rename one");
            }
            seen.push(name);
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=128).contains(&name.len()) && name.chars().all(allowed)
}

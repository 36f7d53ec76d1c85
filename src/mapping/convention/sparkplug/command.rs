use prost::Message;
use smol_str::SmolStr;
use thingway_sdk::{Timestamp, Value};

use super::datatype::Datatype;
use super::payload::{Metric, MetricValue, Payload};

/// A metric that a node is told to change (`NCMD`, `DCMD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mapping) struct MetricCommand {
    pub(super) name: SmolStr,
    /// What stands for the name, where the node's birth gave one.
    pub(super) alias: Option<u64>,
    /// As a number of the specification, which is sent along.
    pub(super) datatype: u32,
    /// Always `true`, whatever is written: what a node is told to do.
    pub(super) is_order: bool,
}

impl MetricCommand {
    /// The order that a node obeys before its birth is known: to be born again.
    pub(super) fn rebirth() -> Self {
        let name = SmolStr::new_static("Node Control/Rebirth");
        Self { name, alias: None, datatype: 11, is_order: true }
    }

    /// The payload for one value.
    ///
    /// # Errors
    /// When the metric's datatype has no such value.
    pub(in crate::mapping) fn fill(&self, value: &Value) -> Result<Vec<u8>, String> {
        let value = match (self.is_order, value) {
            (true, _) => Some(MetricValue::Boolean(true)),
            (false, Value::Null) => None,
            (false, value) => {
                let datatype = Datatype::of(self.datatype);
                let datatype = datatype.ok_or("the metric has a datatype that is not known")?;
                Some(datatype.write(value)?)
            }
        };
        let now = u64::try_from(Timestamp::now().as_micros() / 1000).ok();
        let metric = Metric {
            name: self.alias.is_none().then(|| self.name.to_string()),
            alias: self.alias,
            timestamp: now,
            datatype: Some(self.datatype),
            is_null: value.is_none().then_some(true),
            value,
            ..Metric::default()
        };
        Ok(Payload { timestamp: now, metrics: vec![metric], seq: None }.encode_to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_metric_or_its_alias() {
        let command =
            MetricCommand { name: "a/b".into(), alias: None, datatype: 3, is_order: false };
        let sent = |command: &MetricCommand, literal: &str| {
            let filled = command.fill(&Value::from_json(literal).unwrap());
            filled.map(|bytes| Payload::decode(&*bytes).unwrap().metrics.remove(0))
        };
        let metric = sent(&command, "-2").unwrap();
        assert_eq!(metric.name.as_deref(), Some("a/b"));
        assert_eq!(metric.value, Some(MetricValue::Int(u32::MAX - 1)));
        let aliased = MetricCommand { alias: Some(7), ..command.clone() };
        let metric = sent(&aliased, "null").unwrap();
        assert_eq!((metric.name, metric.alias, metric.is_null), (None, Some(7), Some(true)));
        assert!(sent(&command, "\"x\"").is_err());
        let rebirth = sent(&MetricCommand::rebirth(), "null").unwrap();
        assert_eq!(rebirth.value, Some(MetricValue::Boolean(true)));
    }
}

//! The attributes of versions 3 and 4: one topic each, in any order.

use std::collections::BTreeMap;

use smol_str::{SmolStr, format_smolstr};

use super::description::{Description, Node, Property, is_id};

/// Attributes by the topic that they are of (`homie/lamp/led`), with their names (`$properties`).
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    by_topic: BTreeMap<SmolStr, BTreeMap<SmolStr, SmolStr>>,
    /// Bytes of all of them.
    bytes: usize,
}

/// Those that say something that is kept.
pub(super) const KEPT: [&str; 11] = [
    "$homie",
    "$name",
    "$nodes",
    "$properties",
    "$datatype",
    "$format",
    "$settable",
    "$retained",
    "$unit",
    "$mac",
    "$state",
];

/// Those that say nothing for a thing: of the firmware and of how it counts.
pub(super) const OTHERS: [&str; 9] = [
    "$type",
    "$array",
    "$extensions",
    "$implementation",
    "$fw",
    "$localip",
    "$stats",
    "$online",
    "$ota",
];

/// Bytes that one attribute takes beside its text, about.
const OVERHEAD: usize = 64;

impl Attributes {
    /// Notes one; an empty text takes it away. Tells whether that is new.
    ///
    /// # Errors
    /// When all together would be more than `most` bytes.
    pub(super) fn note(
        &mut self,
        topic: &str,
        name: &str,
        text: &str,
        most: usize,
    ) -> Result<bool, String> {
        let known = self.get(topic, name);
        if known == (!text.is_empty()).then_some(text) {
            return Ok(false);
        }
        let freed = known.map_or(0, |known| size(topic, known));
        if text.is_empty() {
            self.bytes -= freed;
            if let Some(of_topic) = self.by_topic.get_mut(topic) {
                of_topic.remove(name);
                if of_topic.is_empty() {
                    self.by_topic.remove(topic);
                }
            }
            return Ok(true);
        }
        let bytes = self.bytes - freed + size(topic, text);
        if bytes > most {
            return Err(format!(
                "the attributes of all Homie devices are more than {most} bytes: \
                 clear the retained ones of devices that are gone"
            ));
        }
        self.bytes = bytes;
        self.by_topic.entry(topic.into()).or_default().insert(name.into(), text.into());
        Ok(true)
    }

    /// Lets those of a device go.
    pub(super) fn forget(&mut self, root: &str) {
        let below = format_smolstr!("{root}/");
        let is_of = |topic: &str| topic == root || topic.starts_with(below.as_str());
        let from = SmolStr::new(root);
        let topics: Vec<SmolStr> = self
            .by_topic
            .range(from..)
            // Between a topic and those below it stand others: `a`, `a-b`, `a/b`.
            .take_while(|(topic, _)| topic.starts_with(root))
            .filter(|(topic, _)| is_of(topic))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in topics {
            let texts = self.by_topic.remove(&topic).unwrap_or_default();
            self.bytes -= texts.values().map(|text| size(&topic, text)).sum::<usize>();
        }
    }

    pub(super) fn get(&self, topic: &str, name: &str) -> Option<&str> {
        self.by_topic.get(topic)?.get(name).map(SmolStr::as_str)
    }

    /// What they say of a device, as far as they are known.
    pub(super) fn description(&self, root: &str) -> Description {
        let node = |id: &str| {
            let topic = format_smolstr!("{root}/{id}");
            let properties = self.list(&topic, "$properties").map(|property| {
                let of_property = self.property(&format_smolstr!("{topic}/{property}"));
                (property.into(), of_property)
            });
            Node { name: self.text(&topic, "$name"), properties: properties.collect() }
        };
        Description {
            name: self.text(root, "$name"),
            root: None,
            // Version 3 marks arrays of nodes by `[]`.
            nodes: self
                .list(root, "$nodes")
                .map(|id| id.strip_suffix("[]").unwrap_or(id))
                .map(|id| (id.into(), node(id)))
                .collect(),
            mac: self.get(root, "$mac").map(SmolStr::new),
        }
    }

    fn property(&self, topic: &str) -> Property {
        Property {
            name: self.text(topic, "$name"),
            datatype: self.get(topic, "$datatype").map(SmolStr::new),
            format: self.text(topic, "$format"),
            settable: self.get(topic, "$settable") == Some("true"),
            retained: self.get(topic, "$retained").map(|text| text != "false"),
            unit: self.text(topic, "$unit"),
        }
    }

    fn list(&self, topic: &str, name: &str) -> impl Iterator<Item = &str> {
        let ids = self.get(topic, name).unwrap_or_default().split(',');
        ids.map(str::trim).filter(|id| is_id(id))
    }

    fn text(&self, topic: &str, name: &str) -> Option<String> {
        self.get(topic, name).map(str::to_owned)
    }
}

fn size(topic: &str, text: &str) -> usize {
    topic.len() + text.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_makes_room() {
        let mut kept = Attributes::default();
        for topic in ["homie/a", "homie/a-b", "homie/a/led", "homie/a/led/on", "homie/ab"] {
            assert_eq!(kept.note(topic, "$name", "x", 10_000), Ok(true));
        }
        assert_eq!(kept.note("homie/a", "$name", "x", 10_000), Ok(false));
        assert!(kept.note("homie/c", "$name", "x", kept.bytes).is_err());
        kept.forget("homie/a");
        assert_eq!(kept.by_topic.keys().collect::<Vec<_>>(), ["homie/a-b", "homie/ab"]);
        assert_eq!(kept.note("homie/ab", "$name", "", 0), Ok(true));
        kept.forget("homie/a-b");
        assert_eq!(kept.bytes, 0);
    }
}

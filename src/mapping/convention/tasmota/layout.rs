//! Where the three kinds of messages of a device stand: `FullTopic`
//! (<https://tasmota.github.io/docs/MQTT/#mqtt-topic-definition>).

use serde::Deserialize;
use smol_str::SmolStr;

/// What a message is: the first of these stands in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A command to the device.
    Command,
    /// An answer, or a state that has changed.
    Status,
    /// What the device tells by itself.
    Telemetry,
}

pub(super) const PREFIXES: [(&str, Kind); 3] =
    [("cmnd", Kind::Command), ("stat", Kind::Status), ("tele", Kind::Telemetry)];

/// The longest topic before the last level, in bytes.
const LONGEST: usize = 300;

/// The levels before the last, for each kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) folders: [(SmolStr, Kind); 3],
}

impl Layout {
    /// `stat/<topic>` or `<topic>/stat`, which need no announcement: the layout of the device that
    /// has a message below this folder, what the message is, and the device's topic.
    pub(super) fn usual(folder: &str) -> Option<(Self, Kind, &str)> {
        let kind_of = |level: &str| PREFIXES.iter().find(|(prefix, _)| *prefix == level);
        let (topic, is_first, kind) = match folder.split_once('/') {
            Some((first, topic)) if kind_of(first).is_some() => (topic, true, kind_of(first)?.1),
            _ => {
                let (topic, last) = folder.rsplit_once('/')?;
                (topic, false, kind_of(last)?.1)
            }
        };
        if topic.is_empty() || folder.len() > LONGEST {
            return None;
        }
        let folder_of = |prefix: &str| match is_first {
            true => format!("{prefix}/{topic}"),
            false => format!("{topic}/{prefix}"),
        };
        let folders = PREFIXES.map(|(prefix, kind)| (folder_of(prefix).into(), kind));
        Some((Self { folders }, kind, topic))
    }

    pub(super) fn folder(&self, kind: Kind) -> &str {
        self.folders.iter().find(|(_, other)| *other == kind).map_or("", |(folder, _)| folder)
    }

    /// Whether its folders show by themselves that they may be Tasmota's.
    pub(super) fn is_plain(&self) -> bool {
        self.folders.iter().all(|(folder, _)| names_a_kind(folder))
    }
}

/// Whether one of the levels is `cmnd`, `stat` or `tele`.
pub(super) fn names_a_kind(folder: &str) -> bool {
    folder.split('/').any(|level| PREFIXES.iter().any(|(prefix, _)| *prefix == level))
}

/// What a device says of itself on `tasmota/discovery/<mac>/config`, as far as it is needed.
#[derive(Debug, Deserialize)]
pub(super) struct Announcement {
    /// Its MAC address, without separators.
    pub(super) mac: SmolStr,
    /// Topic.
    pub(super) t: SmolStr,
    /// Full topic: `%prefix%/%topic%/`.
    ft: String,
    /// The three prefixes: of commands, of status, of telemetry.
    tp: [String; 3],
    /// Host name.
    #[serde(default)]
    hn: String,
    /// Device name.
    #[serde(default)]
    dn: Option<String>,
    /// Friendly names of the relays.
    #[serde(default, rename = "fn")]
    friendly: Vec<Option<String>>,
    /// Relays: 0 none, 1 relay, 2 light, 3 shutter.
    #[serde(default, rename = "rl")]
    relays: Vec<u8>,
    /// What is said for off, on, toggle and hold.
    #[serde(default)]
    state: Vec<String>,
    /// What the last will says.
    #[serde(default = "offline")]
    pub(super) ofln: String,
    /// What is said when it is there.
    #[serde(default = "online")]
    pub(super) onln: String,
    /// It sleeps deeply, so that it is mostly out of reach.
    #[serde(default)]
    dslp: u8,
    /// Light: 0 none, 1 one channel, 2 cold and warm, 3 colour, 4 colour and white, 5 all.
    #[serde(default)]
    lt_st: u8,
}

fn offline() -> String {
    "Offline".to_owned()
}

fn online() -> String {
    "Online".to_owned()
}

impl Announcement {
    /// Where its messages are; `None` where its full topic can't be one.
    pub(super) fn layout(&self) -> Option<Layout> {
        let id = self.mac.get(self.mac.len().saturating_sub(6)..)?;
        let pattern =
            self.ft.replace("%topic%", &self.t).replace("%hostname%", &self.hn).replace("%id%", id);
        let is_odd = |c: char| c.is_control() || matches!(c, '+' | '#' | '%');
        let folder = |prefix: &str| {
            let folder = pattern.replace("%prefix%", prefix).trim_matches('/').to_owned();
            let is_usable = !folder.is_empty() && !folder.contains(is_odd);
            (is_usable && folder.len() <= LONGEST).then(|| SmolStr::from(folder))
        };
        let [commands, status, telemetry] = &self.tp;
        let folders = [
            (folder(commands)?, Kind::Command),
            (folder(status)?, Kind::Status),
            (folder(telemetry)?, Kind::Telemetry),
        ];
        let is_distinct = folders[0].0 != folders[1].0 && folders[0].0 != folders[2].0;
        is_distinct.then_some(Layout { folders })
    }

    pub(super) fn title(&self) -> &str {
        let named = self.dn.as_deref().or_else(|| self.friendly.first()?.as_deref());
        named.filter(|name| !name.is_empty()).unwrap_or(&self.t)
    }

    /// The names of its relays, with what people call them.
    pub(super) fn relays(&self) -> Vec<(String, Option<&str>)> {
        let relays: Vec<usize> =
            (0..self.relays.len().min(64)).filter(|n| matches!(self.relays[*n], 1 | 2)).collect();
        let is_alone = self.relays.iter().filter(|kind| **kind != 0).count() == 1;
        let called = |n: usize| self.friendly.get(n)?.as_deref().filter(|name| !name.is_empty());
        relays
            .into_iter()
            .map(|n| match is_alone {
                true => ("POWER".to_owned(), called(n)),
                false => (format!("POWER{}", n + 1), called(n)),
            })
            .collect()
    }

    /// What a light of its kind has beside its relay.
    pub(super) fn light(&self) -> &'static [&'static str] {
        match self.lt_st {
            0 => &[],
            1 => &["Dimmer"],
            2 => &["Dimmer", "CT"],
            3 => &["Dimmer", "HSBColor"],
            4 => &["Dimmer", "HSBColor", "White"],
            _ => &["Dimmer", "HSBColor", "CT"],
        }
    }

    /// The words for on and off.
    pub(super) fn words(&self) -> (&str, &str) {
        let word = |n: usize, usual| self.state.get(n).map_or(usual, String::as_str);
        (word(1, "ON"), word(0, "OFF"))
    }

    pub(super) fn sleeps(&self) -> bool {
        self.dslp != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_usual_orders_are_known_without_an_announcement() {
        let usual = |folder| Layout::usual(folder).map(|(_, kind, topic)| (kind, topic));
        assert_eq!(usual("tele/plug"), Some((Kind::Telemetry, "plug")));
        assert_eq!(usual("tele/home/plug"), Some((Kind::Telemetry, "home/plug")));
        assert_eq!(usual("home/plug/stat"), Some((Kind::Status, "home/plug")));
        for other in ["tele", "home/plug", "home/tele/plug", "tele/", "/tele"] {
            assert_eq!(usual(other), None, "{other}");
        }
        let (layout, ..) = Layout::usual("home/plug/stat").unwrap();
        assert_eq!(layout.folder(Kind::Command), "home/plug/cmnd");
    }

    fn announced(full_topic: &str) -> Option<Layout> {
        let json = format!(
            r#"{{"mac":"DC4F22000001","t":"plug","ft":"{full_topic}","tp":["cmnd","stat","tele"],"hn":"host"}}"#
        );
        serde_json::from_str::<Announcement>(&json).unwrap().layout()
    }

    #[test]
    fn a_full_topic_says_where_messages_are() {
        let folder = |full: &str| announced(full).map(|it| it.folder(Kind::Telemetry).to_owned());
        assert_eq!(folder("%prefix%/%topic%/").as_deref(), Some("tele/plug"));
        assert_eq!(
            folder("home/%prefix%/%hostname%/%id%/").as_deref(),
            Some("home/tele/host/000001")
        );
        assert_eq!(folder("%topic%/").as_deref(), None);
        assert_eq!(folder("a/+/%prefix%/").as_deref(), None);
    }
}

//! Which topics are Shelly's.

use smol_str::SmolStr;

/// What a topic is about, by its levels alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topic<'a> {
    /// `shellies/<id>/<rest>`: a device of the first generation.
    First { id: &'a str, rest: &'a str },
    /// `shellies/announce`, `shellies/command`
    AllFirst(&'a str),
    /// `<prefix>/events/rpc`
    Notification(&'a str),
    /// `<prefix>/rpc`
    Rpc(&'a str),
    /// `<prefix>/status/<component>`
    Status { prefix: &'a str, component: &'a str },
    /// `<prefix>/command/<component>`, `<prefix>/command`
    Command(&'a str),
    /// `<prefix>/online`
    Online(&'a str),
}

impl<'a> Topic<'a> {
    pub(super) fn of(address: &'a str) -> Option<Self> {
        let (before, last) = address.rsplit_once('/')?;
        let later = match (before.rsplit_once('/'), last) {
            (Some((prefix, "events")), "rpc") => Some(Self::Notification(prefix)),
            (_, "rpc") => Some(Self::Rpc(before)),
            (Some((prefix, "status")), component) if is_component(component) => {
                Some(Self::Status { prefix, component })
            }
            (Some((prefix, "command")), component) if component.contains(':') => {
                Some(Self::Command(prefix))
            }
            _ => None,
        };
        if later.is_some() {
            return later;
        }
        match address.strip_prefix("shellies/") {
            Some(rest) => Some(match rest.split_once('/') {
                Some((id, rest)) => Self::First { id, rest },
                None if matches!(rest, "announce" | "command") => Self::AllFirst(rest),
                None => return None,
            }),
            None => match last {
                "online" => Some(Self::Online(before)),
                "command" => Some(Self::Command(before)),
                _ => None,
            },
        }
    }
}

/// `switch:0`, `sys`
fn is_component(key: &str) -> bool {
    let (kind, number) = key.split_once(':').unwrap_or((key, "0"));
    let is_kind = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !kind.is_empty()
        && kind.len() <= 32
        && kind.chars().all(is_kind)
        && !number.is_empty()
        && number.len() <= 6
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a prefix ends in the id that a device of a later generation has of itself.
pub(super) fn is_usual_id(prefix: &str) -> bool {
    let id = prefix.rsplit('/').next().unwrap_or(prefix);
    id.starts_with("shelly") && mac_in(id).is_some()
}

/// The MAC address in an id: `shellyplus1pm-a8032abe54dc`.
pub(super) fn mac_in(id: &str) -> Option<SmolStr> {
    let (_, mac) = id.rsplit_once('-')?;
    let is_mac = mac.len() == 12 && mac.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_mac.then(|| mac.to_ascii_uppercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_tells_what_it_is_about() {
        let status = |prefix, component| Some(Topic::Status { prefix, component });
        let first = |id, rest| Some(Topic::First { id, rest });
        for (address, expected) in [
            ("shellies/announce", Some(Topic::AllFirst("announce"))),
            ("shellies/shelly1-B929CC/relay/0", first("shelly1-B929CC", "relay/0")),
            ("shellies/lamp/light/0/status", first("lamp", "light/0/status")),
            ("shellies/lamp/online", first("lamp", "online")),
            (
                "shellyplus1-a8032abe54dc/events/rpc",
                Some(Topic::Notification("shellyplus1-a8032abe54dc")),
            ),
            ("a/b/status/switch:0", status("a/b", "switch:0")),
            ("a/status/sys", status("a", "sys")),
            ("a/status/Sys", None),
            ("a/command/switch:0", Some(Topic::Command("a"))),
            ("a/b/command", Some(Topic::Command("a/b"))),
            ("shellies/lamp/command", first("lamp", "command")),
            ("shellies/command", Some(Topic::AllFirst("command"))),
            ("thingway/rpc", Some(Topic::Rpc("thingway"))),
            ("a/b/online", Some(Topic::Online("a/b"))),
            ("shellies/plus-a8032abe54dc/status/sys", status("shellies/plus-a8032abe54dc", "sys")),
            ("home/lamp", None),
            ("shellies/x", None),
        ] {
            assert_eq!(Topic::of(address), expected, "{address}");
        }
    }
}

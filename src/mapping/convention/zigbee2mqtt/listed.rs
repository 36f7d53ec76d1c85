//! The lists that a bridge publishes of its devices and groups, entry by entry: one that can't be
//! read takes no other along.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::exposes::{Described, Shared, clip};

/// One entry of `bridge/devices` or `bridge/groups`.
pub(super) struct Listed<'a> {
    /// What stays when it is renamed: the IEEE address, or the number of a group.
    pub(super) identity: SmolStr,
    /// Its name, which is also its topic below the base.
    pub(super) name: SmolStr,
    pub(super) group: Option<Group>,
    /// The entry as it stands in the list.
    raw: &'a str,
}

/// What is known of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// The IEEE addresses of its devices.
    pub(super) members: Vec<SmolStr>,
    /// The numbers of its scenes.
    pub(super) scenes: Vec<u32>,
}

/// Members of one group beyond this are not looked at.
const MOST_IN_GROUP: usize = 1000;

impl<'a> Listed<'a> {
    /// A device; `None` for the coordinator, which has no state.
    ///
    /// # Errors
    /// Why the entry can't be read.
    pub(super) fn device(raw: &'a RawValue) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Device {
            ieee_address: SmolStr,
            friendly_name: SmolStr,
            #[serde(rename = "type", default)]
            kind: Option<SmolStr>,
        }
        let Device { ieee_address, friendly_name, kind } = serde_json::from_str(raw.get())?;
        let device =
            Self { identity: ieee_address, name: friendly_name, group: None, raw: raw.get() };
        Ok((kind.as_deref() != Some("Coordinator")).then_some(device))
    }

    /// A group.
    ///
    /// # Errors
    /// Why the entry can't be read.
    pub(super) fn group(raw: &'a RawValue) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Entry {
            id: u32,
            friendly_name: SmolStr,
            #[serde(default)]
            members: Vec<Member>,
            #[serde(default)]
            scenes: Vec<Scene>,
        }
        #[derive(Deserialize)]
        struct Member {
            ieee_address: SmolStr,
        }
        #[derive(Deserialize)]
        struct Scene {
            id: u32,
        }
        let Entry { id, friendly_name, members, scenes } = serde_json::from_str(raw.get())?;
        let group = Group {
            members: members.into_iter().take(MOST_IN_GROUP).map(|it| it.ieee_address).collect(),
            scenes: scenes.into_iter().map(|scene| scene.id).collect(),
        };
        let identity = smol_str::format_smolstr!("group {id}");
        Ok(Some(Self { identity, name: friendly_name, group: Some(group), raw: raw.get() }))
    }

    /// The same for entries that are the same: most lists differ from the one before in one entry.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.raw.hash(&mut hasher);
        hasher.finish()
    }

    pub(super) fn bytes(&self) -> usize {
        self.raw.len()
    }

    /// What the device at this topic has.
    pub(super) fn describe(&self, topic: &str, shared: &mut Shared) -> Described {
        #[derive(Deserialize)]
        struct Device<'a> {
            #[serde(borrow, default)]
            definition: Option<Definition<'a>>,
        }
        // A device that Zigbee2MQTT does not know yet has no definition.
        let device: Result<Device<'_>, _> = serde_json::from_str(self.raw);
        let Some(definition) = device.ok().and_then(|device| device.definition) else {
            return Described::default();
        };
        let described = Described::by_exposes(&definition.exposes, topic, shared);
        Described { description: definition.text(), ..described }
    }
}

#[derive(Deserialize)]
struct Definition<'a> {
    #[serde(borrow, default)]
    exposes: Vec<&'a RawValue>,
    #[serde(default)]
    vendor: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

impl Definition<'_> {
    /// `Philips 7146060PH: Hue Go`
    fn text(&self) -> Option<String> {
        let name: Vec<&str> =
            [&self.vendor, &self.model].into_iter().filter_map(|it| it.as_deref()).collect();
        let name = (!name.is_empty()).then(|| name.join(" "));
        let parts: Vec<String> = name.into_iter().chain(self.description.clone()).collect();
        (!parts.is_empty()).then(|| clip(&parts.join(": ")))
    }
}

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use super::cloudevents::CloudEvents;
use super::home_assistant::HomeAssistant;
use super::homie::Homie;
use super::lorawan::{ChirpStack, TheThingsStack};
use super::shelly::Shelly;
use super::sparkplug::Sparkplug;
use super::tasmota::Tasmota;
use super::zigbee2mqtt::Zigbee2Mqtt;
use super::{Convention, Incoming, Meaning, Taken};

/// The conventions that one adapter's messages may follow. Each has a number, its place here; of
/// two that say something of the same address, the earlier one is right.
#[derive(Default)]
pub(in crate::mapping) struct Conventions(Vec<Box<dyn Convention>>);

/// A set of conventions, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::mapping) struct Concerned(u16);

/// What a convention made of a message.
pub(in crate::mapping) struct Interpreted {
    /// Its number.
    pub(in crate::mapping) convention: u8,
    /// Its name.
    pub(in crate::mapping) name: &'static str,
    /// What became of the message: anything but [`Taken::NotMine`].
    pub(in crate::mapping) taken: Taken,
    /// What it means, where it was understood.
    pub(in crate::mapping) meaning: Meaning,
}

/// A convention that the gateway knows. Of two that say something of the same address, the one
/// that stands first here is right: what speaks for itself goes before what speaks for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Sparkplug B.
    Sparkplug,
    /// Homie, versions 3 to 5.
    Homie,
    /// Zigbee2MQTT.
    #[serde(rename = "zigbee2mqtt")]
    Zigbee2Mqtt,
    /// Tasmota.
    Tasmota,
    /// Shelly, all generations.
    Shelly,
    /// The Things Stack, version 3.
    TheThingsStack,
    /// ChirpStack, version 4.
    Chirpstack,
    /// Home Assistant's MQTT discovery.
    HomeAssistant,
    /// CloudEvents in JSON.
    Cloudevents,
}

impl Known {
    /// All of them, in the order in which they are asked.
    pub const ALL: [Self; 9] = [
        Self::Sparkplug,
        Self::Homie,
        Self::Zigbee2Mqtt,
        Self::Tasmota,
        Self::Shelly,
        Self::TheThingsStack,
        Self::Chirpstack,
        Self::HomeAssistant,
        Self::Cloudevents,
    ];

    fn make(self) -> Box<dyn Convention> {
        match self {
            Self::Homie => Box::<Homie>::default(),
            Self::Zigbee2Mqtt => Box::<Zigbee2Mqtt>::default(),
            Self::Tasmota => Box::<Tasmota>::default(),
            Self::Shelly => Box::<Shelly>::default(),
            Self::TheThingsStack => Box::<TheThingsStack>::default(),
            Self::Chirpstack => Box::<ChirpStack>::default(),
            Self::Cloudevents => Box::<CloudEvents>::default(),
            Self::Sparkplug => Box::<Sparkplug>::default(),
            Self::HomeAssistant => Box::<HomeAssistant>::default(),
        }
    }
}

impl Conventions {
    /// These, in the order in which they are asked.
    #[cfg(test)]
    pub(in crate::mapping) fn of(conventions: Vec<Box<dyn Convention>>) -> Self {
        Self(conventions)
    }

    /// Those that are wanted.
    pub(in crate::mapping) fn wanted(wanted: &[Known]) -> Self {
        let wanted = Known::ALL.into_iter().filter(|known| wanted.contains(known));
        Self(wanted.map(Known::make).collect())
    }

    /// Those that an address may concern.
    pub(in crate::mapping) fn concerned(&self, address: &str) -> Concerned {
        let mut concerned = 0;
        for (number, convention) in self.0.iter().enumerate() {
            concerned |= u16::from(convention.concerns(address)) << number;
        }
        Concerned(concerned)
    }

    /// What a message means to the first of these that understands it.
    pub(in crate::mapping) fn interpret(
        &mut self,
        concerned: Concerned,
        message: &Incoming<'_>,
    ) -> Option<Interpreted> {
        let asked = self.0.iter_mut().zip(0..).filter(|(_, number)| concerned.has(*number));
        asked.into_iter().find_map(|(convention, number)| ask(&mut **convention, number, message))
    }

    /// The same as a dry run: no convention learns from it.
    pub(in crate::mapping) fn try_out(
        &self,
        concerned: Concerned,
        message: &Incoming<'_>,
    ) -> Option<Interpreted> {
        let asked = self.0.iter().zip(0..).filter(|(_, number)| concerned.has(*number));
        asked.into_iter().find_map(|(known, number)| ask(&mut *known.duplicate(), number, message))
    }
}

/// What a message means to a convention. None when it is not of it. A defect of one convention
/// costs one message: the silo would send a retained one again after each new start of the link.
fn ask(convention: &mut dyn Convention, number: u8, message: &Incoming<'_>) -> Option<Interpreted> {
    let name = convention.name();
    let asked = catch_unwind(AssertUnwindSafe(|| {
        let mut meaning = Meaning::default();
        (convention.take(message, &mut meaning), meaning)
    }));
    let (taken, meaning) = asked.unwrap_or_else(|_| {
        let defect = "the gateway has a defect here and panicked; its log has more";
        (Taken::Malformed(defect.to_owned()), Meaning::default())
    });
    let is_mine = taken != Taken::NotMine;
    is_mine.then_some(Interpreted { convention: number, name, taken, meaning })
}

impl Concerned {
    /// And this one, too.
    pub(in crate::mapping) fn with(self, convention: u8) -> Self {
        Self(self.0 | 1 << convention)
    }

    /// Those of them that are asked before this one.
    pub(in crate::mapping) fn before(self, convention: u8) -> Self {
        Self(self.0 & ((1 << convention) - 1))
    }

    /// Whether it is nobody at all.
    pub(in crate::mapping) fn is_nobody(self) -> bool {
        self.0 == 0
    }

    fn has(self, convention: u8) -> bool {
        self.0 >> convention & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conventions_are_called_the_same_everywhere() {
        for known in Known::ALL {
            let written = serde_json::to_value(known).unwrap();
            assert_eq!(written, known.make().name());
        }
    }
}

//! The operations that consumers ask for.

use crate::rest::Problem;

/// What may be asked for (TD 1.1, section 5.3.4.2 `op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    ReadProperty,
    ReadAllProperties,
    ReadMultipleProperties,
    WriteProperty,
    WriteAllProperties,
    WriteMultipleProperties,
    ObserveProperty,
    ObserveAllProperties,
    UnobserveProperty,
    UnobserveAllProperties,
    SubscribeEvent,
    SubscribeAllEvents,
    UnsubscribeEvent,
    UnsubscribeAllEvents,
    InvokeAction,
}

impl Operation {
    const NAMES: [(&'static str, Self); 15] = [
        ("readproperty", Self::ReadProperty),
        ("readallproperties", Self::ReadAllProperties),
        ("readmultipleproperties", Self::ReadMultipleProperties),
        ("writeproperty", Self::WriteProperty),
        ("writeallproperties", Self::WriteAllProperties),
        ("writemultipleproperties", Self::WriteMultipleProperties),
        ("observeproperty", Self::ObserveProperty),
        ("observeallproperties", Self::ObserveAllProperties),
        ("unobserveproperty", Self::UnobserveProperty),
        ("unobserveallproperties", Self::UnobserveAllProperties),
        ("subscribeevent", Self::SubscribeEvent),
        ("subscribeallevents", Self::SubscribeAllEvents),
        ("unsubscribeevent", Self::UnsubscribeEvent),
        ("unsubscribeallevents", Self::UnsubscribeAllEvents),
        ("invokeaction", Self::InvokeAction),
    ];

    /// The operation of this name.
    pub(super) fn named(name: &str) -> Result<Self, Problem> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, operation)| *operation).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name).join(", ");
            Problem::bad_request(format!("there is no such operation; there are {known}"))
        })
    }
}

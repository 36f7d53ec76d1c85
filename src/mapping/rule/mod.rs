//! `[[rules]]`: what a person, or a convention, says of the messages of an address.

mod config;
mod flaw;
mod property;
mod write;

pub use config::{ByConvention, RuleConfig};
pub use flaw::Flaw;
pub(super) use flaw::Flaws;
pub use property::PropertyRule;
pub use write::WriteRule;

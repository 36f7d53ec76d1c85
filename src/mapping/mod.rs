//! From an address and a payload to the properties of a thing, without configuration or by a rule.
//!
//! The messages of one adapter come in batches ([`Mapper::begin`]). Each is taken apart without the
//! recorder's lock ([`Batch::read`]), then applied in its turn ([`Batch::apply`]). What an address
//! means is worked out once and kept as a route: a person's rule says it, or a convention, or the
//! address and the payload's shape alone.

mod arrival;
mod config;
mod consequences;
mod convention;
mod conversion;
mod deadlines;
mod extract;
mod ipso;
mod jinja;
mod join;
mod landing;
mod mapper;
mod names;
mod offer;
mod properties;
mod reach;
mod reader;
mod retold;
mod route;
mod rule;
mod template;
mod trial;
mod units;

pub use config::MappingConfig;
pub use convention::Known;
pub use extract::{Decimal, Expression, Field, Format, Source};
pub use ipso::{IpsoPath, ipso_path};
pub use join::JoinConfig;
pub use mapper::{Applied, Batch, Mapper, Outcome};
pub use names::Names;
pub(crate) use reader::names_a_time;
pub use reader::{Contents, Message};
pub use rule::{ByConvention, Flaw, PropertyRule, RuleConfig, WriteRule};
pub use template::PayloadTemplate;
pub use trial::Trial;

#[cfg(test)]
mod tests;

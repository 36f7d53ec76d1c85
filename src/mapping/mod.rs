//! From an address and a payload to the properties of a thing, without configuration or by a rule.
//!
//! A message is taken apart without any lock ([`Mapper::read`]), then applied in the recorder's
//! turn ([`Mapper::apply`]). What an address means is worked out once and kept as a route.

mod arrival;
mod convention;
mod conversion;
mod extract;
mod mapper;
mod names;
mod offer;
mod reader;
mod route;
mod rule;
mod template;
mod trial;
mod units;

pub use extract::{Decimal, Expression, Field, Format, Source};
pub use mapper::{Applied, Mapper, Outcome};
pub use names::Names;
pub use reader::{Contents, Message};
pub use rule::{ByConvention, Flaw, PropertyRule, RuleConfig, WriteRule};
pub use template::PayloadTemplate;
pub use trial::Trial;

//! From an address and a payload to the properties of a thing, without configuration or by a rule.
//!
//! A message is taken apart without any lock ([`Mapper::read`]), then applied in the recorder's
//! turn ([`Mapper::apply`]). What an address means is worked out once and kept as a route.

mod arrival;
mod config;
mod convention;
mod jinja;
mod mapper;
mod names;
mod offer;
mod reader;
mod route;
mod template;
mod trial;

pub use config::{ByConvention, PropertyRule, RuleConfig, WriteRule};
pub use mapper::{Applied, Mapper, Outcome};
pub use names::Names;
pub use reader::{Contents, Message};
pub use template::PayloadTemplate;
pub use trial::Trial;

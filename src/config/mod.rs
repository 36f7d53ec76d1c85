//! What the gateway is told to do: `thingway.toml`, the environment and the command line, each
//! winning over the one before.
//!
//! The three are put into one tree in which every value knows where it came from (`tree`), the
//! tree is read section by section into the modules' own types (`sections`), and what only shows
//! when a value is understood is checked (`check`). All problems are reported in one run.

mod adapters;
mod check;
mod entries;
mod environment;
mod explain;
mod fault;
mod file;
mod overrides;
mod problem;
mod reader;
mod redact;
mod schema;
mod sections;
mod source;
mod suggest;
mod tree;

pub use overrides::Overrides;
pub use problem::{ConfigError, Excerpt, Origin, Problem};
pub use schema::{json_schema, promised_schema};
pub use source::{FileChoice, Loaded, Sources};
pub(crate) use suggest::{closest, did_you_mean};

use crate::adapters::{AdapterEntry, CoapConfig};
use crate::limits::Limits;
use crate::log::LogConfig;
use crate::mapping::{JoinConfig, MappingConfig, RuleConfig};
use crate::push::webhook::{DeliveryConfig, WebhookConfig};
use crate::rest::HttpConfig;
use problem::Problems;
use sections::{Entry, Sections};
use tree::Node;

/// The whole configuration. Each section belongs to the module that it configures.
#[derive(Debug, Clone, Default, utoipa::ToSchema)]
pub struct Config {
    /// Where and how the gateway is reached.
    pub http: HttpConfig,
    /// The silos that it is connected to.
    #[schema(value_type = Vec<Object>)]
    pub adapters: Vec<AdapterEntry>,
    /// CoAP beside the adapters.
    pub coap: CoapConfig,
    /// What it makes of messages by itself.
    pub mapping: MappingConfig,
    /// What it can't see from messages by itself.
    pub rules: Vec<RuleConfig>,
    /// Devices that are reached over several ways.
    pub joins: Vec<JoinConfig>,
    /// Webhooks that are there from the start.
    pub webhooks: Vec<WebhookConfig>,
    /// How webhooks are delivered.
    pub delivery: DeliveryConfig,
    /// How much it takes in.
    pub limits: Limits,
    /// How far back a reader may resume.
    pub log: LogConfig,
}

/// The sections of the file.
const SECTIONS: &[&str] = &[
    "http", "adapters", "coap", "mapping", "rules", "joins", "webhooks", "delivery", "limits",
    "log",
];

impl Config {
    /// Reads the file, the environment and the command line.
    ///
    /// # Errors
    /// All that is wrong, not only the first.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let (file, text) = sources.file.read()?.unzip();
        let text = text.unwrap_or_default();
        let name = file.as_deref().map(|path| path.display().to_string());
        let mut problems = Problems::new(name.map(|name| (name, text.clone())));
        let mut tree = file::parse(&text, &mut problems);
        environment::apply(sources.environment.iter().cloned(), &mut tree, &mut problems);
        sources.overrides.apply(&mut tree);
        let config = Self::read(&mut tree, &mut problems);
        problems.into_result()?;
        Ok(Loaded { config, file })
    }

    /// The adapters that are listed, and those that have a section of their own.
    pub fn all_adapters(&self) -> impl Iterator<Item = AdapterEntry> {
        self.adapters.iter().cloned().chain(self.coap.entry())
    }

    fn read(tree: &mut Node, problems: &mut Problems) -> Self {
        let mut sections = Sections { tree, problems };
        sections.refuse_others(SECTIONS);
        let read = check::Read {
            http: sections.table("http"),
            adapters: sections.entries("adapters", adapters::read),
            coap: sections.table("coap"),
            mapping: sections.table("mapping"),
            rules: sections.list("rules"),
            joins: sections.list("joins"),
            webhooks: sections.list("webhooks"),
            delivery: sections.table("delivery"),
            limits: sections.table("limits"),
            log: sections.table("log"),
        };
        check::check(&read, tree, problems);
        read.into()
    }
}

impl From<check::Read> for Config {
    fn from(read: check::Read) -> Self {
        Self {
            http: read.http,
            adapters: values(read.adapters),
            coap: read.coap,
            mapping: read.mapping,
            rules: values(read.rules),
            joins: values(read.joins),
            webhooks: values(read.webhooks),
            delivery: read.delivery,
            limits: read.limits,
            log: read.log,
        }
    }
}

fn values<T>(entries: Vec<Entry<T>>) -> Vec<T> {
    entries.into_iter().map(|entry| entry.value).collect()
}

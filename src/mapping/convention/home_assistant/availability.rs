use smol_str::SmolStr;

use super::config::Config;
use super::template::{Body, Template, as_word};

/// Topics that tell of one entity.
pub(super) const SOURCES: usize = 16;

/// How an entity tells whether it can be reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Availability {
    mode: Mode,
    sources: Vec<Source>,
    latest: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Mode {
    All,
    Any,
    #[default]
    Latest,
}

#[derive(Debug, Clone)]
struct Source {
    topic: SmolStr,
    template: Template,
    available: SmolStr,
    not_available: SmolStr,
    says: Option<bool>,
}

impl Availability {
    /// # Errors
    /// When a template is none.
    pub(super) fn new(config: &Config) -> Result<Self, String> {
        let mode = match config.text("availability_mode").as_deref() {
            Some("all") => Mode::All,
            Some("any") => Mode::Any,
            _ => Mode::Latest,
        };
        let mut sources = Vec::new();
        for source in config.availability() {
            let Some(topic) = source.text("topic") else { continue };
            let word = |name, default: &str| source.text(name).unwrap_or_else(|| default.into());
            sources.push(Source {
                topic,
                template: Template::new(source.text("value_template").as_deref())?,
                available: word("payload_available", "online"),
                not_available: word("payload_not_available", "offline"),
                says: None,
            });
        }
        Ok(Self { mode, sources, latest: None })
    }

    /// The topics that tell.
    pub(super) fn topics(&self) -> impl Iterator<Item = &SmolStr> {
        self.sources.iter().map(|source| &source.topic)
    }

    /// Takes what was known over, where an announcement is repeated.
    pub(super) fn inherit(&mut self, before: &Self) {
        self.latest = before.latest;
        for source in &mut self.sources {
            let same = before.sources.iter().find(|other| other.topic == source.topic);
            source.says = same.and_then(|other| other.says);
        }
    }

    /// Whether the entity tells at all.
    pub(super) fn is_told(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Notes what a topic says, if it says anything of this.
    pub(super) fn hear(&mut self, topic: &str, body: &Body<'_>) -> bool {
        let mut told = false;
        for source in self.sources.iter_mut().filter(|source| source.topic == topic) {
            let Ok(Some(value)) = source.template.read(body) else { continue };
            let word = as_word(&value);
            if word == source.available {
                source.says = Some(true);
            } else if word == source.not_available {
                source.says = Some(false);
            } else {
                continue;
            }
            self.latest = source.says;
            told = true;
        }
        told
    }

    /// Whether the entity can be reached, as far as that is known.
    pub(super) fn online(&self) -> Option<bool> {
        let mut said = self.sources.iter().map(|source| source.says);
        match self.mode {
            Mode::Latest => self.latest,
            Mode::All if said.clone().any(|says| says == Some(false)) => Some(false),
            Mode::All => said.all(|says| says == Some(true)).then_some(true),
            Mode::Any if said.clone().any(|says| says == Some(true)) => Some(true),
            Mode::Any => said.all(|says| says == Some(false)).then_some(false),
        }
        .filter(|_| self.is_told())
    }
}

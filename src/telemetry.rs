//! Logs: to stderr, readable for a person or as one JSON object a line.

use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value};
use thingway_sdk::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Starts logging what `filter` lets through (`info,thingway_mqtt=debug`).
///
/// # Errors
/// When the filter can't be understood, or logging was started before.
pub fn start(filter: &str, format: Format) -> Result<(), String> {
    let targets = targets(filter).map_err(|error| error.to_string())?;
    let builder =
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(std::io::stderr);
    let started = match format {
        Format::Text => {
            builder.with_ansi(is_colourful()).with_target(false).finish().with(targets).try_init()
        }
        Format::Json => builder.event_format(JsonLines).finish().with(targets).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// An empty filter lets errors through.
fn targets(filter: &str) -> Result<Targets, ParseError> {
    let directives: Vec<&str> =
        filter.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if directives.is_empty() {
        return Ok(Targets::new().with_default(LevelFilter::ERROR));
    }
    directives.join(",").parse()
}

fn is_colourful() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `{"time":…,"level":"INFO","target":"thingway::…","message":…}` and the event's own fields
/// beside them, so that a log store can filter by them without knowing of nesting.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writeln!(writer, "{}", line(event))
    }
}

fn line(event: &Event<'_>) -> Value {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    fields.put("time", Timestamp::now().to_string().into());
    fields.put("level", event.metadata().level().as_str().into());
    fields.put("target", event.metadata().target().into());
    Value::Object(fields.0)
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_filter_is_a_level_and_levels_of_modules() {
        let filter = targets("info, mqtt5=warn,,thingway::silo=debug").unwrap();
        for (module, level, is_logged) in [
            ("thingway::gateway", Level::INFO, true),
            ("thingway::gateway", Level::DEBUG, false),
            ("mqtt5::broker", Level::INFO, false),
            ("mqtt5::broker", Level::WARN, true),
            ("thingway::silo::intake", Level::DEBUG, true),
        ] {
            assert_eq!(filter.would_enable(module, &level), is_logged, "{module} {level}");
        }
        assert!(targets("").unwrap().would_enable("thingway", &Level::ERROR));
        assert!(!targets("").unwrap().would_enable("thingway", &Level::WARN));
        assert!(!targets("off").unwrap().would_enable("thingway", &Level::ERROR));
        assert!(targets("info,mqtt5=loud").is_err());
    }
}

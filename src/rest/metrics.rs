//! `/metrics`: everything is read where it is counted, at the moment of the request, so nothing is
//! counted twice.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::App;

/// What is counted of HTTP requests.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By class of status code: 1xx to 5xx.
    answers: [AtomicU64; 5],
}

impl Metrics {
    pub(super) fn count_answer(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Ordering::Relaxed);
    }
}

/// The metrics as OpenMetrics text.
pub(super) fn render(app: &Arc<App>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(app.clone())));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

struct Snapshot(Arc<App>);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let app = &self.0;
        let mut out = Out(&mut encoder);
        let build = [(vec![("version", env!("CARGO_PKG_VERSION"))], 1)];
        out.gauges("thingway_build_info", "Version of the gateway", &build)?;
        out.messages(app)?;
        out.links(app)?;
        out.protocol_events(app)?;
        out.gauge("thingway_things", "Things in the registry", app.registry.len())?;
        let properties = app.registry.property_count();
        out.gauge("thingway_properties", "Properties of all things", properties)?;
        let recorded = app.recorder.recorded();
        out.counter("thingway_changes", "States and events that were recorded", recorded)?;
        out.gauge("thingway_streams_open", "Open event streams and sockets", app.streams.open())?;
        let waiting = app.commands.waiting();
        out.gauge("thingway_commands_waiting", "Commands that wait for their device", waiting)?;
        out.answers(&app.metrics)?;
        out.webhooks(app)
    }
}

struct Out<'a, 'e>(&'a mut DescriptorEncoder<'e>);

/// One number with its labels.
type Sample<'a, N> = (Vec<(&'a str, &'a str)>, N);

impl Out<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: usize) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(self.0.encode_descriptor(name, help, None, gauge.metric_type())?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, counter.metric_type())?)
    }

    fn gauges(&mut self, name: &str, help: &str, samples: &[Sample<'_, i64>]) -> fmt::Result {
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn counters(&mut self, name: &str, help: &str, samples: &[Sample<'_, u64>]) -> fmt::Result {
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            ConstCounter::new(*value).encode(family.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn messages(&mut self, app: &App) -> fmt::Result {
        let (mut received, mut outcomes, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let silos = app.silos.all();
        for silo in silos.iter() {
            let count = silo.counters.count();
            let adapter = ("adapter", &*silo.name);
            received.push((vec![adapter], count.received));
            let by_outcome = [
                ("applied", count.applied),
                ("duplicate", count.duplicate),
                ("unmapped", count.unmapped),
                ("failed", count.failed),
            ];
            outcomes
                .extend(by_outcome.map(|(outcome, n)| (vec![adapter, ("outcome", outcome)], n)));
            let by_kind = [("text", count.kept_as_text), ("octets", count.kept_as_octets)];
            kept.extend(by_kind.map(|(kind, n)| (vec![adapter, ("as", kind)], n)));
        }
        self.counters("thingway_messages_received", "Messages that arrived", &received)?;
        self.counters("thingway_messages", "Messages by what became of them", &outcomes)?;
        let help = "Payloads that are no valid JSON, by what they were kept as";
        self.counters("thingway_payloads_kept", help, &kept)
    }

    fn links(&mut self, app: &App) -> fmt::Result {
        let (mut up, mut losses) = (Vec::new(), Vec::new());
        let silos = app.silos.all();
        for silo in silos.iter() {
            let adapter = vec![("adapter", &*silo.name)];
            up.push((adapter.clone(), i64::from(silo.health.is_connected())));
            losses.push((adapter, silo.counters.count().link_losses));
        }
        self.gauges("thingway_link_up", "Whether the link to a silo is up", &up)?;
        self.counters("thingway_link_losses", "How often the link to a silo was lost", &losses)
    }

    fn protocol_events(&mut self, app: &App) -> fmt::Result {
        let mut events = Vec::new();
        let silos = app.silos.all();
        for silo in silos.iter() {
            let adapter = ("adapter", &*silo.name);
            let counts = silo.adapter.counts().into_iter();
            events.extend(counts.map(|(event, n)| (vec![adapter, ("event", event)], n)));
        }
        self.counters("thingway_protocol_events", "What the adapters' protocols counted", &events)
    }

    fn answers(&mut self, metrics: &Metrics) -> fmt::Result {
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let counted: Vec<Sample<'_, u64>> = classes
            .iter()
            .zip(&metrics.answers)
            .map(|(class, count)| (vec![("status", *class)], count.load(Ordering::Relaxed)))
            .collect();
        self.counters("thingway_http_answers", "HTTP answers by class of status code", &counted)
    }

    fn webhooks(&mut self, app: &App) -> fmt::Result {
        self.gauge("thingway_webhooks", "Registered webhooks", app.webhooks.len())?;
        let counters = app.webhooks.counters();
        let deliveries = [
            (vec![("outcome", "delivered")], counters.delivered()),
            (vec![("outcome", "failed_attempt")], counters.failed_attempts()),
            (vec![("outcome", "given_up")], counters.given_up()),
        ];
        self.counters("thingway_webhook_deliveries", "Webhook deliveries by outcome", &deliveries)
    }
}

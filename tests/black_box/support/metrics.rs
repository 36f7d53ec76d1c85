//! The gateway's own count of what it did, and the law that it keeps.

use std::collections::BTreeMap;

use super::{Gateway, eventually};

/// The numbers of one scrape: name with labels, as they stand there, to value.
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .map(|line| {
                    let (name, value) =
                        line.rsplit_once(' ').expect("a line is a name and a value");
                    (name.to_owned(), value.parse().expect("a value is a number"))
                })
                .collect(),
        )
    }

    /// The sum over all series of that name with all these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let wanted: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        let series = self.0.iter().filter(|(series, _)| {
            let (base, labels) = series.split_once('{').unwrap_or((series, ""));
            base == name && wanted.iter().all(|label| labels.contains(label.as_str()))
        });
        series.map(|(_, value)| *value as u64).sum()
    }

    fn adapters(&self) -> Vec<String> {
        let received = self.0.keys().filter(|k| k.starts_with("thingway_messages_received_total{"));
        let label = |series: &String| {
            let rest = &series[series.find("adapter=\"")? + "adapter=\"".len()..];
            Some(rest[..rest.find('"')?].to_owned())
        };
        received.filter_map(label).collect()
    }
}

impl Gateway {
    /// One scrape.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::parse(self.get("/metrics").await.must(200).text())
    }

    /// How many messages ended so, over all adapters: `applied`, `duplicate`, `unmapped`, `failed`.
    pub(crate) async fn ended_as(&self, outcome: &str) -> u64 {
        self.metrics().await.sum("thingway_messages_total", &[("outcome", outcome)])
    }

    /// `received = applied + duplicate + unmapped + failed`, for every adapter.
    pub(crate) async fn assert_conserved(&self) {
        eventually("everything that was received is accounted for", async || {
            let metrics = self.metrics().await;
            let adapters = metrics.adapters();
            if adapters.is_empty() {
                return Err("no adapter counts what it received".to_owned());
            }
            for adapter in adapters {
                let of = |name, outcome| {
                    let mut labels = vec![("adapter", adapter.as_str())];
                    labels.extend(outcome);
                    metrics.sum(name, &labels)
                };
                let received = of("thingway_messages_received_total", None);
                let ended = ["applied", "duplicate", "unmapped", "failed"]
                    .map(|outcome| of("thingway_messages_total", Some(("outcome", outcome))));
                let all = of("thingway_messages_total", None);
                if received != ended.iter().sum::<u64>() || all != received {
                    return Err(format!(
                        "{adapter}: {received} received, ended as {ended:?}, {all} in all"
                    ));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Waits until that many messages have been received.
    pub(crate) async fn received(&self, messages: u64) {
        eventually(&format!("{messages} messages are received"), async || {
            let now = self.metrics().await.sum("thingway_messages_received_total", &[]);
            if now >= messages { Ok(()) } else { Err(now.to_string()) }
        })
        .await;
    }
}

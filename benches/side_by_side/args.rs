use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::reference::Reference;
use crate::workload::Workload;

/// Measures the gateway side by side with references; without names, in every workload.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "side_by_side")]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum)]
    workloads: Vec<Workload>,
    /// Small amounts and one round: shows that everything works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each system is measured [default: 5; with --quick 1]
    #[arg(long)]
    rounds: Option<usize>,
    /// Messages of one ingest trial [default: 200000; with --quick 20000]
    #[arg(long)]
    messages: Option<usize>,
    /// How long one load of requests or changes lasts, in seconds [default: 3; with --quick 1]
    #[arg(long)]
    seconds: Option<f64>,
    /// Numbers of things for `growth` and `memory` [default: 1000,10000,100000; with --quick the
    /// first two]
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Adds a million things to the sizes
    #[arg(long)]
    million: bool,
    /// Messages that mosquitto sends a subscriber ahead of their acknowledgements (QoS 1)
    #[arg(long, default_value_t = 1000)]
    pub(crate) inflight: u16,
    /// Writes the tables and the plot into benches/ instead of only showing them
    #[arg(long)]
    pub(crate) record: bool,
    /// The gateway's binary
    #[arg(long, default_value = env!("CARGO_BIN_EXE_thingway"))]
    pub(crate) gateway: PathBuf,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
    /// Become this reference instead of measuring
    #[arg(long, hide = true)]
    pub(crate) reference: Option<Reference>,
    /// What a reference connects to: the broker, or the devices
    #[arg(long, hide = true, value_delimiter = ',')]
    pub(crate) peers: Vec<SocketAddr>,
}

impl Args {
    pub(crate) fn workloads(&self) -> &[Workload] {
        if self.workloads.is_empty() { Workload::ALL } else { &self.workloads }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    pub(crate) fn messages(&self) -> usize {
        self.messages.unwrap_or(if self.quick { 20_000 } else { 200_000 })
    }

    pub(crate) fn load(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.unwrap_or(if self.quick { 1.0 } else { 3.0 }))
    }

    /// In rising order.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let usual: &[usize] = if self.quick { &[1_000, 10_000] } else { &[1_000, 10_000, 100_000] };
        let mut sizes = if self.sizes.is_empty() { usual.to_vec() } else { self.sizes.clone() };
        if self.million {
            sizes.push(1_000_000);
        }
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// An amount that `--quick` makes smaller.
    pub(crate) fn amount(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

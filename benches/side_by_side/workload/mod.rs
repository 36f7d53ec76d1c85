//! What is measured, one file each.

mod bulk;
mod coap;
mod embedded;
mod fan_out;
mod flood;
mod get;
mod growth;
mod idle;
mod ingest;
mod mapped;
mod memory;
mod pour;
mod pushed;
mod readings;
mod start;
mod webhooks;

use tokio::runtime::{Builder, Runtime};

use crate::args::Args;
use crate::measure::Section;
use crate::system::System;
use crate::{Result, host, record, report};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Messages in, until every last value is visible over HTTP
    Ingest,
    /// The same through the broker inside the gateway
    Embedded,
    /// Devices that a bridge announced, against the same ones unannounced
    Mapped,
    /// GET of one property
    Get,
    /// GET of many values at once
    Bulk,
    /// From publishing to a few subscribers
    Freshness,
    /// From publishing to a thousand subscribers
    FanOut,
    /// Ten thousand WebSockets on which nothing happens
    Idle,
    /// Changes to webhooks
    Webhooks,
    /// Bytes for each thing
    Memory,
    /// From the start to the first answer, and what it takes idle
    Start,
    /// What more things cost
    Growth,
    /// A flood of topics beyond the limit
    Flood,
    /// Notifications of CoAP devices
    Coap,
}

/// What the workloads share.
pub(crate) struct Bench<'a> {
    pub(crate) args: &'a Args,
    /// Runs the clients.
    pub(crate) runtime: Runtime,
}

impl Workload {
    pub(crate) const ALL: &[Self] = &[
        Self::Ingest,
        Self::Embedded,
        Self::Mapped,
        Self::Get,
        Self::Bulk,
        Self::Freshness,
        Self::FanOut,
        Self::Idle,
        Self::Webhooks,
        Self::Memory,
        Self::Start,
        Self::Growth,
        Self::Flood,
        Self::Coap,
    ];

    fn run(self, bench: &Bench<'_>) -> Result<Vec<Section>> {
        Ok(match self {
            Self::Ingest => ingest::run(bench),
            Self::Embedded => embedded::run(bench),
            Self::Mapped => mapped::run(bench),
            Self::Get => get::run(bench),
            Self::Bulk => bulk::run(bench),
            Self::Freshness => pushed::freshness(bench),
            Self::FanOut => fan_out::run(bench),
            Self::Idle => idle::run(bench),
            Self::Webhooks => webhooks::run(bench),
            Self::Memory => memory::run(bench),
            Self::Start => start::run(bench),
            Self::Growth => return growth::run(bench),
            Self::Flood => flood::run(bench),
            Self::Coap => coap::run(bench),
        })
    }
}

/// Runs what was asked for and shows it. False when the gateway lost something.
pub(crate) fn run_all(args: &Args) -> Result<bool> {
    let load_before = host::load_average();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { args, runtime };
    let mut sections = Vec::new();
    let mut tables = Vec::new();
    for workload in args.workloads() {
        for section in workload.run(&bench)? {
            let table = report::table(&section);
            println!("{table}\n");
            tables.push(table);
            sections.push(section);
        }
    }
    tables.insert(0, report::conditions(args, load_before));
    tables.insert(1, report::summary(&sections));
    println!("{}\n\n{}", tables[0], tables[1]);
    if args.record {
        record::write_tables(&tables.join("\n\n"))?;
    }
    let mut faults = sections.iter().flat_map(Section::faults);
    Ok(!faults.any(|(system, _)| system == System::Gateway))
}

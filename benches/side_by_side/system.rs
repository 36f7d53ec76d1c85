//! The systems that are measured, and how the same thing is asked of each.

use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

use crate::Result;
use crate::args::Args;
use crate::process::Process;
use crate::references;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum System {
    Gateway,
    /// An afternoon's work of a competent engineer.
    Naive,
    /// What the same libraries cost when nothing is done with the data.
    Limit,
    /// What a blocking socket costs when nothing is done with the data.
    LimitBatch,
    /// A loop of requests, for webhooks.
    Posts,
    /// What a blocking socket and a decoder cost, for CoAP.
    CoapLoop,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "gateway",
            Self::Naive => "naive",
            Self::Limit => "limit",
            Self::LimitBatch => "limit-batch",
            Self::Posts => "posts",
            Self::CoapLoop => "coap-loop",
        })
    }
}

/// Where a system gets its messages from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// A broker that runs there.
    Broker(SocketAddr),
    /// The broker inside the gateway.
    Embedded,
    /// CoAP devices.
    Devices(&'a [SocketAddr]),
}

/// The gateway holds what the largest workload brings, so that no limit gets measured.
const LIMITS: [(&str, &str); 3] = [
    ("THINGWAY__LIMITS__THINGS", "2000000"),
    ("THINGWAY__LIMITS__PROPERTIES", "6000000"),
    ("THINGWAY__LIMITS__STREAMS", "20000"),
];

impl System {
    /// Starts it with these environment variables in addition.
    pub(crate) fn start(
        self,
        args: &Args,
        source: Source<'_>,
        environment: &[(&str, &str)],
    ) -> Result<Process> {
        match self {
            Self::Gateway => gateway(args, source, environment),
            _ => self.reference(source),
        }
    }

    fn reference(self, source: Source<'_>) -> Result<Process> {
        let peers = match source {
            Source::Broker(broker) => broker.to_string(),
            Source::Devices(devices) => listed(devices).join(","),
            Source::Embedded => return Err(format!("{self} has no broker inside").into()),
        };
        let mut command = match self {
            Self::Naive | Self::Limit => references::command(&[&self.to_string(), &peers])?,
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--reference", &self.to_string(), "--peers", &peers]);
                command
            }
        };
        Process::start(&mut command)
    }

    /// Whether single values can be asked for; the limits know only how many messages came.
    pub(crate) fn keeps_values(self) -> bool {
        matches!(self, Self::Gateway | Self::Naive)
    }

    /// Where a leaf of the objects published to a topic is read. naive answers the whole object.
    pub(crate) fn leaf(self, topic: &str, leaf: &str) -> String {
        match self {
            Self::Gateway => format!("/things/{}/properties/{leaf}", topic.replace('/', ".")),
            _ => format!("/values/{topic}"),
        }
    }

    /// Where all leaves of the objects published to a topic are read.
    pub(crate) fn object(self, topic: &str) -> String {
        match self {
            Self::Gateway => format!("/things/{}/properties", topic.replace('/', ".")),
            _ => format!("/values/{topic}"),
        }
    }

    /// Where a scalar published to `topic/name` is read.
    pub(crate) fn scalar(self, topic: &str, name: &str) -> String {
        match self {
            Self::Gateway => self.leaf(topic, name),
            _ => format!("/values/{topic}/{name}"),
        }
    }

    /// Where the values of many things are read at once.
    pub(crate) fn many(self) -> &'static str {
        match self {
            Self::Gateway => "/properties?limit=1000",
            _ => "/dump",
        }
    }

    /// Where a scalar published to `topic/name` is followed as an event stream.
    pub(crate) fn events(self, topic: &str, name: &str) -> String {
        match self {
            Self::Gateway => self.leaf(topic, name),
            _ => format!("/events/{topic}/{name}"),
        }
    }

    /// Where WebSockets are opened to follow such a scalar.
    pub(crate) fn socket(self, topic: &str, name: &str) -> String {
        match self {
            Self::Gateway => "/ws".to_owned(),
            _ => format!("/ws/{topic}/{name}"),
        }
    }

    /// What has to be sent over the socket first, if anything.
    pub(crate) fn subscription(self, topic: &str, name: &str) -> Option<String> {
        (self == Self::Gateway).then(|| {
            serde_json::json!({
                "thingID": format!("urn:thingway:{}", topic.replace('/', ".")),
                "messageID": "6b2ec8a7-94f2-4a66-9a1c-0f3d9b7e5c21",
                "messageType": "request",
                "operation": "observeproperty",
                "name": name,
            })
            .to_string()
        })
    }
}

fn listed(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(SocketAddr::to_string).collect()
}

fn gateway(args: &Args, source: Source<'_>, environment: &[(&str, &str)]) -> Result<Process> {
    let mut command = Command::new(&args.gateway);
    command.args(["run", "--http", "127.0.0.1:0", "--log", "error"]);
    match source {
        Source::Broker(broker) => command.args(["--mqtt", &format!("mqtt://{broker}")]),
        Source::Embedded => command.args(["--mqtt-listen", "127.0.0.1:0"]),
        Source::Devices(devices) => {
            let urls = listed(devices).into_iter().map(|device| format!("--coap=coap://{device}"));
            command.args(["--mqtt-listen", "127.0.0.1:0"]).args(urls)
        }
    };
    // A thingway.toml in the directory that the benches run in would change what is measured.
    command.current_dir(std::env::temp_dir());
    command.envs(LIMITS).envs(environment.iter().copied());
    Process::start(&mut command)
}

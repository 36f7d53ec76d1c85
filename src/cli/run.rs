//! `thingway run`: the gateway itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::banner::{Banner, Steps};
use super::failure::Failure;
use super::output::Output;
use super::serve::{LogArgs, serve};
use crate::config::{Config, FileChoice, Loaded, Overrides, Sources};

#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The configuration file; `./thingway.toml` is read when it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen for HTTP [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,
    /// A broker to connect to, as mqtt://[user:password@]host[:1883]; may be repeated
    #[arg(long, value_name = "URL")]
    mqtt: Vec<String>,
    /// A file with the password for the brokers of --mqtt
    #[arg(long, env = "THINGWAY_MQTT_PASSWORD_FILE", value_name = "FILE")]
    mqtt_password_file: Option<PathBuf>,
    /// Where the embedded broker listens [default: 127.0.0.1:1883, unless a broker is named]
    #[arg(long, value_name = "ADDR:PORT")]
    mqtt_listen: Option<SocketAddr>,
    /// A CoAP device to connect to, as coap://host[:5683] or coaps://host[:5684]; may be repeated
    #[arg(long, value_name = "URL")]
    coap: Vec<String>,
    /// Who the gateway is to the devices of --coap that speak DTLS
    #[arg(long, value_name = "NAME")]
    coap_identity: Option<String>,
    /// A file with the key of --coap-identity
    #[arg(long, env = "THINGWAY_COAP_KEY_FILE", value_name = "FILE")]
    coap_key_file: Option<PathBuf>,
    /// Where to serve the things to CoAP clients, and let CoAP devices register [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT")]
    coap_listen: Option<SocketAddr>,
    /// Let everybody who reaches the gateway read and write, also from other machines
    #[arg(long)]
    allow_anonymous: bool,
    #[command(flatten)]
    log: LogArgs,
}

pub(super) async fn run(args: RunArgs, output: Output) -> Result<(), Failure> {
    args.log.start()?;
    let sources = Sources {
        file: FileChoice::named_or_usual(args.config),
        environment: std::env::vars_os().collect(),
        overrides: Overrides {
            http: args.http,
            mqtt: args.mqtt,
            mqtt_password_file: args.mqtt_password_file,
            mqtt_listen: args.mqtt_listen,
            coap: args.coap,
            coap_identity: args.coap_identity,
            coap_key_file: args.coap_key_file,
            coap_listen: args.coap_listen,
            allow_anonymous: args.allow_anonymous,
        },
    };
    let Loaded { config, file } = Config::load(&sources)?;
    let bridged = Banner::bridged(&config);
    serve(config, sources, async |gateway| {
        Banner::new(gateway.addresses(), bridged, file).show(Steps::FirstMessage, output)
    })
    .await
}

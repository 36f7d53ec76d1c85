//! What the tests stand on: processes, peers and patience.

mod coap;
mod coap_device;
mod field;
mod gateway;
mod http;
mod metrics;
mod mosquitto;
mod mqtt;
mod outside;
mod proxy;
mod receiver;
mod sse;
mod wait;
mod ws;

pub(crate) use coap::{LIBCOAP, coap_client, coap_get};
pub(crate) use coap_device::CoapDevice;
pub(crate) use field::{Field, subject};
pub(crate) use gateway::Gateway;
pub(crate) use http::{Answer, Raw};
pub(crate) use mosquitto::Mosquitto;
pub(crate) use mqtt::{Publisher, Subscriber};
pub(crate) use outside::{npm, python, schema_of_things};
pub(crate) use proxy::Proxy;
pub(crate) use receiver::{Delivery, Receiver, Reply};
pub(crate) use sse::Sse;
pub(crate) use wait::{PATIENCE, eventually};
pub(crate) use ws::Ws;

//! What the systems are driven with. Raw sockets throughout: the fewer cycles the clients take
//! from the machine, the more are left to what is measured.

pub(crate) mod coap;
pub(crate) mod http;
pub(crate) mod listeners;
pub(crate) mod load;
pub(crate) mod mqtt;
pub(crate) mod receiver;
pub(crate) mod sse;
pub(crate) mod ws;

//! What the gateway is compared with, where it is this binary, started anew with `--reference`.
//! Those that libraries make are in `benches/references`.

mod coap_loop;
mod limit_batch;

use crate::Result;
use crate::args::Args;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Reference {
    /// A blocking socket that walks over the bytes in batches.
    LimitBatch,
    /// A blocking socket and a decoder of CoAP.
    CoapLoop,
}

impl Reference {
    pub(crate) fn run(self, args: &Args) -> Result<()> {
        let peer = *args.peers.first().ok_or("a reference needs --peers")?;
        match self {
            Self::LimitBatch => limit_batch::run(peer),
            Self::CoapLoop => coap_loop::run(&args.peers),
        }
    }
}

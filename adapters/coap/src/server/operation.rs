//! What a series of blocks belongs to.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::message::{Code, Options, options};

/// Options that differ between the blocks of one operation, or don't change what is asked for.
const OF_ONE_BLOCK: [u16; 7] = [
    options::ETAG,
    options::OBSERVE,
    options::BLOCK2,
    options::BLOCK1,
    options::SIZE2,
    options::SIZE1,
    options::ECHO,
];

/// Who asks, by what method, and by what options: path, query, Accept, Request-Tag and all others
/// that are the same in each message (RFC 7959 sections 2.4 and 2.5, RFC 9175 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operation {
    pub(super) peer: SocketAddr,
    method: Code,
    options: Vec<(u16, Bytes)>,
}

impl Operation {
    pub(super) fn new(peer: SocketAddr, method: Code, options: &Options) -> Self {
        let shared = options.iter().filter(|(number, _)| !OF_ONE_BLOCK.contains(number));
        // Copied, so as not to hold on to whole datagrams.
        let owned = shared.map(|(number, value)| (number, Bytes::copy_from_slice(value)));
        Self { peer, method, options: owned.collect() }
    }

    /// Roughly the bytes that it takes in memory.
    pub(super) fn size(&self) -> usize {
        let value = |(_, value): &(u16, Bytes)| 64 + value.len();
        128 + self.options.iter().map(value).sum::<usize>()
    }
}

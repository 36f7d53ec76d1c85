//! The lane: answers plain reads straight from the registry into the connection's buffer, because
//! they are most of what a gateway is asked and a router costs them several times what they do.
//!
//! It knows one path and a list of headers that can't matter to it. Whatever else a request says,
//! the router answers it: the lane decides nothing that is in doubt, and writes nothing that the
//! handlers' own functions did not make.

mod answer;
mod connection;
mod head;
mod rewound;
mod stream;

pub(super) use connection::{Connection, End};
pub(crate) use rewound::Rewound;
pub(super) use stream::asked_for;

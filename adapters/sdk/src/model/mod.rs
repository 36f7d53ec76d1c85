//! The shared resource data model: the words of W3C Web of Things, used unchanged.

mod kinds;
mod quality;
mod thing_id;
mod timestamp;
mod value;

pub use kinds::Kinds;
pub use quality::Quality;
pub use thing_id::{InvalidThingId, ThingId};
pub use timestamp::Timestamp;
pub use value::{InvalidNumber, Number, Value};

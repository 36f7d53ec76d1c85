//! What a stream shows of what happens.

use bytes::{Bytes, BytesMut};
use thingway_sdk::Quality;

use crate::log::{Change, DirectoryEvent, Seq, What};
use crate::push::feed::{Newest, Next};
use crate::push::frames;

/// What a stream shows of a change.
pub enum View {
    /// Values of a thing's properties, or of the one at this place; with the property's name as
    /// the event's name, or without.
    Values {
        /// Place of the only property that is shown.
        slot: Option<usize>,
        /// Whether events carry the property's name.
        named: bool,
    },
    /// Occurrences of a thing's event of this name.
    Occurrences {
        /// Its name.
        event: String,
        /// Whether events carry that name.
        named: bool,
    },
    /// State records.
    Records,
    /// Directory events; only of one kind, if given.
    Directory {
        /// The only kind that is shown.
        only: Option<DirectoryEvent>,
        /// Makes the data of one event.
        data: Box<dyn Fn(&Change) -> Bytes + Send + Sync>,
    },
}

/// Forms of a change that are the same in all streams that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::push) enum Form {
    /// The value, with a name.
    Named,
    /// The value alone.
    Plain,
    /// The record.
    Record,
}

impl Form {
    /// How many there are.
    pub(in crate::push) const ALL: usize = 3;

    fn value(named: bool) -> Self {
        if named { Self::Named } else { Self::Plain }
    }

    /// A change in this form.
    pub(super) fn frame(self, change: &Change) -> Bytes {
        let seq = change.seq;
        match (self, &change.what) {
            (Self::Record, _) => record(seq, &frames::record(change)),
            (_, What::Directory(..)) => Bytes::new(),
            (Self::Named, What::State(property, state)) => {
                change.frame(|_| frames::named_frame(seq, &property.name, &state.value))
            }
            (Self::Named, What::Event(name, data, _)) => {
                change.frame(|_| frames::named_frame(seq, name, data))
            }
            (Self::Plain, What::State(_, state)) => frames::plain_frame(seq, &state.value),
            (Self::Plain, What::Event(_, data, _)) => frames::plain_frame(seq, data),
        }
    }
}

/// How a change is shown.
pub(super) enum Shown {
    /// As in other streams.
    Alike(Form),
    /// As in no other stream.
    Own(Bytes),
}

impl View {
    /// How a change is shown, if it is.
    pub(super) fn shows(&self, change: &Change) -> Option<Shown> {
        let form = match (self, &change.what) {
            (Self::Values { slot, named }, What::State(property, state)) => {
                // A value that only got stale was not reported anew: bare values would say so.
                let reported = state.quality != Quality::Stale;
                (reported && slot.is_none_or(|slot| slot == property.slot))
                    .then_some(Form::value(*named))?
            }
            (Self::Occurrences { event, named }, What::Event(name, ..)) => {
                (name == event).then_some(Form::value(*named))?
            }
            (Self::Records, What::State(..)) => Form::Record,
            (Self::Directory { only, data }, What::Directory(event, _)) => {
                let wanted = only.is_none_or(|only| only == *event);
                let frame = || frames::sse(Some(change.seq), Some(event.name()), &data(change));
                return wanted.then(|| Shown::Own(frame()));
            }
            _ => return None,
        };
        Some(Shown::Alike(form))
    }

    fn change(&self, change: &Change) -> Option<Bytes> {
        self.shows(change).map(|shown| match shown {
            Shown::Alike(form) => form.frame(change),
            Shown::Own(frame) => frame,
        })
    }

    fn newest(&self, newest: &Newest) -> Option<Bytes> {
        let (property, seq) = (&newest.slot.property, newest.slot.revision);
        let value = &newest.slot.state.value;
        match self {
            Self::Values { slot, named } => {
                slot.is_none_or(|slot| slot == property.slot).then(|| match named {
                    true => frames::named_frame(seq, &property.name, value),
                    false => frames::plain_frame(seq, value),
                })
            }
            Self::Records => Some(record(seq, &frames::newest_record(newest))),
            Self::Occurrences { .. } | Self::Directory { .. } => None,
        }
    }

    /// All that is shown of what comes next.
    pub(super) fn next(&self, next: Next) -> BytesMut {
        let mut chunk = BytesMut::new();
        match next {
            Next::Changes(changes) => {
                changes
                    .iter()
                    .filter_map(|c| self.change(c))
                    .for_each(|f| chunk.extend_from_slice(&f));
            }
            Next::Gap(gap) => {
                chunk.extend_from_slice(&frames::gap_frame(&gap));
                gap.states
                    .iter()
                    .filter_map(|n| self.newest(n))
                    .for_each(|f| chunk.extend_from_slice(&f));
            }
            Next::Gone(_) => chunk.extend_from_slice(&frames::end_frame("the thing was removed")),
        }
        chunk
    }
}

fn record(seq: Seq, record: &[u8]) -> Bytes {
    frames::sse(Some(seq), None, record)
}

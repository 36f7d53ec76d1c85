//! Bodies that are on their way in blocks, bounded by bytes and by time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::operation::Operation;
use crate::time::Time;

/// EXCHANGE_LIFETIME by the default parameters (RFC 7252 section 4.8.2).
const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);

/// One body per operation, forgotten EXCHANGE_LIFETIME after it was put here. When all of them
/// take too many bytes, the oldest go.
#[derive(Debug)]
pub(super) struct Kept<T> {
    entries: HashMap<Operation, Entry<T>>,
    /// By age.
    order: BTreeMap<u64, Operation>,
    serial: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    body: T,
    bytes: usize,
    serial: u64,
    until: Time,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: BTreeMap::new(), serial: 0, bytes: 0 }
    }
}

impl<T> Kept<T> {
    /// Puts a body of so many bytes here, in place of the one of the same operation.
    pub(super) fn put(
        &mut self,
        now: Time,
        operation: Operation,
        body: T,
        bytes: usize,
        limit: usize,
    ) {
        self.take(now, &operation);
        self.serial += 1;
        let bytes = bytes + 2 * operation.size();
        let (serial, until) = (self.serial, now + EXCHANGE_LIFETIME);
        self.order.insert(serial, operation.clone());
        self.entries.insert(operation, Entry { body, bytes, serial, until });
        self.bytes += bytes;
        while let Some((_, oldest)) = self.order.first_key_value() {
            let over = self.entries.get(oldest).is_none_or(|entry| entry.until <= now);
            if !over && self.bytes <= limit {
                break;
            }
            let oldest = oldest.clone();
            self.take(now, &oldest);
        }
    }

    /// Takes a body out, unless it is too old.
    pub(super) fn take(&mut self, now: Time, operation: &Operation) -> Option<T> {
        let entry = self.entries.remove(operation)?;
        self.order.remove(&entry.serial);
        self.bytes -= entry.bytes;
        (now < entry.until).then_some(entry.body)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, now: Time, operation: &Operation) -> Option<&T> {
        let entry = self.entries.get(operation).filter(|entry| now < entry.until)?;
        Some(&entry.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Code, Options, options};

    fn operation(path: &'static str) -> Operation {
        let mut options = Options::default();
        options.add(options::URI_PATH, path);
        Operation::new("[::1]:1".parse().unwrap(), Code::PUT, &options)
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut kept = Kept::default();
        for (at, path) in ["a", "b", "c"].into_iter().enumerate() {
            kept.put(Time::ZERO, operation(path), at, 10_000, 25_000);
        }
        assert_eq!(kept.get(Time::ZERO, &operation("a")), None);
        assert_eq!(kept.get(Time::ZERO, &operation("c")), Some(&2));
        assert_eq!(kept.take(EXCHANGE_LIFETIME, &operation("b")), None);
        kept.put(EXCHANGE_LIFETIME, operation("d"), 3, 10_000, 25_000);
        assert_eq!((kept.entries.len(), kept.order.len()), (1, 1));
        assert_eq!(kept.take(EXCHANGE_LIFETIME, &operation("d")), Some(3));
        assert_eq!(kept.bytes, 0);
    }
}

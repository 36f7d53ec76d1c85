//! As much of a DTLS 1.2 record as is needed to know whom a datagram is for (RFC 6347, section
//! 4.1).

/// Content type (RFC 5246, section 6.2.1).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Bytes before a record's content.
const HEADER: usize = 13;

/// One record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    content_type: u8,
    epoch: u16,
    content: &'a [u8],
}

impl Record<'_> {
    /// Part of a handshake, in the clear or not; alerts in the clear are too.
    pub(super) fn is_of_a_handshake(&self) -> bool {
        self.epoch == 0 || self.content_type == HANDSHAKE
    }

    /// A Finished, which proves that its sender has the key.
    pub(super) fn proves_a_key(&self) -> bool {
        self.epoch == 1 && self.content_type == HANDSHAKE
    }

    pub(super) fn is_client_hello(&self) -> bool {
        self.epoch == 0
            && self.content_type == HANDSHAKE
            && self.content.first() == Some(&CLIENT_HELLO)
    }
}

/// The records of a datagram, as far as they are well formed.
pub(super) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_at_checked(HEADER)?;
        let [content_type, 0xfe, _, epoch_high, epoch_low, .., high, low] = *head else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (content, next) = behind.split_at_checked(length)?;
        rest = next;
        Some(Record { content_type, epoch: u16::from_be_bytes([epoch_high, epoch_low]), content })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = [content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, length];
        [&head, content].concat()
    }

    #[test]
    fn several_records_stand_in_one_datagram() {
        let datagram =
            [record(22, 0, &[CLIENT_HELLO, 0]), record(22, 1, &[7]), record(21, 1, b""), vec![22]]
                .concat();
        let seen: Vec<_> = records(&datagram)
            .map(|r| (r.is_client_hello(), r.proves_a_key(), r.is_of_a_handshake()))
            .collect();
        let expected = [(true, false, true), (false, true, true), (false, false, false)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_no_record_is_none() {
        for datagram in [&b""[..], b"GET /", &record(22, 0, &[1])[..13], &[22; 40]] {
            assert_eq!(records(datagram).next(), None);
        }
    }
}

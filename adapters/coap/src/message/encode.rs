//! From a message to bytes.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Kind, Message};

impl Message {
    /// The datagram of this message.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + self.options.size() + self.payload.len());
        let token = self.token.as_bytes();
        let kind = match self.kind {
            Kind::Confirmable => 0,
            Kind::NonConfirmable => 1,
            Kind::Acknowledgement => 2,
            Kind::Reset => 3,
        };
        out.put_u8(1 << 6 | kind << 4 | token.len() as u8);
        out.put_u8(self.code.0);
        out.put_u16(self.mid);
        out.put_slice(token);
        let mut last = 0;
        for (number, value) in self.options.iter() {
            let (delta, length) = (usize::from(number - last), value.len());
            out.put_u8(nibble(delta) << 4 | nibble(length));
            put_extension(&mut out, delta);
            put_extension(&mut out, length);
            out.put_slice(value);
            last = number;
        }
        if !self.payload.is_empty() {
            out.put_u8(0xff);
            out.put_slice(&self.payload);
        }
        out.freeze()
    }
}

fn nibble(value: usize) -> u8 {
    match value {
        0..=12 => value as u8,
        13..=268 => 13,
        _ => 14,
    }
}

fn put_extension(out: &mut BytesMut, value: usize) {
    match value {
        0..=12 => {}
        13..=268 => out.put_u8((value - 13) as u8),
        _ => out.put_u16((value - 269) as u16),
    }
}

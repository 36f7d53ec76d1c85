//! Bodies that come and go in blocks (RFC 7959).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Pending, Server};
use crate::block::{Assembly, Block, BlockSize, Misfit, slice};
use crate::exchange::Response;
use crate::message::{Code, Kind, Message, Options, options};
use crate::time::Time;
use crate::wire::Wire;

/// Bytes of an entity tag that is made for a response without one.
const ETAG_LENGTH: usize = 8;

impl Server {
    /// The whole body of a request; or what to answer when it isn't whole, or can't be taken. It is
    /// handed on whole or not at all.
    pub(super) fn take_in(
        &mut self,
        now: Time,
        wire: &Wire,
        pending: &Pending,
        message: &Message,
    ) -> Result<Bytes, Response> {
        let limit = wire.config.limits.body;
        let announced = message.options.uint(options::SIZE1).map_or(0, |size| size as usize);
        if announced > limit || message.payload.len() > limit {
            return Err(too_large(limit));
        }
        let Some(block) = pending.block1 else { return Ok(message.payload.clone()) };
        let kept = self.uploads.take(now, &pending.operation);
        let mut upload = match block.number {
            0 => Assembly::new(limit),
            _ => kept.ok_or_else(|| Response::new(Code::REQUEST_ENTITY_INCOMPLETE))?,
        };
        match upload.push(block, &message.payload) {
            Ok(()) if block.more => {
                let bytes = upload.len();
                let all = wire.config.limits.upload_bytes;
                self.uploads.put(now, pending.operation.clone(), upload, bytes, all);
                Err(Response::new(Code::CONTINUE))
            }
            Ok(()) => Ok(upload.finish()),
            Err(Misfit::TooLarge) => Err(too_large(limit)),
            Err(Misfit::OutOfOrder) => Err(Response::new(Code::REQUEST_ENTITY_INCOMPLETE)),
            Err(Misfit::WrongLength) => {
                Err(Response::error(Code::BAD_REQUEST, "the block has the wrong length"))
            }
        }
    }

    /// The message with a response, or with the part of it that was asked for; the rest is kept.
    pub(super) fn first_message(
        &mut self,
        now: Time,
        wire: &Wire,
        pending: &Pending,
        response: &Response,
    ) -> Message {
        let wanted = pending.block2.map_or(BlockSize::LARGEST, |block| block.size);
        self.sliced(now, wire, pending, response, wanted.min(wire.config.block_size))
    }

    pub(super) fn sliced(
        &mut self,
        now: Time,
        wire: &Wire,
        pending: &Pending,
        response: &Response,
        size: BlockSize,
    ) -> Message {
        // Both ends count in the size of the block that was asked for.
        let offset = pending.block2.map_or(0, Block::offset);
        let mut response = response.clone();
        let in_blocks = pending.block2.is_some() || response.payload.len() > size.bytes();
        if in_blocks && response.code.is_success() && response.code != Code::CONTINUE {
            let limit = wire.config.limits.download_bytes;
            response = match cut(&response, offset, size) {
                Some((part, whole)) => {
                    if part.payload.len() < whole.payload.len() {
                        let bytes = whole.payload.len();
                        self.downloads.put(now, pending.operation.clone(), whole, bytes, limit);
                    }
                    part
                }
                None => Response::error(Code::BAD_REQUEST, "no such block"),
            };
        }
        if let Some(block) = pending.block1 {
            let size = block.size.min(wire.config.block_size);
            Block { size, ..block }.write(&mut response.options, options::BLOCK1);
        }
        message(pending, response)
    }
}

fn message(pending: &Pending, response: Response) -> Message {
    let Response { code, options, payload } = response;
    let kind = if pending.acknowledged { Kind::Confirmable } else { Kind::NonConfirmable };
    Message { kind, code, mid: 0, token: pending.token, options, payload }
}

/// One block of a response, and the response with the entity tag that holds its blocks together;
/// none when the body ends before the block.
pub(super) fn cut(
    response: &Response,
    offset: usize,
    size: BlockSize,
) -> Option<(Response, Response)> {
    let mut whole = response.clone();
    let (payload, more) = slice(&response.payload, offset, size)?;
    if (more || offset > 0) && whole.options.get(options::ETAG).is_none() {
        let hash = Sha256::digest(&response.payload);
        whole.options.set(options::ETAG, Bytes::copy_from_slice(&hash[..ETAG_LENGTH]));
    }
    let mut part = Response { payload, ..whole.clone() };
    Block::at(offset, more, size)?.write(&mut part.options, options::BLOCK2);
    if more && offset == 0 {
        set_size(&mut part.options, options::SIZE2, response.payload.len());
    }
    // What was observed is the whole, not its parts.
    whole.options.remove(options::OBSERVE);
    Some((part, whole))
}

fn set_size(options: &mut Options, number: u16, size: usize) {
    options.set_uint(number, u32::try_from(size).unwrap_or(u32::MAX));
}

/// 4.13, and how much would have been taken (RFC 7252 section 5.9.2.9).
fn too_large(limit: usize) -> Response {
    let mut response = Response::new(Code::REQUEST_ENTITY_TOO_LARGE);
    set_size(&mut response.options, options::SIZE1, limit);
    response
}

//! Bodies in blocks (RFC 7959): the option's value, cutting a body, and putting one together.

use bytes::{Bytes, BytesMut};

use crate::message::Options;

/// The highest block number: 20 bits.
const LAST_NUMBER: u32 = (1 << 20) - 1;

/// A block size: a power of two from 16 to 1,024 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockSize {
    szx: u8,
}

impl BlockSize {
    /// 16 bytes.
    pub const SMALLEST: Self = Self { szx: 0 };
    /// 1,024 bytes.
    pub const LARGEST: Self = Self { szx: 6 };

    /// The largest block size of no more than so many bytes; none below 16.
    pub const fn at_most(bytes: usize) -> Option<Self> {
        match bytes {
            0..16 => None,
            1024.. => Some(Self::LARGEST),
            _ => Some(Self { szx: bytes.ilog2() as u8 - 4 }),
        }
    }

    /// How many bytes a full block has.
    pub const fn bytes(self) -> usize {
        16 << self.szx
    }
}

/// The value of a Block1 or Block2 option (RFC 7959 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which block of this size it is, from 0 to 2^20 - 1.
    pub number: u32,
    /// Whether more blocks follow.
    pub more: bool,
    /// How large each block but the last is.
    pub size: BlockSize,
}

/// The size exponent 7 is reserved: a request with it is a bad request.
#[derive(Debug, PartialEq, Eq)]
pub struct ReservedSize;

impl Block {
    /// The block of this size that begins at an offset into the body; none when the body is too
    /// long for blocks of this size, or the offset lies within a block.
    pub fn at(offset: usize, more: bool, size: BlockSize) -> Option<Self> {
        let number = u32::try_from(offset / size.bytes()).ok()?;
        let fits = number <= LAST_NUMBER && offset.is_multiple_of(size.bytes());
        fits.then_some(Self { number, more, size })
    }

    /// Where it begins in the body.
    pub fn offset(self) -> usize {
        self.number as usize * self.size.bytes()
    }

    /// The Block1 or Block2 option among these.
    pub fn read(options: &Options, number: u16) -> Result<Option<Self>, ReservedSize> {
        let Some(value) = options.uint(number) else { return Ok(None) };
        match (value & 0b111) as u8 {
            7 => Err(ReservedSize),
            szx => {
                let more = value & 0b1000 != 0;
                Ok(Some(Self { number: value >> 4 & LAST_NUMBER, more, size: BlockSize { szx } }))
            }
        }
    }

    /// Sets the Block1 or Block2 option.
    pub fn write(self, options: &mut Options, number: u16) {
        let value = self.number << 4 | u32::from(self.more) << 3 | u32::from(self.size.szx);
        options.set_uint(number, value);
    }
}

/// The part of a body at an offset, and whether more follows; none when it begins at or behind the
/// end of a body that isn't empty.
pub(crate) fn slice(body: &Bytes, offset: usize, size: BlockSize) -> Option<(Bytes, bool)> {
    if offset > 0 && offset >= body.len() {
        return None;
    }
    let end = body.len().min(offset + size.bytes());
    Some((body.slice(offset..end), end < body.len()))
}

/// Why a block doesn't belong to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It doesn't begin where the block before it ended.
    OutOfOrder,
    /// It is not the last, but not full; or it is more than full.
    WrongLength,
    /// The body would be longer than is taken.
    TooLarge,
}

/// A body that comes block by block, each where the one before it ended.
#[derive(Debug)]
pub struct Assembly {
    body: BytesMut,
    limit: usize,
}

impl Assembly {
    /// An empty body that takes up to so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { body: BytesMut::new(), limit }
    }

    /// Appends a block. What doesn't fit changes nothing.
    pub fn push(&mut self, block: Block, payload: &[u8]) -> Result<(), Misfit> {
        let full = block.size.bytes();
        if block.offset() != self.body.len() {
            return Err(Misfit::OutOfOrder);
        }
        if payload.len() > full || (block.more && payload.len() < full) {
            return Err(Misfit::WrongLength);
        }
        if self.body.len() + payload.len() > self.limit {
            return Err(Misfit::TooLarge);
        }
        self.body.extend_from_slice(payload);
        Ok(())
    }

    /// How many bytes are here.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether no byte is here.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The body, as far as it is here.
    pub fn finish(self) -> Bytes {
        self.body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::options::BLOCK2;

    fn size(szx: u8) -> BlockSize {
        BlockSize { szx }
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(BlockSize::at_most(15), None);
        let sizes: Vec<_> = [16, 31, 32, 512, 1023, 1024, 65_536]
            .map(|n| BlockSize::at_most(n).unwrap().bytes())
            .into();
        assert_eq!(sizes, [16, 16, 32, 512, 512, 1024, 1024]);
    }

    #[test]
    fn the_reserved_size_is_refused() {
        let mut options = Options::default();
        options.set_uint(BLOCK2, 7);
        assert_eq!(Block::read(&options, BLOCK2), Err(ReservedSize));
    }

    #[test]
    fn only_what_follows_is_taken() {
        let block = |number, more| Block { number, more, size: size(0) };
        let mut body = Assembly::new(40);
        assert_eq!(body.push(block(1, true), &[1; 16]), Err(Misfit::OutOfOrder));
        assert_eq!(body.push(block(0, true), &[1; 15]), Err(Misfit::WrongLength));
        assert_eq!(body.push(block(0, false), &[1; 17]), Err(Misfit::WrongLength));
        assert_eq!(body.push(block(0, true), &[1; 16]), Ok(()));
        assert_eq!(body.push(block(0, true), &[1; 16]), Err(Misfit::OutOfOrder));
        assert_eq!(body.push(block(1, true), &[2; 16]), Ok(()));
        assert_eq!(body.push(block(2, false), &[3; 9]), Err(Misfit::TooLarge));
        assert_eq!(body.push(block(2, false), &[3; 8]), Ok(()));
        assert_eq!(body.finish().len(), 40);
    }

    proptest! {
        #[test]
        fn an_option_is_read_as_it_was_written(number in 0u32..1 << 20, more: bool, szx in 0u8..7) {
            let block = Block { number, more, size: size(szx) };
            let mut options = Options::default();
            block.write(&mut options, BLOCK2);
            prop_assert_eq!(Block::read(&options, BLOCK2), Ok(Some(block)));
        }

        /// Whatever sizes the two sides choose from block to block, the body comes out whole.
        #[test]
        fn a_body_survives_any_sizes(body in proptest::collection::vec(any::<u8>(), 0..5000),
                                     sizes in proptest::collection::vec(0u8..7, 1..40)) {
            let body = Bytes::from(body);
            let mut assembly = Assembly::new(body.len());
            let mut sizes = sizes.into_iter().cycle();
            let mut largest = 6;
            loop {
                // A size may only shrink: blocks of a larger size don't begin at every offset.
                largest = sizes.next().unwrap().min(largest);
                let offset = assembly.len();
                let (payload, more) = slice(&body, offset, size(largest)).unwrap();
                assembly.push(Block::at(offset, more, size(largest)).unwrap(), &payload).unwrap();
                if !more {
                    break;
                }
            }
            prop_assert_eq!(assembly.finish(), body);
        }

        /// Blocks that come twice, too late or too early change nothing.
        #[test]
        fn a_body_survives_any_disorder(length in 1usize..2000, szx in 0u8..3,
                                        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..400)) {
            let body = Bytes::from((0..length).map(|at| at as u8).collect::<Vec<_>>());
            let size = size(szx);
            let blocks = length.div_ceil(size.bytes());
            let mut assembly = Assembly::new(length);
            let mut put = |number: usize| {
                let offset = number * size.bytes();
                let (payload, more) = slice(&body, offset, size).unwrap();
                let taken = assembly.push(Block::at(offset, more, size).unwrap(), &payload);
                taken == Ok(()) && !more
            };
            let early = order.iter().any(|index| put(index.index(blocks)));
            let _ = early || (0..blocks).any(put);
            prop_assert_eq!(assembly.finish(), body);
        }
    }
}

//! One request with its whole body and one response with its whole body, over as many messages as
//! that takes (RFC 7959 section 2). It only says what to send: others send, and keep the time.

use std::time::Duration;

use bytes::Bytes;

use crate::block::{Assembly, Block, BlockSize, Misfit, slice};
use crate::event::Failure;
use crate::exchange::{Request, Response};
use crate::message::{Code, Kind, Message, Options, Token, options};

/// How often a request begins again because the other side asks for it.
const MAX_REPEATS: u8 = 4;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next message is to be sent.
    Send,
    /// The next message is to be sent after a while.
    Wait(Duration),
    Done(Response),
    Failed(Failure),
}

#[derive(Debug)]
pub(super) struct Call {
    request: Request,
    upload: Option<Upload>,
    download: Option<Download>,
    echo: Option<Bytes>,
    repeats: u8,
    block_size: BlockSize,
    body_limit: usize,
    /// Whether another state of the resource will do as well as the one that was begun with.
    any_state: bool,
}

/// Where a body stands that is sent in blocks.
#[derive(Debug)]
struct Upload {
    offset: usize,
    size: BlockSize,
}

/// Where a body stands that is fetched in blocks.
#[derive(Debug)]
struct Download {
    first: Response,
    body: Assembly,
    size: BlockSize,
}

impl Call {
    pub(super) fn new(request: Request, block_size: BlockSize, body_limit: usize) -> Self {
        let upload = (request.payload.len() > block_size.bytes())
            .then_some(Upload { offset: 0, size: block_size });
        // Reading once more from the start is safe with GET only.
        let any_state = request.method == Code::GET;
        let (download, echo, repeats) = (None, None, 0);
        Self { request, upload, download, echo, repeats, block_size, body_limit, any_state }
    }

    /// The rest of a response whose first block is here: of this state, or none.
    pub(super) fn rest(request: Request, block_size: BlockSize, body_limit: usize) -> Self {
        Self { any_state: false, ..Self::new(request, block_size, body_limit) }
    }

    /// The next message to send; it gets its message ID later. None when the body has more blocks
    /// than can be counted.
    pub(super) fn message(&self, token: Token) -> Option<Message> {
        let mut options = self.request.options.clone();
        let mut payload = Bytes::new();
        if let Some(Download { body, size, .. }) = &self.download {
            Block::at(body.len(), false, *size)?.write(&mut options, options::BLOCK2);
        } else {
            payload = self.request.payload.clone();
            if let Some(Upload { offset, size }) = self.upload {
                let (part, more) = slice(&payload, offset, size)?;
                Block::at(offset, more, size)?.write(&mut options, options::BLOCK1);
                if offset == 0 {
                    options.set_uint(options::SIZE1, u32::try_from(payload.len()).ok()?);
                }
                payload = part;
            }
            if self.block_size < BlockSize::LARGEST {
                let early = Block { number: 0, more: false, size: self.block_size };
                early.write(&mut options, options::BLOCK2);
            }
        }
        if let Some(echo) = &self.echo {
            options.set(options::ECHO, echo.clone());
        }
        let (kind, code) = (Kind::Confirmable, self.request.method);
        Some(Message { kind, code, mid: 0, token, options, payload })
    }

    /// What a response to the last message leads to.
    pub(super) fn take(&mut self, message: Message) -> Step {
        let Message { code, options, payload, .. } = message;
        let blocks = Block::read(&options, options::BLOCK1)
            .and_then(|block1| Ok((block1, Block::read(&options, options::BLOCK2)?)));
        let Ok((block1, block2)) = blocks else { return Step::Failed(Failure::BadResponse) };
        let response = Response { code, options, payload };
        match code {
            Code::CONTINUE => self.next_upload(block1),
            Code::REQUEST_ENTITY_INCOMPLETE if self.upload.is_some() && self.may_repeat() => {
                self.upload = Some(Upload { offset: 0, size: self.upload_size() });
                Step::Send
            }
            Code::REQUEST_ENTITY_TOO_LARGE => self.retry_smaller(block1, response),
            Code::UNAUTHORIZED => self.repeat_with_echo(response),
            Code::SERVICE_UNAVAILABLE => self.put_off(response),
            _ => match block2 {
                Some(block) if code.is_success() => self.next_download(block, response),
                _ => Step::Done(response),
            },
        }
    }

    fn may_repeat(&mut self) -> bool {
        self.repeats += 1;
        self.repeats <= MAX_REPEATS
    }

    /// The size of the blocks that are being sent, or could be.
    fn upload_size(&self) -> BlockSize {
        self.upload.as_ref().map_or(self.block_size, |upload| upload.size)
    }

    /// 2.31: the block has arrived, and the server may want smaller ones from here on.
    fn next_upload(&mut self, confirmed: Option<Block>) -> Step {
        let length = self.request.payload.len();
        let (Some(upload), Some(confirmed)) = (&mut self.upload, confirmed) else {
            return Step::Failed(Failure::BadResponse);
        };
        let next = upload.offset + upload.size.bytes();
        if confirmed.number as usize != upload.offset / upload.size.bytes() || next >= length {
            return Step::Failed(Failure::BadResponse);
        }
        *upload = Upload { offset: next, size: upload.size.min(confirmed.size) };
        Step::Send
    }

    /// 4.13 with a hint: the server wants smaller blocks (RFC 7959 section 2.9.3).
    fn retry_smaller(&mut self, hint: Option<Block>, response: Response) -> Step {
        let smaller = |hint: &Block| match &self.upload {
            Some(upload) => hint.size < upload.size,
            None => hint.size.bytes() < self.request.payload.len(),
        };
        match hint.filter(smaller) {
            Some(hint) => {
                self.upload = Some(Upload { offset: 0, size: hint.size });
                Step::Send
            }
            None => Step::Done(response),
        }
    }

    /// 4.01 with Echo: the server wants to know that we are where we say (RFC 9175 section 2.3).
    fn repeat_with_echo(&mut self, response: Response) -> Step {
        match response.options.get(options::ECHO).cloned() {
            Some(echo) if self.may_repeat() => {
                self.echo = Some(echo);
                Step::Send
            }
            _ => Step::Done(response),
        }
    }

    /// 5.03 with Max-Age: that is when to come back (RFC 7252 section 5.9.3.4).
    fn put_off(&mut self, response: Response) -> Step {
        match response.options.uint(options::MAX_AGE) {
            Some(seconds) if self.may_repeat() => Step::Wait(Duration::from_secs(seconds.into())),
            _ => Step::Done(response),
        }
    }

    fn next_download(&mut self, block: Block, response: Response) -> Step {
        let etag = |options: &Options| options.get(options::ETAG).cloned();
        let changed = self
            .download
            .as_ref()
            .is_some_and(|download| etag(&download.first.options) != etag(&response.options));
        if changed {
            return self.download_anew();
        }
        let limit = self.body_limit;
        let size = block.size.min(self.block_size);
        let hint = response.options.uint(options::SIZE2).map_or(0, |size| size as usize);
        let payload = response.payload.clone();
        let download = self.download.get_or_insert_with(|| Download {
            first: response,
            body: Assembly::new(limit),
            size,
        });
        download.size = size;
        match download.body.push(block, &payload) {
            Ok(()) if hint > limit => Step::Failed(Failure::TooLarge),
            Ok(()) if block.more => Step::Send,
            Ok(()) => self.finish_download(),
            Err(Misfit::TooLarge) => Step::Failed(Failure::TooLarge),
            Err(Misfit::OutOfOrder | Misfit::WrongLength) => Step::Failed(Failure::BadResponse),
        }
    }

    /// The resource has changed since the first block.
    fn download_anew(&mut self) -> Step {
        self.download = None;
        match self.any_state && self.may_repeat() {
            true => Step::Send,
            false => Step::Failed(Failure::Unsteady),
        }
    }

    fn finish_download(&mut self) -> Step {
        let Some(Download { mut first, body, .. }) = self.download.take() else {
            return Step::Failed(Failure::BadResponse);
        };
        for block in [options::BLOCK1, options::BLOCK2, options::SIZE2] {
            first.options.remove(block);
        }
        Step::Done(Response { payload: body.finish(), ..first })
    }
}

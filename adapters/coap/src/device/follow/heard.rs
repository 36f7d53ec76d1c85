//! What a device says, or fails to, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use thingway_sdk::Address;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Errand, Following, Lost, MISSES, list_request};
use crate::device::Target;
use crate::device::resource::WELL_KNOWN;
use crate::driver::{Notice, RequestError};
use crate::event::{Failure, ObservationId, Trouble};
use crate::exchange::Response;
use crate::link_format::{self, Limits, Link};
use crate::message::{Code, options};

/// The longest pause between two new starts of all observations, where a device seems to forget.
const LONGEST_DOUBT: Duration = Duration::from_secs(15 * 60);

impl Following {
    pub(super) async fn returned(
        &mut self,
        errand: Errand,
        answer: Result<Response, RequestError>,
    ) -> Result<(), Lost> {
        let now = Instant::now();
        match (errand, answer) {
            (Errand::List, answer) => {
                self.list.due = Some(now + self.manner.list);
                if let Some(response) = self.heard_or_missed(answer)? {
                    self.take_list(&response).await?;
                }
            }
            (Errand::Read(address), Ok(response)) => {
                self.hear();
                self.device.answered(now, &address, &response, &mut self.batch);
            }
            (Errand::Read(address), Err(error)) => {
                if let RequestError::Failed(failure) = error {
                    self.device.failed(now, &address, failure, &mut self.batch);
                }
                self.heard_or_missed(Err(error))?;
            }
            (Errand::Beat(address), answer) => {
                if let Some(response) = self.heard_or_missed(answer)? {
                    self.compare(&address, response).await?;
                }
            }
        }
        Ok(())
    }

    /// Whether an observation still tells what a request is answered. A device that was restarted
    /// knows nothing of its observers.
    async fn compare(&mut self, address: &Address, response: Response) -> Result<(), Lost> {
        // A notification may have overtaken the answer.
        while let Some((id, notice)) = self.mailbox.try_next() {
            self.noticed(id, notice).await?;
        }
        let told = self.device.body(address) == Some(&response.payload);
        if told || response.code != Code::CONTENT {
            return Ok(());
        }
        let now = Instant::now();
        self.device.answered(now, address, &response, &mut self.batch);
        if now < self.doubt.last + self.doubt.pause {
            return Ok(());
        }
        info!(peer = %self.peer, "The device has forgotten what is observed; observing anew");
        self.doubt.pause = (self.doubt.pause * 2).clamp(Duration::from_secs(10), LONGEST_DOUBT);
        self.doubt.last = now;
        for (address, id) in self.device.observed() {
            self.handle.unobserve(id).await;
            self.observe(&address).await?;
        }
        Ok(())
    }

    pub(super) async fn noticed(&mut self, id: ObservationId, notice: Notice) -> Result<(), Lost> {
        let of_the_list = self.list.observation == Some(id);
        let Some(address) = self.device.address(id).filter(|_| !of_the_list) else {
            return self.list_noticed(id, notice).await;
        };
        let now = Instant::now();
        let over = match notice {
            Notice::State { response, .. } => {
                self.hear();
                let news = self.device.body(&address).is_some_and(|body| *body != response.payload);
                // The answers to the registrations themselves prove nothing.
                if news && now > self.doubt.last + self.manner.answer {
                    self.doubt.pause = Duration::ZERO;
                }
                self.device.answered(now, &address, &response, &mut self.batch)
            }
            Notice::Stale => {
                self.device.outlived(&address, &mut self.batch);
                None
            }
            Notice::Interrupted { trouble: Trouble::Refused(code), .. } => {
                self.hear();
                self.device.refused(now, &address, code, &mut self.batch)
            }
            Notice::Interrupted { trouble: Trouble::Failed(failure), unreachable, .. } => {
                self.device.failed(now, &address, failure, &mut self.batch);
                self.interrupted(failure, unreachable)?;
                None
            }
        };
        if let Some(over) = over {
            self.handle.unobserve(over).await;
        }
        Ok(())
    }

    async fn list_noticed(&mut self, id: ObservationId, notice: Notice) -> Result<(), Lost> {
        if self.list.observation != Some(id) {
            // An observation that was ended while its news waited.
            return Ok(());
        }
        match notice {
            Notice::State { response, .. } => {
                self.hear();
                self.take_list(&response).await
            }
            Notice::Stale => Ok(()),
            Notice::Interrupted { trouble: Trouble::Refused(code), .. } => {
                debug!(peer = %self.peer, %code, "The device's list can't be observed");
                self.list.observation = None;
                self.list.due = Some(Instant::now() + self.manner.list);
                self.handle.unobserve(id).await;
                Ok(())
            }
            Notice::Interrupted { trouble: Trouble::Failed(failure), unreachable, .. } => {
                self.interrupted(failure, unreachable)
            }
        }
    }

    /// Takes over what the device has, and looks for changes of it from here on.
    pub(super) async fn take_list(&mut self, response: &Response) -> Result<(), Lost> {
        let now = Instant::now();
        if response.code == Code::VALID {
            return Ok(());
        }
        if !response.code.is_success() {
            return Err(Lost::NoList(response.code));
        }
        let limits = Limits { bytes: self.manner.body, ..Limits::default() };
        let links = link_format::parse(&response.payload, &limits)?;
        self.list.etag = response.options.get(options::ETAG).cloned();
        self.take_links(&links).await;
        let own = links
            .iter()
            .find(|link| Target::parse(&link.target).is_some_and(|target| target.is(&WELL_KNOWN)));
        let observable = self.manner.observe && own.is_some_and(|link| link.is_observable());
        if observable && self.list.observation.is_none() {
            let id = self.handle.observe(self.peer, list_request(), &self.mailbox).await?;
            self.list.observation = Some(id);
        }
        self.list.due = self.list.observation.is_none().then(|| now + self.manner.list);
        Ok(())
    }

    pub(super) async fn take_links(&mut self, links: &[Link]) {
        if links.len() > self.manner.resources {
            let most = self.manner.resources;
            warn!(peer = %self.peer, most, "The device has more resources (`max_resources`)");
        }
        for over in self.device.relist(Instant::now(), links, &mut self.batch) {
            self.handle.unobserve(over).await;
        }
    }

    // --- Whether it is there ---

    pub(super) fn hear(&mut self) {
        self.misses = 0;
        self.beat_at = self.manner.heartbeat.map(|pause| Instant::now() + pause);
    }

    fn interrupted(&mut self, failure: Failure, unreachable: Option<Arc<str>>) -> Result<(), Lost> {
        let error = unreachable.map_or(RequestError::Failed(failure), RequestError::Unreachable);
        self.heard_or_missed(Err(error)).map(drop)
    }

    /// The response, or none when the device may still be there. What breaks the rules was heard
    /// all the same.
    fn heard_or_missed(
        &mut self,
        answer: Result<Response, RequestError>,
    ) -> Result<Option<Response>, Lost> {
        match answer {
            Ok(response) => {
                self.hear();
                Ok(Some(response))
            }
            Err(RequestError::Failed(Failure::Timeout)) => {
                self.misses += 1;
                self.beat_at = self.manner.heartbeat.map(|_| Instant::now());
                if self.misses >= MISSES { Err(Lost::Silent) } else { Ok(None) }
            }
            Err(RequestError::Failed(failure)) => {
                if failure != Failure::Busy {
                    self.hear();
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

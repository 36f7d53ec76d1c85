//! The task itself.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::dtls::{Layer, Lost, Todo};
use super::mailbox::{Notice, Slots};
use super::order::{Answer, Order};
use super::tally::{Count, Tally};
use super::{Incoming, RequestError};
use crate::Endpoint;
use crate::event::{Event, Failure, ObservationId, RequestId, Trouble};
use crate::exchange::Response;
use crate::message::Code;
use crate::time::Time;

/// The largest datagram that UDP can carry, in bytes.
const LARGEST_DATAGRAM: usize = 65_536;
/// Datagrams and orders that are taken at one go, before anything is answered.
const AT_ONE_GO: usize = 64;
/// How long the leave-taking from observed peers may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long it waits for what is not there.
const LONG: Duration = Duration::from_secs(3600);

pub(super) struct Task {
    socket: UdpSocket,
    /// The only peer there is, if the socket is connected.
    only: Option<SocketAddr>,
    dtls: Option<Layer>,
    endpoint: Endpoint,
    orders: mpsc::Receiver<Order>,
    incoming: mpsc::Sender<Incoming>,
    began: Instant,
    buffer: Vec<u8>,
    requests: HashMap<RequestId, Answer>,
    groups: HashMap<RequestId, mpsc::Sender<(SocketAddr, Response)>>,
    observations: HashMap<ObservationId, Slots>,
    /// Why the connection that was lost just now was lost.
    lost: Option<Arc<str>>,
    tally: Arc<Tally>,
    /// What the tally has of this driver.
    tallied: Count,
}

impl Task {
    pub(super) fn new(
        socket: UdpSocket,
        dtls: Option<Layer>,
        endpoint: Endpoint,
        orders: mpsc::Receiver<Order>,
        incoming: mpsc::Sender<Incoming>,
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            only: socket.peer_addr().ok(),
            socket,
            dtls,
            endpoint,
            orders,
            incoming,
            began: Instant::now(),
            buffer: vec![0; LARGEST_DATAGRAM],
            requests: HashMap::new(),
            groups: HashMap::new(),
            observations: HashMap::new(),
            lost: None,
            tally,
            tallied: Count::default(),
        }
    }

    pub(super) async fn run(mut self, local: SocketAddr, stop: CancellationToken) {
        let reason = self.serve(&stop).await;
        self.take_leave().await;
        debug!(%local, reason, "A CoAP socket was closed");
    }

    /// Returns why it ends.
    async fn serve(&mut self, stop: &CancellationToken) -> &'static str {
        loop {
            self.settle().await;
            let due = self.due();
            tokio::select! {
                () = stop.cancelled() => return "told to stop",
                order = self.orders.recv() => match order {
                    Some(order) => self.obey_all(order),
                    None => return "nobody needs it any more",
                },
                readable = self.socket.readable() => match readable {
                    Ok(()) => self.receive_all().await,
                    Err(error) => self.socket_failed(&error),
                },
                () = sleep_until(due) => self.handle_timeouts().await,
            }
        }
    }

    /// Deregisters from all that is observed, and waits a moment for that to be heard.
    async fn take_leave(&mut self) {
        self.endpoint.unobserve_all(self.now());
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            self.settle().await;
            if self.endpoint.next_deadline().is_none() {
                break;
            }
            let due = self.due().min(until);
            tokio::select! {
                readable = self.socket.readable() => match readable {
                    Ok(()) => self.receive_all().await,
                    Err(_) => break,
                },
                () = sleep_until(due) => self.handle_timeouts().await,
            }
        }
        let now = self.now();
        if let (Some(dtls), Some(peer)) = (&mut self.dtls, self.only) {
            for (peer, datagram) in dtls.close(now, peer) {
                self.put(peer, &datagram).await;
            }
        }
    }

    fn now(&self) -> Time {
        self.began.elapsed()
    }

    fn due(&self) -> Instant {
        let below = self.dtls.as_ref().and_then(Layer::next_deadline);
        let next = self.endpoint.next_deadline().into_iter().chain(below).min();
        self.began + next.unwrap_or_else(|| self.now() + LONG)
    }

    async fn handle_timeouts(&mut self) {
        let now = self.now();
        if let Some(dtls) = &mut self.dtls {
            let todo = dtls.handle_timeouts(now);
            self.carry_out(todo).await;
        }
        self.endpoint.handle_timeout(now);
    }

    // --- The socket ---

    async fn receive_all(&mut self) {
        for _ in 0..AT_ONE_GO {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((length, from)) => self.receive(length, from).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.socket_failed(&error),
            }
        }
    }

    async fn receive(&mut self, length: usize, from: SocketAddr) {
        let now = self.now();
        match &mut self.dtls {
            None => self.endpoint.handle_datagram(now, from, &self.buffer[..length]),
            Some(dtls) => {
                let todo = dtls.receive(now, from, &self.buffer[..length]);
                self.carry_out(todo).await;
            }
        }
    }

    async fn send(&mut self, peer: SocketAddr, datagram: Bytes) {
        let now = self.now();
        match &mut self.dtls {
            None => self.put(peer, &datagram).await,
            Some(dtls) => {
                let todo = dtls.send(now, peer, datagram);
                self.carry_out(todo).await;
            }
        }
    }

    async fn carry_out(&mut self, todo: Todo) {
        let now = self.now();
        for (peer, datagram) in todo.send {
            self.put(peer, &datagram).await;
        }
        for Lost { peer, reason, failed } in todo.lost {
            if failed {
                warn!(%peer, %reason, "No DTLS association");
                // As its documentation says, this may be lost.
                let _ = self
                    .incoming
                    .try_send(Incoming::NoAssociation { peer, reason: reason.clone() });
            } else {
                debug!(%peer, %reason, "A DTLS association has ended");
            }
            self.peer_lost(peer, reason);
        }
        for (peer, plaintext) in todo.receive {
            self.endpoint.handle_datagram(now, peer, &plaintext);
        }
    }

    async fn put(&mut self, peer: SocketAddr, datagram: &[u8]) {
        let sent = match self.only {
            Some(_) => self.socket.send(datagram).await,
            None => self.socket.send_to(datagram, peer).await,
        };
        match sent {
            Err(error) if self.only.is_some() => self.socket_failed(&error),
            // One of many can't be reached; what waits for its answer will time out.
            Err(error) => debug!(%peer, %error, "A datagram was not sent"),
            Ok(_) => {}
        }
    }

    /// What the system knows of the only peer: that nobody listens, or that no way leads there.
    fn socket_failed(&mut self, error: &io::Error) {
        match self.only {
            Some(peer) => {
                let now = self.now();
                if let Some(dtls) = &mut self.dtls {
                    // Nobody is there to be told.
                    drop(dtls.close(now, peer));
                }
                self.peer_lost(peer, error.to_string().into());
            }
            None => debug!(%error, "A CoAP socket reported an error"),
        }
    }

    fn peer_lost(&mut self, peer: SocketAddr, reason: Arc<str>) {
        let now = self.now();
        self.lost = Some(reason);
        self.endpoint.disconnected(now, peer);
        self.tell_all();
        self.lost = None;
    }

    // --- The endpoint ---

    /// Sends what is to be sent and tells what happened; either may bring about more of both.
    async fn settle(&mut self) {
        self.tell_all();
        while let Some((peer, datagram)) = self.endpoint.poll_transmit() {
            self.send(peer, datagram).await;
            self.tell_all();
        }
        self.count();
    }

    fn count(&mut self) {
        let dtls = self.dtls.as_ref().map(Layer::counters).unwrap_or_default();
        let count = Count { messages: self.endpoint.counters(), dtls };
        if count != self.tallied {
            self.tally.add(&self.tallied, &count);
            self.tallied = count;
        }
    }

    fn tell_all(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Response { request, from, response } => match self.groups.get(&request) {
                // Who does not read fast enough, or at all, gets fewer.
                Some(answers) => drop(answers.try_send((from, response))),
                None => self.answer(request, Ok(response)),
            },
            Event::Failed { request, failure } => {
                self.groups.remove(&request);
                let error = self.error(failure);
                self.answer(request, Err(error));
            }
            Event::GroupEnded { request } => drop(self.groups.remove(&request)),
            Event::Notified { observation, response, observed, fresh_until } => {
                let fresh_until = self.began + fresh_until;
                self.notice(observation, Notice::State { response, observed, fresh_until });
            }
            Event::Stale { observation } => self.notice(observation, Notice::Stale),
            Event::Interrupted { observation, trouble, again_at } => {
                let gone = trouble == Trouble::Failed(Failure::Disconnected);
                let unreachable = self.lost.clone().filter(|_| gone);
                let again_at = self.began + again_at;
                self.notice(observation, Notice::Interrupted { trouble, unreachable, again_at });
            }
            Event::Request { id, from, request, observe } => {
                let incoming = Incoming::Request { id, from, request, observe };
                let refusal = match self.incoming.try_send(incoming) {
                    Ok(()) => return,
                    Err(mpsc::error::TrySendError::Full(_)) => Code::SERVICE_UNAVAILABLE,
                    Err(mpsc::error::TrySendError::Closed(_)) => Code::NOT_FOUND,
                };
                self.endpoint.respond(self.now(), id, Response::new(refusal));
            }
            Event::ObserverGone { observer } => {
                // As its documentation says, this may be lost.
                let _ = self.incoming.try_send(Incoming::ObserverGone(observer));
            }
        }
    }

    fn error(&self, failure: Failure) -> RequestError {
        match (&self.lost, failure) {
            (Some(reason), Failure::Disconnected) => RequestError::Unreachable(reason.clone()),
            _ => RequestError::Failed(failure),
        }
    }

    fn answer(&mut self, request: RequestId, answer: Result<Response, RequestError>) {
        if let Some(waiting) = self.requests.remove(&request) {
            // Who asked may not wait any more.
            let _ = waiting.send(answer);
        }
    }

    fn notice(&mut self, id: ObservationId, notice: Notice) {
        let read = self.observations.get(&id).is_some_and(|slots| slots.put(id, notice));
        if !read {
            self.observations.remove(&id);
            self.endpoint.unobserve(self.now(), id);
        }
    }

    // --- Orders ---

    fn obey_all(&mut self, first: Order) {
        self.obey(first);
        for _ in 1..AT_ONE_GO {
            let Ok(order) = self.orders.try_recv() else { return };
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        let now = self.now();
        match order {
            Order::Request { peer, request, deadline, answer } => {
                let deadline = deadline.saturating_duration_since(self.began);
                let id = self.endpoint.request(now, peer, request, deadline);
                self.requests.insert(id, answer);
            }
            Order::Group { group, request, until, answers } => {
                let until = until.saturating_duration_since(self.began);
                let id = self.endpoint.request_group(now, group, request, until);
                self.groups.insert(id, answers);
            }
            Order::Observe { peer, request, slots, begun } => {
                let observing = self.endpoint.observe(now, peer, request);
                if let Ok(id) = observing {
                    self.observations.insert(id, slots);
                }
                // Who asked may not wait any more; then the first notification ends it.
                let _ = begun.send(observing.map_err(RequestError::Failed));
            }
            Order::Unobserve(id) => {
                self.observations.remove(&id);
                self.endpoint.unobserve(now, id);
            }
            Order::Respond { id, response, observer } => {
                let taken = observer.is_some().then(|| self.endpoint.accept_observer(now, id));
                self.endpoint.respond(now, id, response);
                if let Some(observer) = observer {
                    let _ = observer.send(taken.flatten());
                }
            }
            Order::Notify { observer, response, confirmable, known } => {
                let told = self.endpoint.notify(now, observer, response, confirmable);
                let _ = known.send(told.is_ok());
            }
        }
    }
}

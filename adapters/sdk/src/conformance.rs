//! The suite that every adapter passes (feature `conformance`).
//!
//! An adapter's tests implement [`Peer`], which plays the far side, and hand it to
//! [`conformance_suite!`](crate::conformance_suite). [`Recorder`] and [`Supervised`] play the
//! gateway's side; they serve an adapter's own tests as well.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Acknowledgement, Adapter, AdapterError, BoxFuture, Command, CommandId, Form, Intake,
    Observation, Payload, Rejection, Report, Reports,
};

/// How long anything may take that will come: long, because machines that test are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long is waited for what must not come.
pub const DOUBT: Duration = Duration::from_millis(500);

/// How long an adapter may take to stop.
const STOPPING: Duration = Duration::from_secs(4);

/// How long the supervisor waits before it calls `run` again.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The far side of one adapter: a broker with a device behind it, or a device.
pub trait Peer: Send {
    /// An adapter for this far side, not yet running.
    fn adapter(&self) -> Arc<dyn Adapter>;

    /// Answers from now on, at the same address as ever.
    fn start(&mut self) -> impl Future<Output = ()> + Send;

    /// Is gone at once, without taking leave.
    fn stop(&mut self) -> impl Future<Output = ()> + Send;

    /// Sends a reading that the adapter has to acknowledge, and does not wait for that.
    fn send(&mut self, address: &str, payload: &[u8]) -> impl Future<Output = ()> + Send;

    /// Whether the adapter acknowledges everything sent, within some time.
    fn acknowledged(&mut self, within: Duration) -> impl Future<Output = bool> + Send;

    /// Whether the far side keeps each reading until it was acknowledged. A device that tells its
    /// state to whoever asks does not: then the newest one counts, and no other has to arrive.
    fn keeps_readings(&self) -> bool {
        true
    }

    /// A command that the device understands.
    fn command(&self) -> Form;

    /// The payload of the next command that reaches the device.
    fn received(&mut self) -> impl Future<Output = Vec<u8>> + Send;
}

/// An intake that keeps all it gets, and that can be made to stall.
pub struct Recorder {
    seen: Mutex<Seen>,
    changes: watch::Sender<()>,
    stalled: watch::Sender<bool>,
}

/// What a [`Recorder`] got so far.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// How often [`Reports::connected`] was called.
    pub connected: usize,
    /// What was told by [`Reports::troubled`], in order.
    pub troubles: Vec<String>,
    /// Reports whose submission has begun; equal to `applied` unless the recorder stalls.
    pub submitted: usize,
    /// Reports in the order in which they were applied.
    pub applied: Vec<Report>,
}

impl Seen {
    /// What was observed at `address`.
    #[must_use]
    pub fn observed(&self, address: &str) -> Vec<&Observation> {
        let observations = self.applied.iter().filter_map(|report| match report {
            Report::Observed(observation) => Some(observation),
            _ => None,
        });
        observations.filter(|observation| observation.address.as_str() == address).collect()
    }

    /// What was rejected.
    #[must_use]
    pub fn rejected(&self) -> Vec<&Rejection> {
        let rejections = self.applied.iter().filter_map(|report| match report {
            Report::Rejected(rejection) => Some(rejection),
            _ => None,
        });
        rejections.collect()
    }

    /// Whether `payload` was observed at `address`.
    #[must_use]
    pub fn has(&self, address: &str, payload: &[u8]) -> bool {
        self.observed(address).iter().any(|observation| observation.payload.bytes == payload)
    }
}

impl Recorder {
    /// Empty, and willing.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            seen: Mutex::default(),
            changes: watch::Sender::new(()),
            stalled: watch::Sender::new(false),
        })
    }

    /// Where the adapter under test reports to.
    #[must_use]
    pub fn reports(self: &Arc<Self>) -> Reports {
        Reports::new(self.clone())
    }

    /// From now on submissions wait.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Those that wait go on.
    pub fn release(&self) {
        self.stalled.send_replace(false);
    }

    /// A copy of what came so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`]; `what` then says what did not come.
    pub async fn until(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let mut changes = self.changes.subscribe();
        let waiting = async {
            while !condition(&self.lock()) {
                // The sender lives as long as `self`, so this can't fail.
                changes.changed().await.ok();
            }
        };
        let came = timeout(PATIENCE, waiting).await.is_ok();
        assert!(came, "did not come: {what}; came: {:#?}", self.seen());
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.lock());
        self.changes.send_replace(());
    }
}

impl Intake for Recorder {
    fn connected(&self) {
        self.note(|seen| seen.connected += 1);
    }

    fn troubled(&self, reason: String) {
        self.note(|seen| seen.troubles.push(reason));
    }

    fn submit<'a>(&'a self, batch: &'a mut Vec<Report>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.note(|seen| seen.submitted += batch.len());
            // The sender lives as long as `self`, so this can't fail.
            self.stalled.subscribe().wait_for(|stalled| !stalled).await.ok();
            self.note(|seen| seen.applied.append(batch));
        })
    }
}

/// An adapter that is run, and run again when its link is lost.
pub struct Supervised {
    adapter: Arc<dyn Adapter>,
    stop: CancellationToken,
    running: JoinHandle<Vec<String>>,
}

impl Supervised {
    /// Runs `adapter`; it reports to `recorder`.
    #[must_use]
    pub fn start(adapter: Arc<dyn Adapter>, recorder: &Arc<Recorder>) -> Self {
        let stop = CancellationToken::new();
        let running = tokio::spawn(supervise(adapter.clone(), recorder.reports(), stop.clone()));
        Self { adapter, stop, running }
    }

    /// Hands one command to the adapter.
    ///
    /// # Errors
    /// The adapter's own.
    pub async fn execute(
        &self,
        form: Form,
        payload: &[u8],
        within: Duration,
    ) -> Result<Acknowledgement, AdapterError> {
        let content_type = form.content_type.clone();
        let payload = Payload { bytes: payload.to_vec().into(), content_type };
        let deadline = Instant::now() + within;
        let id = CommandId("conformance".into());
        self.adapter.execute(Command { id, form, payload, deadline }).await
    }

    /// Stops the adapter and hands back why its links were lost before.
    ///
    /// # Panics
    /// When it does not stop in time.
    pub async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        match timeout(STOPPING, self.running).await {
            Ok(Ok(losses)) => losses,
            Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            Err(_) => panic!("the adapter did not stop within {STOPPING:?}"),
        }
    }
}

async fn supervise(
    adapter: Arc<dyn Adapter>,
    reports: Reports,
    stop: CancellationToken,
) -> Vec<String> {
    let mut losses = Vec::new();
    while let Err(loss) = adapter.run(reports.clone(), stop.clone()).await {
        losses.push(loss.to_string());
        tokio::select! {
            () = stop.cancelled() => break,
            () = sleep(BACK_OFF) => {}
        }
    }
    assert!(stop.is_cancelled(), "`run` returned Ok without being told to stop");
    losses
}

/// Makes one test of each demand. `$peer` is a future of a [`Peer`] that has started; each test
/// awaits one of its own.
#[macro_export]
macro_rules! conformance_suite {
    ($peer:expr) => {
        $crate::conformance_suite!(@each $peer,
            a_reading_arrives,
            readings_resume_when_the_peer_was_gone,
            a_bad_payload_ends_no_link,
            a_command_reaches_the_device,
            a_command_ends_by_its_deadline,
            it_stops_promptly,
            it_acknowledges_what_was_applied_and_nothing_before,
        );
    };
    (@each $peer:expr, $($demand:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $demand() {
                $crate::conformance::$demand($peer.await).await;
            }
        )*
    };
}

async fn running<P: Peer>(peer: &P) -> (Supervised, Arc<Recorder>) {
    let recorder = Recorder::new();
    let supervised = Supervised::start(peer.adapter(), &recorder);
    recorder.until("the connection", |seen| seen.connected > 0).await;
    (supervised, recorder)
}

/// Something the peer sends is observed, byte for byte, at its address.
pub async fn a_reading_arrives<P: Peer>(mut peer: P) {
    let (supervised, recorder) = running(&peer).await;
    peer.send("conformance/reading", b"21.5").await;
    recorder.until("the reading", |seen| seen.has("conformance/reading", b"21.5")).await;
    let losses = supervised.stop().await;
    assert!(losses.is_empty(), "{losses:?}");
}

/// A peer that goes and comes back is observed again.
pub async fn readings_resume_when_the_peer_was_gone<P: Peer>(mut peer: P) {
    let (supervised, recorder) = running(&peer).await;
    peer.send("conformance/reading", b"1").await;
    recorder.until("the reading before", |seen| seen.has("conformance/reading", b"1")).await;
    assert!(peer.acknowledged(PATIENCE).await, "the reading before was not acknowledged");
    peer.stop().await;
    peer.start().await;
    // A peer that is the server has to be found again before anybody listens to it.
    let mut readings = 0;
    while !recorder.seen().has("conformance/reading", b"2") {
        peer.send("conformance/reading", b"2").await;
        sleep(BACK_OFF).await;
        readings += 1;
        assert!(readings < 300, "readings did not resume; came: {:#?}", recorder.seen());
    }
    supervised.stop().await;
}

/// What nobody can make sense of is handed on or rejected, and the link lives.
pub async fn a_bad_payload_ends_no_link<P: Peer>(mut peer: P) {
    let (supervised, recorder) = running(&peer).await;
    for bad in [&b"\xff\xfe\x00"[..], b"{\"broken\":", b""] {
        peer.send("conformance/bad", bad).await;
    }
    peer.send("conformance/reading", b"21.5").await;
    recorder.until("the reading", |seen| seen.has("conformance/reading", b"21.5")).await;
    let bad_ones = if peer.keeps_readings() { 3 } else { 1 };
    recorder.until("the bad ones", |seen| seen.applied.len() > bad_ones).await;
    let losses = supervised.stop().await;
    assert!(losses.is_empty(), "{losses:?}");
}

/// A command arrives, byte for byte, and its end is known.
pub async fn a_command_reaches_the_device<P: Peer>(mut peer: P) {
    let (supervised, _recorder) = running(&peer).await;
    let outcome = supervised.execute(peer.command(), b"on", PATIENCE).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let received = timeout(PATIENCE, peer.received()).await;
    assert_eq!(received.ok().as_deref(), Some(&b"on"[..]));
    supervised.stop().await;
}

/// Nobody answers: a command ends nevertheless, when its time is up at the latest.
pub async fn a_command_ends_by_its_deadline<P: Peer>(mut peer: P) {
    let (supervised, _recorder) = running(&peer).await;
    peer.stop().await;
    let begun = Instant::now();
    let outcome = supervised.execute(peer.command(), b"on", DOUBT).await;
    assert!(begun.elapsed() < DOUBT + STOPPING, "took {:?}", begun.elapsed());
    assert!(
        matches!(outcome, Ok(Acknowledgement::Accepted) | Err(AdapterError::TimedOut(_))),
        "{outcome:?}"
    );
    supervised.stop().await;
}

/// Connected or not, it stops within seconds.
pub async fn it_stops_promptly<P: Peer>(mut peer: P) {
    let (supervised, _recorder) = running(&peer).await;
    supervised.stop().await;
    let (supervised, _recorder) = running(&peer).await;
    peer.stop().await;
    supervised.stop().await;
    // Nor does it wait for the peer in the first place.
    Supervised::start(peer.adapter(), &Recorder::new()).stop().await;
}

/// While a reading is being applied the far side still has to be responsible for it, or else tell
/// the newest one afterwards.
pub async fn it_acknowledges_what_was_applied_and_nothing_before<P: Peer>(mut peer: P) {
    let (supervised, recorder) = running(&peer).await;
    recorder.stall();
    peer.send("conformance/reading", b"21.5").await;
    if !peer.keeps_readings() {
        peer.send("conformance/reading", b"22").await;
        recorder.release();
        recorder.until("the newest", |seen| seen.has("conformance/reading", b"22")).await;
        supervised.stop().await;
        return;
    }
    recorder.until("the submission", |seen| seen.submitted > 0).await;
    assert!(!peer.acknowledged(DOUBT).await, "acknowledged before it was applied");
    recorder.release();
    recorder.until("the reading", |seen| seen.has("conformance/reading", b"21.5")).await;
    assert!(peer.acknowledged(PATIENCE).await, "not acknowledged after it was applied");
    supervised.stop().await;
}

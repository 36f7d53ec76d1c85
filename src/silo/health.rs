use parking_lot::Mutex;
use serde::Serialize;
use thingway_sdk::Timestamp;

/// How the link to a silo is.
#[derive(Debug)]
pub struct Health(Mutex<LinkStatus>);

/// The state of a link at one moment.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LinkStatus {
    /// `connecting`, `connected`, `disconnected` or `stopped`.
    pub status: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// What went wrong last: why the link was lost, or what kept a peer out. Stays readable after
    /// the link came back.
    pub last_error: Option<String>,
    /// When that was.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_error_time: Option<Timestamp>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(LinkStatus {
            status: "connecting",
            since: Timestamp::now(),
            last_error: None,
            last_error_time: None,
        }))
    }
}

impl Health {
    /// The link now.
    #[must_use]
    pub fn status(&self) -> LinkStatus {
        self.0.lock().clone()
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.0.lock().status == "connected"
    }

    /// The link is up; false when it already was.
    pub fn connected(&self) -> bool {
        self.0.lock().turn("connected")
    }

    /// The link was lost, or could not be made.
    pub fn lost(&self, reason: String) {
        let mut link = self.0.lock();
        link.turn("disconnected");
        link.note(reason);
    }

    /// Something went wrong, and the link is as it was.
    pub fn troubled(&self, reason: String) {
        self.0.lock().note(reason);
    }

    /// The gateway ended the link.
    pub fn stopped(&self) {
        self.0.lock().turn("stopped");
    }
}

impl LinkStatus {
    fn note(&mut self, reason: String) {
        self.last_error = Some(reason);
        self.last_error_time = Some(Timestamp::now());
    }

    fn turn(&mut self, status: &'static str) -> bool {
        if self.status == status {
            return false;
        }
        self.status = status;
        self.since = Timestamp::now();
        true
    }
}

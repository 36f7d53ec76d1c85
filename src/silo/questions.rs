use std::convert::Infallible;
use std::time::Duration;

use smol_str::SmolStr;
use thingway_sdk::{Adapter, Command, CommandId, Form, Payload};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tracing::{debug, warn};

/// Questions that wait for the link. Further ones are dropped: devices announce themselves again.
const MOST: usize = 256;
/// A question that was not sent within this time is not asked any more.
const WITHIN: Duration = Duration::from_secs(10);

/// What devices are asked so that they tell what the gateway lacks: to announce themselves anew.
pub(super) struct Questions {
    sender: mpsc::Sender<(Form, Payload)>,
    receiver: Mutex<mpsc::Receiver<(Form, Payload)>>,
}

impl Default for Questions {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MOST);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Questions {
    /// Has these asked as soon as the link allows.
    pub(super) fn ask(&self, questions: Vec<(Form, Payload)>) {
        for question in questions {
            if let Err(refused) = self.sender.try_send(question) {
                debug!(reason = %refused, "A question to a device is dropped");
            }
        }
    }

    /// Asks one after the other, for as long as it is polled.
    pub(super) async fn carry(&self, adapter: &dyn Adapter, name: &str) -> Infallible {
        let mut receiver = self.receiver.lock().await;
        loop {
            let Some((form, payload)) = receiver.recv().await else {
                return std::future::pending().await;
            };
            let address = form.address.clone();
            let id = CommandId(SmolStr::new_static("question"));
            let command = Command { id, form, payload, deadline: Instant::now() + WITHIN };
            if let Err(reason) = adapter.execute(command).await {
                warn!(adapter = name, %address, %reason, "A device could not be asked");
            }
        }
    }
}

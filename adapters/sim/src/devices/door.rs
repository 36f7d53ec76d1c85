use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use crate::device::{Device, Message, Moment};

/// `demo/hall/door`: a contact that sleeps between changes. Its state is retained; each change is
/// an event on `demo/hall/door/event` as well, which is not.
#[derive(Debug)]
pub struct DoorContact {
    rng: StdRng,
    open: bool,
    uses: u32,
    next_change: Option<Duration>,
}

impl DoorContact {
    const TOPIC: &str = "demo/hall/door";
    const EVENTS: &str = "demo/hall/door/event";
    /// One percent of the battery lasts so many changes.
    const USES_PER_PERCENT: u32 = 100;

    /// A closed door.
    #[must_use]
    pub fn new(rng: StdRng) -> Self {
        Self { rng, open: false, uses: 0, next_change: None }
    }

    fn state(&self) -> Message {
        let battery = 97_u32.saturating_sub(self.uses / Self::USES_PER_PERCENT);
        let state = json!({ "open": self.open, "battery": battery });
        Message::retained(Self::TOPIC, state.to_string())
    }

    fn event(&self, now: Moment) -> Message {
        let what = if self.open { "opened" } else { "closed" };
        let event = json!({ "event": what, "ts": now.epoch_milliseconds });
        Message::live(Self::EVENTS, event.to_string())
    }

    /// People leave a door open for seconds and closed for longer.
    fn plan(&mut self, now: Moment) {
        let seconds = if self.open { 3..8 } else { 10..30 };
        self.next_change = Some(now.uptime + Duration::from_secs(self.rng.random_range(seconds)));
    }
}

impl Device for DoorContact {
    fn client_id(&self) -> &'static str {
        "demo-door"
    }

    fn tick(&mut self, now: Moment) -> Vec<Message> {
        match self.next_change {
            None => {
                self.plan(now);
                vec![self.state()]
            }
            Some(due) if due <= now.uptime => {
                self.open = !self.open;
                self.uses += 1;
                self.plan(now);
                vec![self.state(), self.event(now)]
            }
            Some(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng;
    use super::*;

    #[test]
    fn each_change_is_a_retained_state_and_an_event_and_between_them_it_sleeps() {
        let mut door = DoorContact::new(rng(1, 2));
        let messages: Vec<Vec<Message>> = (0..120)
            .map(|second| {
                let uptime = Duration::from_secs(second);
                door.tick(Moment { uptime, epoch_milliseconds: second * 1000 })
            })
            .collect();
        assert_eq!(
            messages[0],
            [Message::retained("demo/hall/door", r#"{"open":false,"battery":97}"#)]
        );
        let changes: Vec<&Vec<Message>> = messages[1..].iter().filter(|m| !m.is_empty()).collect();
        assert!((4..=24).contains(&changes.len()), "{}", changes.len());
        for (index, change) in changes.iter().enumerate() {
            let word = if index % 2 == 0 { "opened" } else { "closed" };
            assert!(change[0].retain && !change[1].retain);
            assert!(String::from_utf8_lossy(&change[1].payload).contains(word));
        }
    }
}

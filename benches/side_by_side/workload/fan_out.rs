use std::time::Duration;

use super::Bench;
use super::pushed::{CPU, Following, LOST, P50};
use crate::client::listeners::Push;
use crate::goal::Goal;
use crate::measure::Section;
use crate::system::System;

/// Changes per second that no machine delivers a thousand times: it has to starve.
const STARVING: u32 = 1000;

/// One thing, a thousand subscribers.
pub(super) fn run(bench: &Bench<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    for push in [Push::Events, Push::WebSocket] {
        for rate in [20, 100] {
            let goals = vec![
                Goal::at_most(CPU, 0.6).times(System::Naive),
                Goal::at_most(P50, 0.75).times(System::Naive),
                Goal::at_most(LOST, 0.0),
            ];
            sections.push(following(bench, push, rate).measure(bench, goals));
        }
        let starved = following(bench, push, STARVING);
        // More would only take longer to be made up for.
        let starved = Following { duration: Duration::from_secs(1), ..starved };
        sections.push(starved.measure(bench, vec![Goal::at_most(LOST, 0.0)]));
    }
    sections
}

fn following(bench: &Bench<'_>, push: Push, rate: u32) -> Following {
    let subscribers = bench.args.amount(1000, 200);
    Following { push, subscribers, rate, duration: bench.args.load() }
}

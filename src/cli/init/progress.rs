//! How far the listening is, on one line of a terminal.

use std::io::{self, Write};
use std::time::Duration;

use crate::cli::output::counted;

/// How many signs the bar has.
const WIDTH: u128 = 24;

/// Draws the line anew. With stderr closed there is nobody to show it to.
pub(super) fn draw(elapsed: Duration, whole: Duration, messages: usize, topics: usize) {
    let line = line(elapsed, whole, messages, topics);
    let _ = write!(io::stderr(), "\r\x1b[K{line}");
}

/// Takes the line away.
pub(super) fn clear() {
    let _ = write!(io::stderr(), "\r\x1b[K");
}

fn line(elapsed: Duration, whole: Duration, messages: usize, topics: usize) -> String {
    let done = (elapsed.as_millis() * WIDTH / whole.as_millis().max(1)).min(WIDTH);
    let bar: String = (0..WIDTH).map(|n| if n < done { '#' } else { '.' }).collect();
    let (elapsed, whole) = (elapsed.as_secs(), whole.as_secs());
    let (messages, topics) = (counted(messages, "message"), counted(topics, "topic"));
    format!("[{bar}] {elapsed} of {whole} s, {messages} on {topics}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_the_time_and_no_further() {
        let at = |seconds| line(Duration::from_secs(seconds), Duration::from_secs(10), 7, 2);
        assert_eq!(at(5), "[############............] 5 of 10 s, 7 messages on 2 topics");
        assert!(at(11).starts_with("[########################] "));
        assert!(at(0).starts_with("[........................] "));
    }
}

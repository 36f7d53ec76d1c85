//! The machine on which everything runs.

use std::fs;
use std::thread::available_parallelism;

/// Processes that wanted to run, on average over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// How many files a process may hold open.
pub(crate) fn open_files() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

//! A process that is measured: what it says, and what it costs as the kernel counts it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// `USER_HZ`, in which `/proc/<pid>/stat` counts; 100 on every architecture of ours.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running process. When it goes out of scope, it is killed.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().ok_or("the process has no stdout")?);
        Ok(Self { child, input, output })
    }

    /// Reads what it prints up to the first address with this scheme.
    pub(crate) fn announced(&mut self, scheme: &str) -> Result<SocketAddr> {
        let marker = format!("{scheme}://");
        loop {
            let line = self.line()?;
            if let Some((_, rest)) = line.split_once(&marker) {
                let address = rest.split([' ', '/']).next().unwrap_or(rest);
                return Ok(address.trim().parse()?);
            }
        }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(format!("process {} ended too early", self.child.id()).into());
        }
        Ok(line)
    }

    /// Gives it a line to read.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("the process has no stdin")?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }

    /// Processor time since it began. Of each thread the kernel tells it to the nanosecond, but no
    /// longer of threads that have ended; of the whole process to 10 ms only.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(self.cpu_of_threads()?.max(self.cpu_in_ticks()?))
    }

    fn cpu_of_threads(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may end between the two.
            let Ok(stat) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            let running = stat.split_whitespace().next().ok_or("an empty schedstat")?;
            nanoseconds += running.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn cpu_in_ticks(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name and may hold spaces; its end is the last bracket.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/<pid>/stat has no name")?;
        let mut times = fields.split_whitespace().skip(11);
        let mut ticks = || -> Result<f64> { Ok(times.next().ok_or("no times")?.parse()?) };
        Ok(Duration::from_secs_f64((ticks()? + ticks()?) / TICKS_PER_SECOND))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.ok_or("no VmRSS in /proc/<pid>/status")?.parse::<u64>()? * 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

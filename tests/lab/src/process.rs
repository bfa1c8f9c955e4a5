//! Processes as the lab knows them: by pid and start time, so that a record outlives a crash of who wrote it and yet
//! never names a stranger that got the same pid later.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// The environment variable every process of a lab carries; its value is the lab's state directory. It finds the
/// process that was started but not yet recorded when the starter was killed, and the children of recorded ones.
pub const MARK: &str = "CASSKOP_LAB_MEMBER";

/// How long a killed process may take to vanish. Only a process in an uninterruptible system call takes any time.
const VANISH: Duration = Duration::from_secs(20);

/// One process of this machine, for good: pids are reused, start times within one boot are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    pid: u32,
    /// Clock ticks between boot and start, field 22 of `/proc/<pid>/stat`.
    started: u64,
    /// `/proc/sys/kernel/random/boot_id`: ticks start anew with each boot.
    boot: String,
}

/// What a lab started, and under which name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedProcess {
    /// The program's part in the lab, unique in it: `etcd`, `kubelet-n1`.
    pub name: String,
    /// Which process that is.
    #[serde(flatten)]
    pub identity: ProcessIdentity,
}

impl ProcessIdentity {
    /// The process that has this pid now, unless there is none or it has ended and only waits to be reaped.
    pub fn of(pid: u32) -> Result<Option<Self>> {
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return Ok(None);
        };
        let (state, started) = parse_stat(&stat).with_context(|| format!("cannot read /proc/{pid}/stat"))?;
        if matches!(state, 'Z' | 'X') {
            return Ok(None);
        }
        Ok(Some(Self {
            pid,
            started,
            boot: boot_id()?,
        }))
    }

    /// This very process.
    pub fn current() -> Result<Self> {
        Self::of(std::process::id())?.context("/proc does not show this process")
    }

    /// Its pid; meaningful only while [`ProcessIdentity::is_running`].
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether that process, and not merely one of the same pid, still runs.
    pub fn is_running(&self) -> bool {
        matches!(Self::of(self.pid), Ok(Some(now)) if now == *self)
    }

    /// Kills the process, if it still runs. What it left (children) is not touched.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Asks the process to end, if it still runs.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(handle) = self.open()? else { return Ok(()) };
        match pidfd_send_signal(&handle, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }

    /// Waits until the process has ended; `false` when the time is up.
    pub fn await_end(&self, patience: Duration) -> Result<bool> {
        let Some(handle) = self.open()? else {
            return Ok(true);
        };
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left)?;
            let mut watched = [PollFd::new(&handle, PollFlags::IN)];
            match rustix::event::poll(&mut watched, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for a process"),
            }
        }
    }

    /// A handle that goes on meaning this process even if its pid is reused. The identity is compared after the
    /// handle is open: a match then proves that the handle is the right one.
    fn open(&self) -> Result<Option<OwnedFd>> {
        let pid = i32::try_from(self.pid)
            .ok()
            .and_then(Pid::from_raw)
            .context("a pid out of range is on record")?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(self.is_running().then_some(handle)),
            Err(Errno::SRCH) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot open process {}", self.pid)),
        }
    }
}

/// Kills all of them and waits until they are gone.
pub fn end(processes: &[RecordedProcess]) -> Result<()> {
    for process in processes {
        process.identity.kill()?;
    }
    for process in processes {
        if !process.identity.await_end(VANISH)? {
            bail!("{} (pid {}) does not end", process.name, process.identity.pid);
        }
    }
    Ok(())
}

/// Every process that carries the mark of this lab, by name and whoever recorded it.
pub fn marked(state: &Path) -> Result<Vec<RecordedProcess>> {
    let mark = format!("{MARK}={}", state.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // Processes of other users cannot be read, and are none of ours.
        let Ok(environment) = fs::read(entry.path().join("environ")) else {
            continue;
        };
        if !environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
        {
            continue;
        }
        if let Some(identity) = ProcessIdentity::of(pid)? {
            let name = fs::read_to_string(entry.path().join("comm"))
                .unwrap_or_default()
                .trim()
                .to_owned();
            found.push(RecordedProcess { name, identity });
        }
    }
    Ok(found)
}

/// Resident memory of the process in bytes, if it runs.
pub fn resident_bytes(identity: &ProcessIdentity) -> Option<u64> {
    memory(identity, "VmRSS")
}

/// Resident memory that no file stands behind, in bytes, if the process runs.
pub fn anonymous_bytes(identity: &ProcessIdentity) -> Option<u64> {
    memory(identity, "RssAnon")
}

fn memory(identity: &ProcessIdentity, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", identity.pid)).ok()?;
    if !identity.is_running() {
        return None;
    }
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let kibibytes: u64 = fields
        .get(field)?
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .ok()?;
    Some(kibibytes * 1024)
}

/// Processor time used by all its threads so far, ended ones too, if the process runs.
pub fn processor_time(identity: &ProcessIdentity) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", identity.pid)).ok()?;
    if !identity.is_running() {
        return None;
    }
    let ticks = parse_ticks(&stat)?;
    Some(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second(),
    ))
}

/// Clock ticks spent in the program and, for it, in the kernel: fields 14 and 15.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(14 - 3);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// State and start time. The program's name comes before them in brackets and may hold anything, brackets too.
fn parse_stat(stat: &str) -> Option<(char, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 3 is the state, field 22 the start time.
    let started = fields.nth(22 - 3 - 1)?.parse().ok()?;
    Some((state, started))
}

fn boot_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}"))?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 10";
        assert_eq!(parse_stat(stat), Some(('S', 123_456)));
        assert_eq!(parse_ticks(stat), Some(5 + 6));
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn a_recorded_process_is_ended() {
        let mut child = sleeper();
        let identity = ProcessIdentity::of(child.id()).unwrap().unwrap();
        assert!(identity.is_running());
        end(&[RecordedProcess {
            name: "sleeper".into(),
            identity: identity.clone(),
        }])
        .unwrap();
        assert!(!identity.is_running());
        child.wait().unwrap();
    }

    #[test]
    fn a_stranger_with_a_reused_pid_is_left_alone() {
        let mut stranger = sleeper();
        let mut record = ProcessIdentity::of(stranger.id()).unwrap().unwrap();
        record.started -= 1;
        assert!(!record.is_running());
        end(&[RecordedProcess {
            name: "etcd".into(),
            identity: record,
        }])
        .unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger was killed");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn records_of_an_earlier_boot_name_nobody() {
        let mut record = ProcessIdentity::current().unwrap();
        record.boot = "another".into();
        assert!(!record.is_running());
        record.kill().unwrap();
    }

    #[test]
    fn waiting_ends_with_the_process_or_with_the_patience() {
        let mut child = sleeper();
        let identity = ProcessIdentity::of(child.id()).unwrap().unwrap();
        assert!(!identity.await_end(Duration::from_millis(1)).unwrap());
        child.kill().unwrap();
        assert!(identity.await_end(VANISH).unwrap());
        child.wait().unwrap();
        assert!(identity.await_end(Duration::ZERO).unwrap());
    }

    #[test]
    fn unrecorded_members_are_found_by_their_mark() {
        let directory = tempfile::tempdir().unwrap();
        let mut member = Command::new("sleep")
            .arg("600")
            .env(MARK, directory.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut stranger = sleeper();
        // Until exec has replaced the child's image, /proc shows the environment of this test.
        let began = Instant::now();
        let found = loop {
            let found = marked(directory.path()).unwrap();
            if !found.is_empty() || began.elapsed() > VANISH {
                break found;
            }
            std::thread::yield_now();
        };
        assert_eq!(
            found
                .iter()
                .map(|process| process.identity.pid)
                .collect::<Vec<_>>(),
            [member.id()]
        );
        end(&found).unwrap();
        member.wait().unwrap();
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let this = ProcessIdentity::current().unwrap();
        let (resident, anonymous) = (resident_bytes(&this).unwrap(), anonymous_bytes(&this).unwrap());
        assert!(
            100_000 < anonymous && anonymous < resident,
            "{anonymous} of {resident}"
        );
    }
}

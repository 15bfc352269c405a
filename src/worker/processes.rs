//! Signals to, and the reaping of, every process below this worker. Knows no nodes.

use std::{
    collections::{HashMap, HashSet},
    fs,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

/// How often we look for somebody new; who is told to end seldom starts another.
const LOOKS: usize = 10;

/// A process, told by the time of its start from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pid: i32,
    began: u64,
}

/// Whom signals are meant for.
#[derive(Debug)]
pub(crate) enum Reach {
    /// Everything below the worker.
    Everybody,
    /// Everything but these and what they have started.
    AllBut(HashSet<Process>),
}

impl Reach {
    /// Spares all that runs now.
    pub(crate) fn newcomers() -> Self {
        Self::AllBut(below_us(&HashSet::new()).into_iter().collect())
    }

    /// Sends a signal to everybody meant, but never to the worker itself.
    pub(crate) fn signal(&self, signal: Signal) {
        match self {
            // The kernel leaves out process 1 itself; nobody else lives in a container's process namespace.
            Self::Everybody if getpid().as_raw() == 1 => drop(kill(Pid::from_raw(-1), signal)),
            Self::Everybody => send(&HashSet::new(), signal),
            Self::AllBut(spared) => send(spared, signal),
        }
    }

    /// Says whether anybody meant is left, given whether the worker has any child at all.
    pub(crate) fn is_anybody_left(&self, children_left: bool) -> bool {
        match self {
            // Without children there are no descendants either: orphans become children.
            Self::Everybody => children_left,
            Self::AllBut(spared) => children_left && !below_us(spared).is_empty(),
        }
    }
}

/// Collects every process that has ended and says whether any child is left.
pub(crate) fn reap(mut ended: impl FnMut(Pid, WaitStatus)) -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Ok(status) => {
                if let Some(pid) = status.pid() {
                    ended(pid, status);
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}

/// Sends a signal to everybody below the worker but the spared: also to who was born while we looked, and not seen.
fn send(spared: &HashSet<Process>, signal: Signal) {
    let mut told = HashSet::new();
    for _ in 0..LOOKS {
        let mut is_over = true;
        for process in below_us(spared) {
            if told.insert(process) {
                is_over = false;
                // It may have ended since we looked.
                kill(Pid::from_raw(process.pid), signal).ok();
            }
        }
        if is_over {
            return;
        }
    }
}

/// Lists the processes below the worker, by the parents that /proc tells, without the spared and all below those.
fn below_us(spared: &HashSet<Process>) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        if let Some((parent, began)) = parent_and_beginning(&stat) {
            children.entry(parent).or_default().push(Process { pid, began });
        }
    }
    let mut found = Vec::new();
    let mut open = vec![getpid().as_raw()];
    while let Some(parent) = open.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            if !spared.contains(&process) {
                found.push(process);
                open.push(process.pid);
            }
        }
    }
    found
}

fn parent_and_beginning(stat: &str) -> Option<(i32, u64)> {
    // The command's name stands in brackets and may itself hold brackets and blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(1);
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    Some((parent, began))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use nix::sys::signal::killpg;

    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let fields: Vec<String> = (5..=52).map(|field| field.to_string()).collect();
        let stat = format!("17 (a) R 1 (b) S 4 {}", fields.join(" "));
        assert_eq!(parent_and_beginning(&stat), Some((4, 22)));
    }

    #[test]
    fn the_spared_and_their_children_are_left_alone() {
        let mut old = std::process::Command::new("sh");
        let mut old = old.args(["-c", "sleep 1000 & wait"]).process_group(0).spawn().unwrap();
        let reach = Reach::newcomers();
        let mut new = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let Reach::AllBut(spared) = &reach else { panic!("newcomers spare somebody") };
        let meant: Vec<i32> = below_us(spared).iter().map(|process| process.pid).collect();
        assert!(meant.contains(&new.id().cast_signed()) && !meant.contains(&old.id().cast_signed()));
        new.kill().unwrap();
        // With its own child, which would hold the output of the tests open.
        killpg(Pid::from_raw(old.id().cast_signed()), Signal::SIGKILL).unwrap();
        for child in [&mut old, &mut new] {
            child.wait().unwrap();
        }
    }
}

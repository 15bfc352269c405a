//! Signals to, and the reaping of, every process below this worker. Knows no nodes.

use std::{collections::HashMap, fs};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

/// Collects every process that has ended and says whether any child is left.
///
/// The worker is the reaper of all its descendants: without children it has no descendants either.
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

/// Sends a signal to everything but the worker itself.
pub(crate) fn signal_all(signal: Signal) {
    if getpid().as_raw() == 1 {
        // The kernel leaves out process 1 itself; nobody else lives in a container's process namespace.
        kill(Pid::from_raw(-1), signal).ok();
        return;
    }
    for pid in descendants(getpid()) {
        kill(pid, signal).ok();
    }
}

/// Lists all processes below one, by the parents that /proc tells; those that have ended already are left out.
fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(process.path().join("stat")) else { continue };
        // The command's name stands in brackets and may itself hold brackets and blanks.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        if let (Some(_state), Some(Ok(parent))) = (fields.next(), fields.next().map(str::parse)) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root.as_raw()];
    while let Some(parent) = open.pop() {
        for pid in children.remove(&parent).unwrap_or_default() {
            found.push(Pid::from_raw(pid));
            open.push(pid);
        }
    }
    found
}

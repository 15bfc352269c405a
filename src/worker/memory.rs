//! How often the kernel ended a process of this container for want of memory. Knows no nodes.

use std::{fs::File, os::unix::fs::FileExt};

/// Version 2 first, then version 1 of control groups, as a container sees its own.
const COUNTERS: [&str; 2] = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"];

/// The container's counter; absent outside containers.
pub(crate) struct OutOfMemory {
    file: Option<File>,
}

impl OutOfMemory {
    /// Opens the counter of the control group the worker is in, if it can be told.
    pub(crate) fn open() -> Self {
        Self { file: COUNTERS.iter().find_map(|path| File::open(path).ok()) }
    }

    /// Returns the count.
    pub(crate) fn count(&self) -> u64 {
        let mut text = [0; 512];
        let length = self.file.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[..length]);
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }
}

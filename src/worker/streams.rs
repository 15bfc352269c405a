//! The two pipes that the output of nodes comes through. Knows no node.
//!
//! The same pipes serve node after node as long as nobody but the worker can hold them: to make, register and close them
//! costs a short node more than all the rest of its output. While the worker holds the writing ends too, no end is ever seen;
//! where somebody may stay who writes, it lets go of them, and the pipes serve no other node.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::pipe2,
};
use tokio::{io::AsyncReadExt, net::unix::pipe};

/// What is read at once of output that nobody wants.
const DRAIN: usize = 4 * 1024;

/// What a pipe holds at first.
const NARROW: usize = 64 * 1024;

/// What the pipe of a node holds that prints much.
const WIDE: i32 = 1024 * 1024;

/// Standard output and standard error.
pub(crate) struct Streams {
    pub(crate) stdout: Pipe,
    pub(crate) stderr: Pipe,
    ours: Option<(OwnedFd, OwnedFd)>,
}

impl Streams {
    /// Makes both pipes.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub(crate) fn open() -> io::Result<Self> {
        let ((stdout, out), (stderr, err)) = (Pipe::open()?, Pipe::open()?);
        Ok(Self { stdout, stderr, ours: Some((out, err)) })
    }

    /// Returns the writing ends, for a process that is about to begin; nothing once they were let go of.
    pub(crate) fn writing_ends(&self) -> Option<[BorrowedFd<'_>; 2]> {
        self.ours.as_ref().map(|(out, err)| [out.as_fd(), err.as_fd()])
    }

    /// From now on the end of a stream is seen when the last of those closes it who write to it.
    pub(crate) fn let_go(&mut self) {
        self.ours = None;
    }

    /// Says whether they can serve another node, once nobody else is left who could write.
    pub(crate) fn are_ours(&self) -> bool {
        // One that broke would swallow what the next node says.
        self.ours.is_some() && self.stdout.is_open() && self.stderr.is_open()
    }

    /// Says whether anybody may still write to one of them.
    pub(crate) fn is_any_open(&self) -> bool {
        self.stdout.is_open() || self.stderr.is_open()
    }

    /// Says whether all is read that was written so far.
    pub(crate) fn is_all_read(&self) -> bool {
        let ends = [&self.stdout, &self.stderr].into_iter().filter_map(|pipe| pipe.receiver.as_ref());
        let mut ends: Vec<PollFd<'_>> = ends.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut ends, PollTimeout::ZERO) == Ok(0)
    }
}

/// The reading end of one stream, until its end.
pub(crate) struct Pipe {
    receiver: Option<pipe::Receiver>,
    is_wide: bool,
}

impl Pipe {
    fn open() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // We made it: there is no need to ask the kernel what it is.
        let receiver = pipe::Receiver::from_owned_fd_unchecked(ours)?;
        Ok((Self { receiver: Some(receiver), is_wide: false }, theirs))
    }

    /// Says whether anybody may still write to it.
    pub(crate) fn is_open(&self) -> bool {
        self.receiver.is_some()
    }

    /// Reads to the end and keeps nothing: whoever still writes shall not be ended by a broken pipe.
    pub(crate) async fn drain(mut self) {
        let mut buffer = vec![0; DRAIN];
        while self.read(&mut buffer).await > 0 {}
    }

    /// Reads what is there, at least one byte, or waits for it; 0 at the end, and then never again.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        let result: io::Result<usize> = receiver.read(buffer).await;
        let length = result.unwrap_or_else(|error| {
            tracing::warn!(%error, "a pipe broke");
            0
        });
        if length == 0 {
            self.receiver = None;
        } else if length >= NARROW && !self.is_wide {
            // Whoever fills a pipe is spared many changes between writer and reader.
            self.is_wide = true;
            fcntl(receiver, FcntlArg::F_SETPIPE_SZ(WIDE)).ok();
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _};

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_known_to_be_unread_until_it_is_read() {
        let mut streams = Streams::open().unwrap();
        assert!(streams.are_ours() && streams.is_all_read());
        let mut writer = File::from(streams.writing_ends().unwrap()[1].try_clone_to_owned().unwrap());
        writer.write_all(b"last words").unwrap();
        drop(writer);
        assert!(!streams.is_all_read());
        let mut buffer = [0; 64];
        assert_eq!(streams.stderr.read(&mut buffer).await, 10);
        assert!(streams.is_all_read() && streams.is_any_open());
    }

    #[tokio::test]
    async fn the_end_is_seen_once_nobody_holds_them() {
        let mut streams = Streams::open().unwrap();
        let other = streams.writing_ends().unwrap()[0].try_clone_to_owned().unwrap();
        streams.let_go();
        assert!(!streams.are_ours() && streams.writing_ends().is_none());
        let mut buffer = [0; 64];
        assert_eq!(streams.stderr.read(&mut buffer).await, 0);
        assert!(streams.stdout.is_open() && !streams.stderr.is_open());
        drop(other);
        assert_eq!(streams.stdout.read(&mut buffer).await, 0);
        assert!(!streams.is_any_open());
    }
}

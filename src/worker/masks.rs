//! The masks over both streams of a node, and when one that rests gets back what is held of it. Knows no node.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    protocol::Stream,
    redact::{Patterns, Redactor},
    secret::Secret,
};

/// After how long without output a stream rests.
const REST: Duration = Duration::from_secs(1);

/// The masks of one node.
pub(crate) struct Masks {
    stdout: Mask,
    stderr: Mask,
    /// What is decided, until it is taken.
    out: Vec<u8>,
}

struct Mask {
    redactor: Redactor,
    rests_at: Option<Instant>,
}

impl Masks {
    /// Makes the masks over these secrets; nothing where none is to be masked.
    pub(crate) fn over(secrets: &[Secret]) -> Option<Self> {
        let values = secrets.iter().filter(|secret| secret.is_masked).map(Secret::expose);
        let patterns = Patterns::of(values)?;
        let mask = || Mask { redactor: Redactor::new(Arc::clone(&patterns)), rests_at: None };
        Some(Self { stdout: mask(), stderr: mask(), out: Vec::new() })
    }

    /// Takes output and returns what may be shown now.
    pub(crate) fn feed(&mut self, stream: Stream, data: &[u8], now: Instant) -> &[u8] {
        self.out.clear();
        let mask = if stream == Stream::Stderr { &mut self.stderr } else { &mut self.stdout };
        mask.redactor.feed(data, &mut self.out);
        mask.rests_at = mask.redactor.is_holding().then(|| now + REST);
        &self.out
    }

    /// Lets streams rest whose time has come, and hands out what that gives back.
    pub(crate) fn rest(&mut self, now: Instant, mut say: impl FnMut(Stream, &[u8])) {
        for (stream, mask) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            if mask.rests_at.is_some_and(|at| now >= at) {
                mask.rests_at = None;
                self.out.clear();
                mask.redactor.rest(&mut self.out);
                say(stream, &self.out);
            }
        }
    }

    /// Ends both streams, and hands out what was held.
    pub(crate) fn finish(mut self, mut say: impl FnMut(Stream, &[u8])) {
        for (stream, mask) in [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)] {
            self.out.clear();
            mask.redactor.finish(&mut self.out);
            say(stream, &self.out);
        }
    }

    /// Returns when [`Self::rest`] has something to do.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        [self.stdout.rests_at, self.stderr.rests_at].into_iter().flatten().min()
    }
}

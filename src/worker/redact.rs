//! Masks secrets in a stream of output, wherever it is cut. Knows no node, no pipe and no clock.
//!
//! Every byte that belongs to an occurrence of a pattern is masked: overlapping occurrences are covered whole, and what is
//! covered in one go becomes one `***`. Held back are only bytes that may be the beginning of a pattern.

mod forms;
mod patterns;

#[cfg(test)]
mod tests;

use std::{mem, ops::Range, sync::Arc};

pub use forms::{SHORTEST, SHORTEST_LINE};
pub use patterns::Patterns;

/// What stands in the place of a secret.
pub const MASK: &[u8] = b"***";

/// Most bytes that are let go while it is open whether they begin a secret.
const MOST_LET_GO: usize = 8;

/// And only if they are at most one in so many of the secret's.
const LEAST_HIDDEN: usize = 4;

/// One stream. Of the same bytes it makes the same, however they are cut, unless [`Self::rest`] comes in between.
#[derive(Debug)]
pub struct Redactor {
    patterns: Arc<Patterns>,
    /// The last bytes, which may begin a pattern.
    held: Vec<u8>,
    /// How many of those, from the front, belong to an occurrence that is already masked.
    covered: usize,
    /// How many of them, from the front, were let go all the same.
    let_go: usize,
    /// Whether what was put out last is a mask to which the next byte may belong.
    is_in_mask: bool,
    covers: Vec<Range<usize>>,
}

impl Redactor {
    /// Makes one for a stream that begins.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self { patterns, held: Vec::new(), covered: 0, let_go: 0, is_in_mask: false, covers: Vec::new() }
    }

    /// Takes the next bytes of the stream and appends to `out` what is decided.
    pub fn feed(&mut self, data: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let open = self.decide(data, false, out);
            self.held.extend_from_slice(&data[open..]);
            return;
        }
        let mut buffer = mem::take(&mut self.held);
        buffer.extend_from_slice(data);
        let open = self.decide(&buffer, false, out);
        buffer.drain(..open);
        self.held = buffer;
    }

    /// Says whether bytes are held back that [`Self::rest`] could let go.
    pub fn is_holding(&self) -> bool {
        self.held.len() > self.let_go.max(self.covered)
    }

    /// Lets go of what is held back, as the stream rests, where that gives away next to nothing: at most eight bytes, and at
    /// most a quarter of any secret that they may begin. Should it come, its other bytes are masked. More is held until the
    /// stream goes on or ends.
    pub fn rest(&mut self, out: &mut Vec<u8>) {
        if self.held.len() <= MOST_LET_GO && !self.patterns.is_telling(&self.held, LEAST_HIDDEN) {
            out.extend_from_slice(&self.held[self.let_go.max(self.covered)..]);
            self.let_go = self.held.len();
        }
    }

    /// Ends the stream: what is held back is no secret any more, but for whole ones in it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let buffer = mem::take(&mut self.held);
        self.decide(&buffer, true, out);
        (self.covered, self.let_go, self.is_in_mask) = (0, 0, false);
    }

    /// Puts out the part of the buffer about which nothing can change any more, and returns its length.
    fn decide(&mut self, buffer: &[u8], is_end: bool, out: &mut Vec<u8>) -> usize {
        let mut covers = mem::take(&mut self.covers);
        covers.clear();
        if self.covered > 0 {
            covers.push(0..self.covered);
        }
        let open = self.patterns.search(buffer, is_end, &mut covers);
        let mut at = 0;
        for cover in &covers {
            if cover.start >= open && cover.start > 0 {
                break;
            }
            self.put(&buffer[..cover.start.min(open)], at, out);
            let goes_on = cover.start == 0 && self.is_in_mask && self.let_go <= self.covered;
            at = cover.end.min(open);
            if !goes_on && at > self.let_go {
                out.extend_from_slice(MASK);
            }
        }
        self.put(&buffer[..open], at, out);
        let covered = covers.iter().map(|cover| cover.end).max().unwrap_or(0);
        if open > 0 {
            self.is_in_mask = covers.iter().any(|cover| cover.start < open && cover.end >= open);
        }
        self.covered = if self.is_in_mask { covered.saturating_sub(open) } else { 0 };
        self.let_go = self.let_go.saturating_sub(open);
        self.covers = covers;
        open
    }

    /// Puts out clean bytes from a place on, but for those that were let go before.
    fn put(&self, clean: &[u8], from: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(clean.get(from.max(self.let_go)..).unwrap_or_default());
    }
}

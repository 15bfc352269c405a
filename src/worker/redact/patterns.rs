//! All forms of all secrets of a node, and the search for them: the first four bytes of each lead to it.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    ops::Range,
    sync::Arc,
};

use secrecy::zeroize::Zeroize as _;

use super::forms::{SHORTEST, forms};

/// Bits of the first look at four bytes: 8 KB, which stay in the fastest cache.
const BITS: usize = 1 << 16;

/// What is searched for.
pub struct Patterns {
    /// The longest first.
    all: Vec<Vec<u8>>,
    /// Which four bytes may begin one, by a hash.
    first_look: Box<[u64; BITS / 64]>,
    /// Which patterns begin with these four bytes, the longest first.
    by_start: HashMap<u32, Vec<usize>>,
}

/// What is searched for is what must not be shown.
impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patterns").field("count", &self.all.len()).finish_non_exhaustive()
    }
}

impl Drop for Patterns {
    fn drop(&mut self) {
        self.all.iter_mut().for_each(|pattern| pattern.zeroize());
    }
}

impl Patterns {
    /// Prepares the search for these values in all their forms; nothing when there is nothing to search for.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Arc<Self>> {
        let mut found = BTreeSet::new();
        values.into_iter().for_each(|value| forms(value, &mut found));
        Self::exactly(found)
    }

    pub(super) fn exactly(patterns: BTreeSet<Vec<u8>>) -> Option<Arc<Self>> {
        let mut all: Vec<Vec<u8>> = patterns.into_iter().filter(|pattern| pattern.len() >= SHORTEST).collect();
        all.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
        let mut first_look = Box::new([0; BITS / 64]);
        let mut by_start: HashMap<u32, Vec<usize>> = HashMap::new();
        for (index, pattern) in all.iter().enumerate() {
            let Some(start) = pattern.first_chunk() else { continue };
            let start = u32::from_le_bytes(*start);
            let bit = bit(start);
            first_look[bit / 64] |= 1 << (bit % 64);
            by_start.entry(start).or_default().push(index);
        }
        (!all.is_empty()).then(|| Arc::new(Self { all, first_look, by_start }))
    }

    /// Adds to `covers`, in order, what belongs to an occurrence that begins before the returned place. From that place on, a
    /// pattern may have begun of which the rest is to come; at the end of a stream nothing is to come.
    pub(super) fn search(&self, buffer: &[u8], is_end: bool, covers: &mut Vec<Range<usize>>) -> usize {
        for (at, window) in buffer.array_windows().enumerate() {
            let start = u32::from_le_bytes(*window);
            let bit = bit(start);
            if self.first_look[bit / 64] & (1 << (bit % 64)) != 0 && self.look(start, at, buffer, is_end, covers) {
                return at;
            }
        }
        if is_end {
            return buffer.len();
        }
        let tail = buffer.len().saturating_sub(SHORTEST - 1);
        let begins = |at: &usize| self.all.iter().any(|pattern| pattern.starts_with(&buffer[*at..]));
        (tail..buffer.len()).find(begins).unwrap_or(buffer.len())
    }

    /// Looks whether a pattern is at this place. Says whether one may be of which the rest is to come.
    fn look(&self, start: u32, at: usize, buffer: &[u8], is_end: bool, covers: &mut Vec<Range<usize>>) -> bool {
        let rest = &buffer[at..];
        for pattern in self.by_start.get(&start).into_iter().flatten().map(|index| &self.all[*index]) {
            if rest.len() < pattern.len() {
                if !is_end && pattern.starts_with(rest) {
                    return true;
                }
            } else if rest.starts_with(pattern) {
                let end = at + pattern.len();
                match covers.last_mut() {
                    Some(last) if at <= last.end => last.end = last.end.max(end),
                    _ => covers.push(at..end),
                }
                // The others are shorter.
                return false;
            }
        }
        false
    }

    /// Says whether these bytes, or the last of them, begin a pattern and are more than one in `least` of its bytes.
    pub(super) fn is_telling(&self, bytes: &[u8], least: usize) -> bool {
        (0..bytes.len()).any(|from| {
            let end = &bytes[from..];
            self.all.iter().any(|pattern| pattern.starts_with(end) && end.len() * least > pattern.len())
        })
    }
}

fn bit(start: u32) -> usize {
    (start.wrapping_mul(0x9E37_79B1) >> 16) as usize
}

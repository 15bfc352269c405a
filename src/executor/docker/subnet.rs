//! The addresses from which each pipeline's network gets its small part. Knows no Docker.

use std::net::Ipv4Addr;

/// Size of one network: 16 addresses.
const PREFIX: u8 = 28;

/// A block of IPv4 addresses, `10.213.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: u32,
    prefix: u8,
}

/// The text is no block that could be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of IPv4 addresses that holds at least one /28; write for example `10.213.0.0/16`")]
pub struct BadRange(pub String);

impl Default for Range {
    fn default() -> Self {
        Self { first: u32::from(Ipv4Addr::new(10, 213, 0, 0)), prefix: 16 }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.prefix)
    }
}

impl Range {
    /// Reads a block.
    ///
    /// # Errors
    /// [`BadRange`] when it is none, or smaller than one network.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        Self::read(text).filter(|range| range.prefix <= PREFIX && range.prefix >= 8).ok_or(BadRange(text.to_owned()))
    }

    /// Returns the networks that touch none of the given, each as text.
    pub(super) fn free<'a>(&self, taken: &'a [Self]) -> impl Iterator<Item = Self> + 'a {
        let (first, count) = (self.first, 1_u32 << (PREFIX - self.prefix));
        let all = (0..count).map(move |number| Self { first: first + (number << (32 - PREFIX)), prefix: PREFIX });
        all.filter(|range| !taken.iter().any(|other| range.touches(other)))
    }

    /// Reads a subnet as Docker writes it; IPv6 is none of ours.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix): (Ipv4Addr, u8) = (address.parse().ok()?, prefix.parse().ok()?);
        if prefix > 32 {
            return None;
        }
        Some(Self { first: u32::from(address) & mask(prefix), prefix })
    }

    fn touches(&self, other: &Self) -> bool {
        let mask = mask(self.prefix.min(other.prefix));
        self.first & mask == other.first & mask
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn networks_are_cut_from_what_nobody_uses() {
        let range = Range::parse("10.213.0.0/24").unwrap();
        let taken = ["10.213.0.0/28", "10.213.0.64/26", "192.168.0.0/16"].map(|text| Range::read(text).unwrap());
        let free: Vec<String> = range.free(&taken).map(|range| range.to_string()).collect();
        assert_eq!(free[..4], ["10.213.0.16/28", "10.213.0.32/28", "10.213.0.48/28", "10.213.0.128/28"]);
        assert_eq!(free.len(), 16 - 5);
        assert_eq!(range.free(&[Range::read("10.0.0.0/8").unwrap()]).count(), 0);
    }

    #[rstest]
    #[case("10.213.0.0")]
    #[case("10.213.0.0/29")]
    #[case("10.213.0.0/40")]
    #[case("0.0.0.0/0")]
    #[case("fd00::/64")]
    #[case("")]
    fn what_cannot_be_divided_is_refused(#[case] text: &str) {
        assert_eq!(Range::parse(text), Err(BadRange(text.to_owned())));
    }
}

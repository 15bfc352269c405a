//! The ids that the old client gives to nodes: a number made of the path, written in 62 digits (`compat.md` §1.5).

/// Larger than any id.
const MODULUS: u128 = (1 << 127) - 1;
const FACTOR: u32 = 1_000_000_007;
const DIGITS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The id of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(u128);

impl Id {
    pub(super) fn root() -> Self {
        Self(1)
    }

    /// Returns the id of a child with this name.
    pub(super) fn child(self, name: &str) -> Self {
        let letters = std::iter::once('/').chain(name.chars());
        Self(letters.fold(self.0, |id, letter| (times_factor(id) + u128::from(u32::from(letter))) % MODULUS))
    }
}

/// Multiplies by the factor bit by bit: the product itself would not fit.
fn times_factor(id: u128) -> u128 {
    let mut product = 0;
    for bit in (0..u32::BITS - FACTOR.leading_zeros()).rev() {
        product = (product * 2) % MODULUS;
        if FACTOR >> bit & 1 == 1 {
            product = (product + id) % MODULUS;
        }
    }
    product
}

/// The least digit comes first.
impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        loop {
            let digit = usize::try_from(rest % 62).expect("a remainder of 62 fits");
            f.write_str(std::str::from_utf8(&DIGITS[digit..=digit]).expect("digits are ASCII"))?;
            rest /= 62;
            if rest == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", "B")]
    #[case("/one", "cmoUroa31CfycGuum6AaB")]
    #[case("/two", "mQisT7t6NAlycGuum6AaB")]
    #[case("/two/n0", "qbWFUJGFfw5qPL4yU1mb3C")]
    #[case("/lazy/Generate", "neDYR7zRRYCaqvmBO1bsrC")]
    fn ids_are_those_of_the_old_client(#[case] path: &str, #[case] id: &str) {
        let names = path.split('/').filter(|name| !name.is_empty());
        assert_eq!(names.fold(Id::root(), |id, name| id.child(name)).to_string(), id);
    }
}

//! Floor 3: seals secrets and opens them again, with keys that lie apart from what they seal. Knows no database.
//!
//! A sealed value says which key it needs, and can be opened only as what it was sealed as: a row whose place, name or
//! version was changed is not opened, nor is one that was put in the place of another.

mod error;
mod key;
mod place;
mod ring;
mod seal;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use place::Vault;
pub use seal::{Label, Sealed};

//! `conducto init`: looks at a repository and writes something to begin with. `look` recognises what is there, `starter` makes
//! the files of it, `write` puts them on the disk.

mod look;
mod starter;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use starter::Starter;
pub(crate) use write::{Init, run};

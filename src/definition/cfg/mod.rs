//! conducto.cfg: which events launch which pipelines. Knows nothing of what the definition files hold.

mod dialect;
mod ini;
mod keys;
mod old;
mod own;
mod parameters;
mod paths;
mod read;
mod section;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use keys::KEYS;
pub use paths::Paths;
pub(super) use read::dialect_of;
pub use read::read_cfg;
pub use section::{Cfg, Dialect, Event, Section, Work, missing_file, two_cfgs};

//! From a stored delivery to pipelines: `door` says that one has come, `room` takes what is due, `reading` finds out what it
//! leads to (parse, fetch, read conducto.cfg at that commit), `launching` makes the launch of each section, `duplicates` looks
//! who is in whose way, `writing` commits all of that at once. `own` is what the server delivers to itself, `tip` knows the
//! commit where an event names none, `cfg_file` reads the configuration at a commit, `local`
//! launches a working copy without any delivery, `schedules` says what the clock is to bring.

mod asking;
mod cfg_file;
mod changing;
mod door;
mod duplicates;
mod launching;
mod local;
mod own;
mod reading;
mod room;
mod schedules;
mod tip;
mod writing;

pub(super) use cfg_file::{CFG, CfgAtCommit, read as read_cfg};
pub(super) use door::Door;
pub(super) use local::launch as launch_local;
pub use local::{LocalLaunch, LocalRequest};
pub(super) use own::{Own, What};
pub(super) use room::run;
pub(super) use tip::remote;

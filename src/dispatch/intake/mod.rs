//! From a stored delivery to pipelines: `door` says that one has come, `room` takes what is due, `reading` finds out what it
//! leads to (parse, fetch, read conducto.cfg at that commit), `writing` commits all of that at once. `own` is what the server
//! delivers to itself, `tip` knows the commit where an event names none, `schedules` what the clock is to bring.

mod door;
mod own;
mod reading;
mod room;
mod schedules;
mod tip;
mod writing;

pub(super) use door::Door;
pub(super) use own::{Own, What};
pub(super) use reading::{CFG, CFG_LIMIT};
pub(super) use room::run;
pub(super) use tip::remote;

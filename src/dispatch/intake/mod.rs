//! From a stored delivery to pipelines: `door` says that one has come, `room` takes what is due, `reading` finds out what it
//! leads to (parse, fetch, read conducto.cfg at that commit), `launching` makes the launch of each section, `duplicates` looks
//! who is in whose way, `writing` commits all of that at once.

mod door;
mod duplicates;
mod launching;
mod reading;
mod room;
mod writing;

pub(super) use door::Door;
pub(super) use room::run;

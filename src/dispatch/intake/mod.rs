//! From a stored delivery to pipelines: `room` takes what is due, `reading` finds out what it leads to (parse, fetch, read
//! conducto.cfg at that commit), `writing` commits all of that at once.

mod reading;
mod room;
mod writing;

pub(super) use room::run;

//! Images of recipes: what goes into one is read from the commit, and it is made once for all nodes that wait for it, of
//! whatever pipelines. Knows no engine; the executor makes them.

mod budget;
mod flight;
mod order;
mod room;
mod showing;

pub(super) use budget::keep_within;
pub(super) use room::{Images, have, recover};
pub(super) use showing::{list, log, one};

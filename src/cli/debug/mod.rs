//! `conducto debug` and `conducto livedebug`: a shell where a node is about to run. `container` says how Docker is called, `shell`
//! gets everything ready and cleans up.

mod container;
mod shell;

pub(crate) use shell::{Debug, debug, livedebug};

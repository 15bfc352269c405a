//! `conducto run`: the pipeline of a working copy, on this machine, without a server. `wish` turns arguments into a request,
//! `holder` has the base directory or reaches whoever has it, `select` passes nodes over, `follow` watches a pipeline to its end,
//! `teller` says what happens (`region` draws it in place), `summary` has the last word, `files` sees changes. `look` is for
//! other verbs that want to see what a run has left.

mod args;
mod files;
mod follow;
mod holder;
mod look;
mod region;
mod run;
mod select;
mod signals;
mod summary;
mod teller;
mod wish;

pub(crate) use args::Run;
pub(crate) use look::serve_look;
pub(crate) use run::run;

//! Floor 6: the command line. One file a verb; all but `serve` and `worker` are clients of the HTTP API.

mod act;
mod args;
mod backup;
mod cancel;
mod check;
mod client;
mod deliveries;
mod demo;
mod edit;
mod event;
mod failure;
mod health;
mod kill;
mod launch;
mod list;
mod logs;
mod place;
mod printer;
mod prune;
mod rerun;
mod reset;
mod restore;
mod run;
mod script;
mod secret;
mod serve;
mod show;
mod skip;
mod sleep;
mod start;
#[cfg(test)]
mod tests;
mod unskip;
mod wake;

pub use run::main;

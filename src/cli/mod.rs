//! Floor 6: the command line. One file a verb; all but a few are clients of the HTTP API.

mod act;
mod args;
mod backup;
mod cached;
mod cancel;
mod check;
mod client;
mod data;
mod debug;
mod deliveries;
mod demo;
mod edit;
mod event;
mod failure;
mod generate;
mod health;
mod images;
mod init;
mod kill;
mod launch;
mod list;
mod local;
mod logs;
mod place;
mod printer;
mod profile;
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

//! Floor 6: the command line. One file a verb; all but `serve` and `worker` are clients of the HTTP API.

mod args;
mod cancel;
mod check;
mod client;
mod deliveries;
mod demo;
mod failure;
mod health;
mod list;
mod logs;
mod place;
mod printer;
mod reset;
mod run;
mod serve;
mod show;
#[cfg(test)]
mod tests;

pub use run::main;

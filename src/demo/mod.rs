//! Floor 7: the whole way of a push, on this machine alone: a sample repository, stand-ins for GitHub and Slack, a signed
//! webhook through the real receiver, the live tree, and what was received. Knows no command line.

mod api;
mod place;
mod play;
mod received;
mod run;
mod sample;
mod screen;
mod stage;
mod tree;

pub use run::{Ended, Options, run};
pub use screen::Screen;

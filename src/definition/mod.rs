//! Floor 2: from text to model. Reads conducto.cfg and definition files; knows no repository, forge, clock or engine.
//!
//! Nothing here stops at the first mistake: [`read_cfg`] and [`read_pipeline`] return `(Option<T>, Vec<Diagnostic>)`, and
//! the result is missing exactly when one of the diagnostics is an error. [`matching`] says which sections an event
//! launches and why the others stay still; [`text`] and [`summary`] turn diagnostics into words.
#![warn(missing_docs)]

mod address;
mod cfg;
mod check;
mod codes;
mod command;
pub mod docker_args;
mod dockerignore;
mod document;
mod filter;
mod json_text;
mod key;
mod launched;
mod params;
mod pipeline;
pub mod printed;
mod recipe;
mod render;
mod report;
mod schedule;
mod schema;
mod skip;
mod suggest;
mod template;
mod toml_text;
mod trigger;

pub use cfg::{Cfg, Dialect, Event, Paths, Section, Work, missing_file, read_cfg, two_cfgs};
pub use check::{Checked, check};
pub use codes::ALL_CODES;
pub use command::Command;
pub use dockerignore::Dockerignore;
pub use filter::Filter;
pub use launched::{outfitted, printing};
pub use params::{Param, ParamKind, ParamProblem, Params};
pub use pipeline::read_pipeline;
pub use render::{summary, text};
pub use schedule::{BadSchedule, Schedule, UTC};
pub use schema::{cfg_schema, key_names, pipeline_schema};
pub use skip::skip_marker;
pub(crate) use suggest::nearest;
pub use template::{Name, Values, values};
pub use trigger::{Answer, Still, matching, no_match_verdict};

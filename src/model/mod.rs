//! Floor 1: the nouns. Plain data and the small rules that belong to it; knows no engine, file, network or clock.
#![warn(missing_docs)]

mod actor;
mod callback;
mod command;
mod diagnostic;
mod duration;
mod effect;
mod event;
mod grow;
mod id;
mod launch;
mod node;
mod path;
mod secret;
mod send;
mod state;
mod tree;
mod trigger;
mod turn;

pub use actor::Actor;
pub use callback::{Callback, On, Remedy};
pub use command::{Asked, Command, Rejected};
pub use diagnostic::{Diagnostic, Label, Severity, SourceFile, Span};
pub use duration::{BadDuration, format_duration, parse_duration};
pub use effect::{Effect, Milestone};
pub use event::{Again, Event, Recorded};
pub use id::{BadId, Fence, NodeIndex, PipelineId, WorkerId};
pub use launch::{Hold, Launch, Trust, status_context};
pub use node::{Edit, Exec, Isolation, NodeDefinition, NodeKind, NodeSettings, Reuse, Settings};
pub use path::{BadPath, NodePath};
pub use secret::{LARGEST_SECRET, SecretScope, check_secret_name, check_secret_value};
pub use send::SendError;
pub use state::{Counts, Ending, KillReason, Outcome, State};
pub use tree::{DEFAULT_MAX_TIME, Definition, DefinitionError, MAX_DEPTH, Needs, Resources};
pub use trigger::{Repository, Trigger, TriggerKind};
pub use turn::{Duplicate, Turn};

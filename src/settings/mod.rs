//! Floor 5: what the operator decides. Defaults ⊕ file ⊕ environment ⊕ flags, resolved once; knows no service that uses it.

mod keys;
mod nearest;
mod publish;
mod read;
mod registries;
mod values;

pub use crate::layout::{Layout, LayoutError, profile_id};
pub use keys::{KEYS, Key, Kind};
pub use nearest::nearest;
pub use publish::{example_file, reference, schema};
pub use read::{Sources, find_file, load};
pub use values::{
    Amount, Anonymous, Auth, Containers, Disk, ExecutorChoice, Feedback, ForkPolicy, Git, Github, Log, LogFormat,
    Network, Registry, Reserve, Retention, Settings, Slack, Slots,
};

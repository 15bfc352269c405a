//! `conducto profile`: which servers this person works with. `folder` reads and writes `~/.conducto` as the old product laid it out
//! (`compat.md` §7.3), `verbs` are what can be done.

mod folder;
mod verbs;

pub(crate) use folder::Profiles;
pub(crate) use verbs::{Profile, run};

//! Pages without script: what a commit status links to, readable by people, crawlers and `curl`.

pub(super) mod delivery;
pub(super) mod list;
pub(super) mod node;
pub(super) mod pipeline;
pub(super) mod style;

mod html;
mod page;
mod parts;

pub(super) use html::Html;
pub(super) use page::{Page, not_found};

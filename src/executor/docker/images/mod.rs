//! Images: pulled, built from Dockerfiles, with packages installed into them; each once. Knows no nodes and no commits.

mod archive;
mod build;
mod flavour;
mod install;
mod instructions;
mod make;
mod owned;
mod pull;
mod registries;

pub use registries::{Access, Registry};

pub(super) use make::{Maker, make};
pub(super) use owned::{owned, remove};
pub(super) use pull::Images;

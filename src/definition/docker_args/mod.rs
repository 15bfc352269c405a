//! Further options of `docker run` that an author may give: a list of what is allowed, read into plain data. Knows no Docker.
//!
//! What is not on the list is refused, because it would reach out of the container or belongs to a key of its own.

mod allowed;
mod arg;
mod parse;
mod refused;

#[cfg(test)]
mod tests;

pub use arg::DockerArg;
pub use parse::{BadDockerArg, parse};

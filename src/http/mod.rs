//! Floor 6: HTTP. Webhooks, the API, the web app, the pages without script. Knows the dispatch handle, and nothing below it.

mod api;
mod auth;
mod extract;
mod health;
mod login;
mod object;
mod openapi;
mod pages;
mod problem;
mod router;
#[cfg(test)]
mod tests;
mod tunnel;
mod web;
mod webhook;

pub use openapi::document;
pub use router::{Options, for_nodes, router};
pub use tunnel::Tunnels;

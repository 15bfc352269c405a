//! A whole service in one thread and no time: engine, store, pool, orders and outbox as they are, and around them workers,
//! network, container runtime, forge and people that do what such things do, and fail as they do. Everything that happens is
//! drawn from a seed; whatever happens, the laws of [`judge`] hold.

mod agenda;
mod chaos;
mod desk;
mod disk;
mod judge;
mod live;
mod luck;
mod outside;
mod people;
mod room;
mod runtime;
mod server;
mod tests;
mod trees;
mod worker;
mod world;

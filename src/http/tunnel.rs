//! What comes from nodes by way of their workers, as connections of an HTTP server. Nodes reach shared data and nothing else.

use std::{future::pending, io};

use axum::serve::Listener;
use tokio::{io::DuplexStream, sync::mpsc};

/// Connections as the hub hands them in.
#[derive(Debug)]
pub struct Tunnels(mpsc::Receiver<DuplexStream>);

impl Tunnels {
    /// Takes those of one hub.
    pub fn new(tunnels: mpsc::Receiver<DuplexStream>) -> Self {
        Self(tunnels)
    }
}

impl Listener for Tunnels {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(tunnel) => (tunnel, ()),
            // The hub is gone, and with it everybody who could come.
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

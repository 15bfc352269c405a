//! How many deliveries a second are taken: signature checked, committed, then answered.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, ensure};
use conducto::dispatch::view::DeliveryView;

use crate::{
    client::storm,
    server::{Server, WEBHOOK, until},
    table::{Row, Target},
    world::{SECRET, World},
};

const ROUNDS: usize = 7;
const CONNECTIONS: u32 = 64;
const REQUESTS: u32 = 6_016;
const BODY: usize = 20 * 1024;

/// A handler that only checks the signature, in a process of its own as the server is; it ends when this goes.
struct Plain {
    child: Child,
    address: SocketAddr,
}

impl Plain {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["hmac-only", SECRET]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it has a standard output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Measures the server and the plain handler by turns.
pub(crate) async fn row(server: &Server, world: &World) -> anyhow::Result<Row> {
    let delivery = world.push_nothing(BODY);
    ensure!(delivery.body.len() == BODY, "the body has {} bytes", delivery.body.len());
    let plain = Plain::start()?;
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let own = storm(server.address, WEBHOOK, &delivery, REQUESTS, CONNECTIONS).await?;
        // What was taken is dealt with before others are measured.
        until("all deliveries have their verdict", || async {
            let newest: Vec<DeliveryView> = server.get("deliveries?limit=200").await?;
            Ok(newest.iter().all(|delivery| delivery.state == "ignored").then_some(()))
        })
        .await?;
        let bare = storm(plain.address, "/", &delivery, REQUESTS, CONNECTIONS).await?;
        // The first round only warms up.
        if round > 0 {
            ours.push(own);
            reference.push(bare);
        }
    }
    let command = "BENCH hmac-only SECRET: an axum handler that only checks the signature, with the same client";
    let target = Target::ShareAtLeast(0.5);
    Ok(Row { name: "webhook intake", unit: "requests/s", ours, reference, target, command: command.into() })
}

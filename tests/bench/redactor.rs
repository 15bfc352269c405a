//! What masking secrets costs: the redactor alone, over output that holds none of them, and a few.

use std::{hint::black_box, time::Instant};

use anyhow::{Context as _, ensure};
use conducto::worker::redact::{Patterns, Redactor};

use crate::table::{Row, Target};

const ROUNDS: usize = 5;
const SECRETS: usize = 20;

/// As much as a worker reads at once.
const PIECE: usize = 128 * 1024;
const PIECES: usize = 2_048;

/// Measures megabytes a second through one stream.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let secrets: Vec<String> =
        (0..SECRETS).map(|number| format!("{:x}/{number}-tok+en", number * 7_919 + 40_961)).collect();
    let patterns = Patterns::of(secrets.iter().map(String::as_str)).context("there are patterns")?;
    let clean =
        "   Compiling conducto v0.1.0 (/mnt/conducto)\n12:04:55 INFO test a_node_ends_as_its_shell_does ... ok\n";
    let mut piece = clean.repeat(PIECE / clean.len() + 1).into_bytes();
    piece.truncate(PIECE);
    // One secret in each piece, as a careless program would have it.
    piece[PIECE / 2..][..secrets[3].len()].copy_from_slice(secrets[3].as_bytes());
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        let (mut redactor, mut out, mut masks) = (Redactor::new(patterns.clone()), Vec::new(), 0);
        let began = Instant::now();
        for _ in 0..PIECES {
            out.clear();
            redactor.feed(black_box(&piece), &mut out);
            masks += usize::from(out.len() < piece.len());
        }
        redactor.finish(&mut out);
        ours.push(megabytes(PIECE * PIECES) / began.elapsed().as_secs_f64());
        ensure!(masks >= PIECES - 1, "only {masks} pieces of {PIECES} were masked");
    }
    let command = format!("none: {SECRETS} secrets in all their forms, pieces of {PIECE} bytes");
    let (name, target) = ("output through the masks of 20 secrets", Target::AtLeast(300.0));
    Ok(vec![Row { name, unit: "MB/s", ours, reference: Vec::new(), target, command }])
}

#[expect(clippy::cast_precision_loss, reason = "a round number")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

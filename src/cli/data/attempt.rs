//! Asks again while the server is away: a node must not fail because the server is started anew.

use std::time::Duration;

use tokio::time::sleep;

use crate::cli::{
    client::Client,
    failure::{Failure, UNREACHABLE},
};

/// How often a node asks, and how long it waits between: about two minutes together.
const TRIES: u32 = 80;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Asks; through a worker, again and again where there is no answer.
pub(super) async fn again<T>(client: &Client, ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match ask().await {
            Err(failure) if failure.code == UNREACHABLE && client.is_through_worker() => {
                tracing::debug!(error = %failure.error, "the server does not answer");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
    ask().await
}

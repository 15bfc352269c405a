//! Floor 6: puts the whole server together and runs it. The only place that knows every room.

use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// Runs the server until `shutdown`.
///
/// # Errors
/// What kept it from starting, or ended it early.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    tracing::info!(listen = %settings.listen, "no rooms to serve yet");
    shutdown.cancelled().await;
    Ok(())
}

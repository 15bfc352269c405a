//! What the server is held against. Shares no code with it: plain loops and handlers that anybody would write.

use std::{
    io::{self, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::DefaultBodyLimit,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Spawns `sh -c true` so many times, one after the other, and prints the nanoseconds of each on average.
pub(crate) fn bare_loop(shell: &str, count: u32) -> anyhow::Result<()> {
    let begin = Instant::now();
    for _ in 0..count {
        let mut command = Command::new(shell);
        command.args(["-c", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        anyhow::ensure!(command.status()?.success(), "`true` failed");
    }
    writeln!(io::stdout(), "{}", begin.elapsed().as_nanos() / u128::from(count))?;
    Ok(())
}

/// Serves a webhook that checks the signature and does nothing else; prints its address.
pub(crate) async fn hmac_only(secret: String) -> anyhow::Result<()> {
    let check = move |headers: HeaderMap, body: Bytes| async move {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
        mac.update(&body);
        let given = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = hex::decode(given.trim_start_matches("sha256=")).unwrap_or_default();
        if mac.verify_slice(&given).is_ok() { StatusCode::ACCEPTED } else { StatusCode::UNAUTHORIZED }
    };
    let router = Router::new().route("/", post(check)).layer(DefaultBodyLimit::max(25 << 20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    Ok(axum::serve(listener, router).await?)
}

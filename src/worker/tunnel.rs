//! Tunnels for what nodes ask of the server: each is a connection of its own beside the worker's, opened by the worker with
//! its key, so that a node that dials the server's socket still gets nothing. The kernel's own flow control holds back
//! whoever is faster. Knows no question and no answer.

use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite::Message as Frame};

use super::{
    link::connect,
    protocol::{FromWorker, VERSION},
    wire,
};

/// Bytes in one frame.
const AT_ONCE: usize = 128 * 1024;

/// Opens a tunnel to the server and carries one connection of a node through it, to its end.
pub(super) async fn dig(node: UnixStream, hub: &Path, resume_key: String) {
    let opened = async {
        let stream = connect(hub).await?;
        let (mut socket, _) =
            client_async_with_config("ws://worker.invalid/", stream, Some(wire::server_limits())).await?;
        socket.send(wire::encode_from_worker(&FromWorker::Tunnel { version: VERSION, resume_key })).await?;
        Ok::<_, tokio_tungstenite::tungstenite::Error>(socket)
    };
    match opened.await {
        Ok(socket) => carry(node, socket).await,
        // The node sees a closed connection, and tries again.
        Err(error) => tracing::debug!(%error, "the server does not answer a node"),
    }
}

/// Carries bytes both ways until either end has said all it has to say.
pub async fn carry(stream: impl AsyncRead + AsyncWrite, socket: WebSocketStream<UnixStream>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (mut sink, mut frames) = socket.split();
    let out = async {
        let mut buffer = vec![0; AT_ONCE];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            if sink.send(Frame::binary(buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
        sink.close().await.ok();
    };
    let back = async {
        while let Some(Ok(frame)) = frames.next().await {
            match frame {
                Frame::Binary(bytes) if writer.write_all(&bytes).await.is_err() => return,
                Frame::Close(_) => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = out => {}
        () = back => {}
    }
    writer.shutdown().await.ok();
}

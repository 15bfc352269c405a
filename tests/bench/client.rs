//! The least HTTP client that can send a delivery: what it does not do cannot be counted as the server's time.

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context as _, ensure};
use conducto::{clock, standin::Delivery};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    path: &'static str,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, path: &'static str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, path, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a delivery under this id and returns the status of the answer.
    pub(crate) async fn deliver(&mut self, delivery: &Delivery, guid: &str) -> anyhow::Result<u16> {
        let Delivery { event, body, content_type, signature, guid: _ } = delivery;
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\
             user-agent: GitHub-Hookshot/bench\r\nx-github-event: {event}\r\nx-github-delivery: {guid}\r\n\
             x-hub-signature-256: {signature}\r\n\r\n",
            self.path,
            body.len(),
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> anyhow::Result<u16> {
        let mut length = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[length..]).await?;
            ensure!(read > 0, "the server hung up");
            length += read;
            let text = String::from_utf8_lossy(&self.buffer[..length]);
            let Some(end) = text.find("\r\n\r\n") else { continue };
            let head = text[..end].to_ascii_lowercase();
            let body = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let body: usize = body.unwrap_or("0").parse()?;
            if length >= end + 4 + body {
                return head.split(' ').nth(1).context("the answer has no status")?.parse().context("a bad status");
            }
        }
    }
}

/// Sends a delivery so many times under ids of their own, over so many connections at once. Returns answers a second.
pub(crate) async fn storm(
    address: SocketAddr,
    path: &'static str,
    delivery: &Delivery,
    count: u32,
    connections: u32,
) -> anyhow::Result<f64> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(address, path).await?);
    }
    let begin = Instant::now();
    let senders = open.into_iter().map(|mut connection| {
        let delivery = delivery.clone();
        tokio::spawn(async move {
            for _ in 0..count / connections {
                let status = connection.deliver(&delivery, &clock::new_uuid().to_string()).await?;
                ensure!(status == 202, "a delivery was answered {status}");
            }
            Ok(connection)
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await??;
    }
    Ok(f64::from(count / connections * connections) / begin.elapsed().as_secs_f64())
}

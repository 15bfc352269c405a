//! The stand-in for a mail server: takes every letter over SMTP without encryption, and shows what arrived.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A running stand-in. Cheap to clone; it stops with the last clone.
#[derive(Clone, Debug)]
pub struct MailServer {
    inner: Arc<Inner>,
}

/// A letter as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The address it was sent from.
    pub from: String,
    /// The addresses it was sent to.
    pub to: Vec<String>,
    /// Headers, an empty line, the body; lines end with a line feed alone.
    pub text: String,
}

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    letters: Arc<Mutex<Vec<Mail>>>,
    serving: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl MailServer {
    /// Starts on a listener (of port 0, mostly). Addresses at `nowhere.example` are unknown.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let letters = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&letters);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    // Who hangs up has sent nothing.
                    talk(stream, &kept).await.ok();
                });
            }
        });
        Ok(Self { inner: Arc::new(Inner { address, letters, serving }) })
    }

    /// Returns its address as settings have it.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.inner.address)
    }

    /// Returns what has arrived, oldest first.
    pub fn letters(&self) -> Vec<Mail> {
        held(&self.inner.letters).clone()
    }
}

fn held(letters: &Mutex<Vec<Mail>>) -> MutexGuard<'_, Vec<Mail>> {
    letters.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One conversation, in the words of RFC 5321.
async fn talk(mut stream: TcpStream, letters: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 stand-in\r\n").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    while let Some(line) = lines.next_line().await? {
        let verb = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let address =
            || line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inside, _)| inside.to_owned());
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 stand-in",
            "MAIL" => {
                (from, to) = (address().unwrap_or_default(), Vec::new());
                "250 ok"
            }
            "RCPT" => match address() {
                Some(known) if !known.ends_with("@nowhere.example") => {
                    to.push(known);
                    "250 ok"
                }
                _ => "550 no such mailbox",
            },
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    // A leading dot is doubled on the way.
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push('\n');
                }
                held(letters).push(Mail { from: from.clone(), to: std::mem::take(&mut to), text });
                "250 taken"
            }
            "QUIT" => {
                return write.write_all(b"221 bye\r\n").await;
            }
            "RSET" | "NOOP" => "250 ok",
            _ => "502 not here",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

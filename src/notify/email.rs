//! E-mail by SMTP: one letter, one classified answer. Knows no outbox and nothing of what a letter says.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, Message, header::ContentType},
};
use secrecy::{ExposeSecret, SecretString};

use super::Letter;
use crate::model::SendError;

const DEADLINE: Duration = Duration::from_secs(20);

/// The settings do not make a mailer.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The address of the server is none. It is not shown: it may hold a password.
    #[error(
        "`email.smtp_url` is not the address of a mail server ({0}); write smtps://USER:PASSWORD@HOST:465, or \
         smtp://HOST:25 for one without encryption"
    )]
    Server(String),
    /// The sender is no address.
    #[error("`email.from` is not an address: `{0}`; write for example Conducto <ci@example.com>")]
    From(String),
}

/// Sends letters through one server.
#[derive(Clone, Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Who is written to where a letter names nobody.
    usual: Vec<String>,
}

impl Mailer {
    /// Makes a mailer for a server such as `smtps://user:password@mail.example.com:465`. `usual` are the addresses of letters
    /// that name none.
    ///
    /// # Errors
    /// When the server's address or the sender is none.
    pub fn build(url: &SecretString, from: &str, usual: Vec<String>) -> Result<Self, BuildError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|error| BuildError::Server(error.to_string()))?
            .timeout(Some(DEADLINE))
            .build();
        let from = from.parse().map_err(|_| BuildError::From(from.to_owned()))?;
        Ok(Self { transport, from, usual })
    }

    /// Sends a letter, once.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter).map_err(|message| SendError::Permanent { message })?;
        // The library's own limit is for each step of the conversation.
        let sent = tokio::time::timeout(3 * DEADLINE, self.transport.send(message)).await;
        let Ok(sent) = sent else {
            return Err(SendError::Transient { message: "the mail server does not answer".to_owned() });
        };
        sent.map(drop).map_err(|error| {
            let message = format!("the mail server: {}", chain(&error));
            if error.is_permanent() { SendError::Permanent { message } } else { SendError::Transient { message } }
        })
    }

    fn message(&self, letter: &Letter) -> Result<Message, String> {
        let to = if letter.to.is_empty() { &self.usual } else { &letter.to };
        if to.is_empty() {
            return Err("nobody is named to write to; name an address, or set `email.to`".to_owned());
        }
        let domain = self.from.email.domain();
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(letter.subject.clone())
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .references(format!("<{}@{domain}>", letter.thread))
            .header(ContentType::TEXT_PLAIN);
        let mailbox = |text: &String| {
            text.parse::<Mailbox>().map_err(|_| format!("`{text}` is not an e-mail address; nothing was sent"))
        };
        for address in to {
            builder = builder.to(mailbox(address)?);
        }
        for address in &letter.cc {
            builder = builder.cc(mailbox(address)?);
        }
        builder.body(letter.body.clone()).map_err(|error| format!("the letter cannot be written: {error}"))
    }
}

/// The library's errors say little at the top; the cause lies below.
fn chain(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

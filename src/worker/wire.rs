//! How the messages of [`super::protocol`] look on a WebSocket: JSON texts, and binary frames for output. Knows no socket.

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::{Message as Frame, protocol::WebSocketConfig};

use super::protocol::{FromWorker, Hello, Message, Stream, ToWorker};
use crate::model::{Fence, Outcome};

/// Most bytes of a node's output in one frame.
pub const MAX_OUTPUT: usize = 128 * 1024;

/// Most bytes in one frame of a worker.
pub const MAX_FROM_WORKER: usize = 256 * 1024;

/// Most bytes in one frame of the server; a script with its environment has to fit.
pub const MAX_TO_WORKER: usize = 16 * 1024 * 1024;

/// First byte of a binary frame.
const OUTPUT: u8 = 1;

/// Kind, stream, sequence number, fence, offset.
const OUTPUT_HEADER: usize = 2 + 8 + 8 + 8;

/// A frame that the other end cannot have meant.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not the JSON of any message.
    #[error("a text frame is no message: {0}")]
    Text(#[from] serde_json::Error),
    /// A binary frame with a wrong header.
    #[error("a binary frame of {0} bytes is no output")]
    Binary(usize),
}

/// The worker's messages as JSON; output travels in binary frames instead.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Text {
    Hello(Hello),
    Heartbeat,
    Wants { fence: Fence },
    Started { seq: u64, fence: Fence, pid: u32 },
    Returned { seq: u64, fence: Fence },
    Finished { seq: u64, fence: Fence, outcome: Outcome, log_bytes: u64 },
}

/// Returns the WebSocket limits of the server's end.
pub fn server_limits() -> WebSocketConfig {
    limits(MAX_FROM_WORKER)
}

/// Returns the WebSocket limits of the worker's end.
pub fn worker_limits() -> WebSocketConfig {
    limits(MAX_TO_WORKER)
}

fn limits(longest: usize) -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(longest)).max_frame_size(Some(longest))
}

/// Encodes a message of the server.
pub fn encode_to_worker(message: &ToWorker) -> Frame {
    Frame::text(serde_json::to_string(message).expect("messages have string keys only"))
}

/// Decodes a message of the server; nothing for frames that belong to the WebSocket itself.
///
/// # Errors
/// [`Malformed`] when the frame is none of ours.
pub fn decode_to_worker(frame: &Frame) -> Result<Option<ToWorker>, Malformed> {
    match frame {
        Frame::Text(text) => Ok(Some(serde_json::from_str(text)?)),
        Frame::Binary(bytes) => Err(Malformed::Binary(bytes.len())),
        Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_) => Ok(None),
    }
}

/// Encodes a message of the worker.
pub fn encode_from_worker(message: &FromWorker) -> Frame {
    let text = match message {
        FromWorker::Hello(hello) => Text::Hello(hello.clone()),
        FromWorker::Heartbeat => Text::Heartbeat,
        FromWorker::Wants { fence } => Text::Wants { fence: *fence },
        FromWorker::Numbered { seq, message } => match message {
            Message::Started { fence, pid } => Text::Started { seq: *seq, fence: *fence, pid: *pid },
            Message::Returned { fence } => Text::Returned { seq: *seq, fence: *fence },
            Message::Finished { fence, outcome, log_bytes } => {
                Text::Finished { seq: *seq, fence: *fence, outcome: outcome.clone(), log_bytes: *log_bytes }
            }
            Message::Output { fence, stream, offset, data } => {
                return encode_output(*seq, *fence, *stream, *offset, data);
            }
        },
    };
    Frame::text(serde_json::to_string(&text).expect("messages have string keys only"))
}

/// Encodes a piece of output without an owned copy of its bytes.
pub fn encode_output(seq: u64, fence: Fence, stream: Stream, offset: u64, data: &[u8]) -> Frame {
    let mut bytes = Vec::with_capacity(OUTPUT_HEADER + data.len());
    bytes.extend_from_slice(&[OUTPUT, stream.code()]);
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&fence.0.to_be_bytes());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(data);
    Frame::binary(bytes)
}

/// Decodes a message of the worker; nothing for frames that belong to the WebSocket itself.
///
/// # Errors
/// [`Malformed`] when the frame is none of ours.
pub fn decode_from_worker(frame: &Frame) -> Result<Option<FromWorker>, Malformed> {
    match frame {
        Frame::Text(text) => Ok(Some(match serde_json::from_str(text)? {
            Text::Hello(hello) => FromWorker::Hello(hello),
            Text::Heartbeat => FromWorker::Heartbeat,
            Text::Wants { fence } => FromWorker::Wants { fence },
            Text::Started { seq, fence, pid } => FromWorker::Numbered { seq, message: Message::Started { fence, pid } },
            Text::Returned { seq, fence } => FromWorker::Numbered { seq, message: Message::Returned { fence } },
            Text::Finished { seq, fence, outcome, log_bytes } => {
                FromWorker::Numbered { seq, message: Message::Finished { fence, outcome, log_bytes } }
            }
        })),
        Frame::Binary(bytes) => decode_output(bytes).ok_or(Malformed::Binary(bytes.len())).map(Some),
        Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) | Frame::Frame(_) => Ok(None),
    }
}

fn decode_output(bytes: &[u8]) -> Option<FromWorker> {
    let (header, data) = bytes.split_first_chunk::<OUTPUT_HEADER>()?;
    if header[0] != OUTPUT || data.len() > MAX_OUTPUT {
        return None;
    }
    let stream = Stream::from_code(header[1])?;
    let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let (seq, fence, offset) = (number(2)?, Fence(number(10)?), number(18)?);
    Some(FromWorker::Numbered { seq, message: Message::Output { fence, stream, offset, data: data.to_vec() } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{Isolation, KillReason},
        worker::{Secret, protocol::Start},
    };

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            any::<i32>().prop_map(|code| Outcome::Exited { code }),
            any::<i32>().prop_map(|signal| Outcome::Signaled { signal }),
            Just(Outcome::Stopped { reason: KillReason::Timeout }),
            Just(Outcome::OutOfMemory),
            ".*".prop_map(|message| Outcome::Infrastructure { message }),
        ]
    }

    fn message() -> impl Strategy<Value = Message> {
        let stream = prop_oneof![Just(Stream::Notice), Just(Stream::Stdout), Just(Stream::Stderr)];
        prop_oneof![
            (any::<u64>(), any::<u32>()).prop_map(|(fence, pid)| Message::Started { fence: Fence(fence), pid }),
            (any::<u64>(), stream, any::<u64>(), prop::collection::vec(any::<u8>(), 0..100)).prop_map(
                |(fence, stream, offset, data)| Message::Output { fence: Fence(fence), stream, offset, data }
            ),
            (any::<u64>(), outcome(), any::<u64>()).prop_map(|(fence, outcome, log_bytes)| Message::Finished {
                fence: Fence(fence),
                outcome,
                log_bytes
            }),
        ]
    }

    proptest! {
        #[test]
        fn numbered_messages_survive_their_encoding(seq: u64, message in message()) {
            let sent = FromWorker::Numbered { seq, message };
            prop_assert_eq!(decode_from_worker(&encode_from_worker(&sent)).unwrap(), Some(sent));
        }

        #[test]
        fn no_binary_frame_makes_the_server_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_from_worker(&Frame::binary(bytes.clone())).is_ok();
            let _ = decode_to_worker(&Frame::binary(bytes)).is_ok();
        }

        #[test]
        fn no_text_frame_makes_either_end_panic(text in r#"(\{"type":"(hello|started|finished|start|ack)".*)|.*"#) {
            let _ = decode_from_worker(&Frame::text(text.clone())).is_ok();
            let _ = decode_to_worker(&Frame::text(text)).is_ok();
        }
    }

    #[test]
    fn greetings_survive_their_encoding() {
        let hello = Hello { version: 1, resume_key: None, running: Some(Fence(7)), last_fence: Some(Fence(9)) };
        for sent in [FromWorker::Hello(hello), FromWorker::Heartbeat, FromWorker::Wants { fence: Fence(7) }] {
            assert_eq!(decode_from_worker(&encode_from_worker(&sent)).unwrap(), Some(sent));
        }
    }

    #[test]
    fn orders_survive_their_encoding() {
        let start = Start {
            fence: Fence(3),
            command: "echo \"ü\"\nexit 1".into(),
            env: [("A".into(), "b=c".into())].into(),
            max_time_ms: 1,
            grace_ms: 2,
            keep: true,
            isolation: Isolation::Pristine,
            shell: None,
            secrets: true,
        };
        let orders = [
            ToWorker::Welcome { resume_key: Some("k".into()), heartbeat_ms: 1, orphan_ms: 2 },
            ToWorker::Start(Box::new(start)),
            ToWorker::Stop { fence: Fence(3), reason: KillReason::User },
            ToWorker::Secrets { fence: Fence(3), secrets: vec![Secret::new("A".into(), "ü\n", true)] },
            ToWorker::NoSecrets { fence: Fence(3), message: "why".into() },
            ToWorker::Ack { seq: u64::MAX },
            ToWorker::Heartbeat,
            ToWorker::Bye,
        ];
        for sent in orders {
            assert_eq!(decode_to_worker(&encode_to_worker(&sent)).unwrap(), Some(sent));
        }
    }

    #[test]
    fn output_longer_than_allowed_is_refused() {
        let frame = encode_output(1, Fence(1), Stream::Stdout, 0, &vec![0; MAX_OUTPUT + 1]);
        assert!(matches!(decode_from_worker(&frame), Err(Malformed::Binary(_))));
    }
}

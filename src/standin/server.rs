//! What both stand-ins share: a listener, a record of every request, faults to order, and waiting for what arrives.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::clock;

/// What a stand-in does to a request instead of answering it well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers 500.
    ServerError,
    /// Answers as the original does when there were too many requests, with the seconds to wait.
    RateLimited {
        /// Value of `Retry-After`.
        seconds: u64,
    },
    /// Answers 403 as GitHub does when the quota of the hour is spent.
    QuotaSpent {
        /// Seconds until there is a new one.
        seconds: i64,
    },
    /// Never answers.
    Hang,
    /// Hangs up in the middle of the answer.
    Close,
    /// Does what was asked, then hangs up in the middle of the answer: the client cannot know that it was done.
    CloseAfterwards,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as JSON; null when it is none.
    pub body: Value,
    /// Status of the answer; nothing as long as there is none.
    pub answer: Option<u16>,
}

#[derive(Debug)]
pub(super) struct Board<S> {
    content: Mutex<Content<S>>,
    changed: watch::Sender<u64>,
    address: SocketAddr,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Content<S> {
    state: S,
    requests: Vec<Request>,
    faults: VecDeque<Fault>,
}

impl Request {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S> Drop for Board<S> {
    fn drop(&mut self) {
        if let Some(task) = self.serving.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl<S: Send + 'static> Board<S> {
    /// Serves on the listener until the board is dropped.
    pub(super) fn start<F>(
        listener: TcpListener,
        state: S,
        answer: impl Fn(Arc<Self>, Request) -> F + Clone + Send + Sync + 'static,
    ) -> std::io::Result<Arc<Self>>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let board = Arc::new(Self {
            content: Mutex::new(Content { state, requests: Vec::new(), faults: VecDeque::new() }),
            changed: watch::Sender::new(0),
            address: listener.local_addr()?,
            serving: Mutex::new(None),
        });
        // The task must not keep the board alive that ends it.
        let weak = Arc::downgrade(&board);
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (board, answer) = (weak.upgrade(), answer.clone());
            async move {
                match board {
                    Some(board) => board.receive(&method, &uri, &headers, &body, answer).await,
                    None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                }
            }
        });
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "a stand-in stopped serving");
            }
        });
        *board.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(board)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&self.content().state)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut S) -> T) -> T {
        let result = change(&mut self.content().state);
        self.changed.send_modify(|count| *count += 1);
        result
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.content().requests.clone()
    }

    pub(super) fn fail_next(&self, count: usize, fault: Fault) {
        self.content().faults.extend(std::iter::repeat_n(fault, count));
    }

    pub(super) async fn wait_for(&self, deadline: Duration, is_so: impl Fn() -> bool) -> bool {
        let mut changes = self.changed.subscribe();
        let wait = async {
            while !is_so() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(deadline, wait).await.is_ok()
    }

    async fn receive<F: Future<Output = Response>>(
        self: Arc<Self>,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        answer: impl Fn(Arc<Self>, Request) -> F,
    ) -> Response {
        let request = Request {
            at: clock::now(),
            method: method.to_string(),
            path: uri.to_string(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), lossy(value.as_bytes()))).collect(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            answer: None,
        };
        let (index, fault) = {
            let mut content = self.content();
            content.requests.push(request.clone());
            (content.requests.len() - 1, content.faults.pop_front())
        };
        self.changed.send_modify(|count| *count += 1);
        let response = match fault {
            None => answer(Arc::clone(&self), request).await,
            Some(Fault::CloseAfterwards) => {
                drop(answer(Arc::clone(&self), request).await);
                broken_off()
            }
            Some(fault) => misbehave(fault).await,
        };
        self.content().requests[index].answer = Some(response.status().as_u16());
        self.changed.send_modify(|count| *count += 1);
        response
    }

    fn content(&self) -> MutexGuard<'_, Content<S>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn misbehave(fault: Fault) -> Response {
    match fault {
        Fault::ServerError => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": "Server Error"}))).into_response()
        }
        Fault::RateLimited { seconds } => {
            let body =
                json!({"message": "You have exceeded a secondary rate limit.", "ok": false, "error": "ratelimited"});
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], Json(body)).into_response()
        }
        Fault::QuotaSpent { seconds } => {
            let reset = (clock::now().as_second() + seconds).to_string();
            let headers = [("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
            (StatusCode::FORBIDDEN, headers, Json(json!({"message": "API rate limit exceeded"}))).into_response()
        }
        Fault::Hang => std::future::pending().await,
        Fault::Close | Fault::CloseAfterwards => broken_off(),
    }
}

/// An answer whose body ends before it is complete.
fn broken_off() -> Response {
    let torn = std::iter::once(Err::<Bytes, _>(std::io::Error::other("ordered to hang up")));
    let body = Body::from_stream(futures_util::stream::iter(torn));
    Response::new(body)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

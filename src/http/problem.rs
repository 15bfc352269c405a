//! Errors as RFC 9457 problems. Says what the client can do about them, never what happened inside.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{definition::ParamProblem, dispatch, model::Rejected};

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What kind of error it is, in words.
    title: &'static str,
    /// The HTTP status again.
    status: u16,
    /// What is wrong with this request, where more can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Which parameters of a request are wrong, and how.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<ParamProblem>,
}

impl Problem {
    /// Makes a problem without a detail.
    pub(crate) fn new(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { kind: "about:blank", title, status: status.as_u16(), detail: None, parameters: Vec::new() }
    }

    /// Adds what is wrong with this request.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds which parameters of the request are wrong.
    pub(crate) fn parameters(mut self, parameters: Vec<ParamProblem>) -> Self {
        self.parameters = parameters;
        self
    }

    /// A request that is not understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).detail(detail)
    }

    /// Something that does not exist.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND).detail(detail)
    }

    /// Returns the status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the words for people.
    pub(crate) fn words(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.title)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<dispatch::Error> for Problem {
    fn from(error: dispatch::Error) -> Self {
        match error {
            dispatch::Error::NotFound(what) => Self::not_found(format!("there is no such {what}")),
            error @ dispatch::Error::NoSuchNode { .. } => Self::not_found(error.to_string()),
            error @ dispatch::Error::CannotReplay => Self::new(StatusCode::CONFLICT).detail(error.to_string()),
            dispatch::Error::Gone(words) => Self::new(StatusCode::GONE).detail(words),
            dispatch::Error::Rejected(rejected) => Self::new(status(&rejected)).detail(rejected.to_string()),
            error => {
                tracing::error!(%error, "a request could not be served");
                Self::new(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// A request that could never be carried out is told from one that comes at the wrong time.
fn status(rejected: &Rejected) -> StatusCode {
    match rejected {
        Rejected::NoSuchNode => StatusCode::NOT_FOUND,
        Rejected::NothingToEdit | Rejected::NotExec | Rejected::BadAmount(_) | Rejected::BadEdit(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        _ => StatusCode::CONFLICT,
    }
}

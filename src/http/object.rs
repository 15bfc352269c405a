//! One stored object as an answer, and a request's body as one. Whatever it holds, no browser runs it. Knows nobody's rights.

use std::{
    io::{self, SeekFrom},
    ops::Range,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::problem::Problem;
use crate::data::{self, Draft, Name, Object, Store};

/// So much of a body is written at once.
const AT_ONCE: usize = 256 * 1024;

/// Folder of caches; what is read there was used.
const CACHES: &str = "conducto-cache/";

/// Nothing of it is run, and nothing else loaded by it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// Media types that browsers may show in place: none of them can hold a program that runs with this policy.
const SHOWN: [(&str, &str); 10] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("txt", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("csv", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("json", "application/json"),
];

/// Runs what may wait for the disk where that keeps nobody else waiting.
pub(super) async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, data::Error> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(act).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)),
    }
}

/// Answers with an object, or the part of it that was asked for.
pub(super) async fn read(store: Store, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let name = Name::parse_object(name)?;
    let wanted = name.clone();
    let Object { file, size, mark, .. } = blocking(move || {
        if wanted.as_str().starts_with(CACHES)
            && let Err(error) = store.touch(&wanted)
            && !error.is_missing()
        {
            tracing::debug!(%error, "a cache seems older than it is");
        }
        store.read(&wanted)
    })
    .await?;
    let tag = format!("\"{mark}\"");
    let asked = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let has_it = |list: &str| list.split(',').any(|known| matches!(known.trim(), "*") || known.trim() == tag);
    if asked(header::IF_NONE_MATCH).is_some_and(has_it) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let part = asked(header::RANGE).filter(|_| asked(header::IF_RANGE).is_none_or(|known| known == tag));
    let part = match part.map(|text| range(text, size)) {
        Some(Asked::Part(part)) => Some(part),
        Some(Asked::Nothing) => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE)
                .detail(format!("`{name}` has {size} bytes; none of them is in this range"));
            return Ok(([(header::CONTENT_RANGE, format!("bytes */{size}"))], problem).into_response());
        }
        Some(Asked::All) | None => None,
    };
    let mut file = tokio::fs::File::from_std(file);
    let span = part.clone().unwrap_or(0..size);
    if span.start > 0 {
        let sought = file.seek(SeekFrom::Start(span.start)).await;
        sought.map_err(|source| data::Error::Disk { name: name.to_string(), source })?;
    }
    let length = span.end - span.start;
    let mut response = Body::from_stream(ReaderStream::with_capacity(file.take(length), AT_ONCE)).into_response();
    let headers = response.headers_mut();
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let (media_type, is_shown) = media_type(name.as_str());
    put(header::CONTENT_TYPE, media_type);
    put(header::CONTENT_LENGTH, &length.to_string());
    put(header::ACCEPT_RANGES, "bytes");
    put(header::ETAG, &tag);
    put(header::CONTENT_SECURITY_POLICY, POLICY);
    put(header::CONTENT_DISPOSITION, if is_shown { "inline" } else { "attachment" });
    if part.is_some() {
        put(header::CONTENT_RANGE, &format!("bytes {}-{}/{size}", span.start, span.end - 1));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Stores a body. Only one that has come in full becomes an object.
pub(super) async fn write(store: Store, name: &str, body: Body, cache_budget: u64) -> Result<StatusCode, Problem> {
    let name = Name::parse_object(name)?;
    let (opened, wanted) = (store.clone(), name.clone());
    let mut draft = blocking(move || opened.write(&wanted)).await?;
    let mut chunks = body.into_data_stream();
    let mut waiting: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("the body ended before its end"))?;
        length += chunk.len();
        waiting.push(chunk);
        if length >= AT_ONCE {
            draft = add(draft, std::mem::take(&mut waiting)).await?;
            length = 0;
        }
    }
    let draft = add(draft, waiting).await?;
    blocking(move || {
        draft.commit()?;
        if name.as_str().starts_with(CACHES) {
            store.evict_caches(cache_budget, Some(&name))?;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

async fn add(mut draft: Draft, chunks: Vec<Bytes>) -> Result<Draft, Problem> {
    blocking(move || {
        chunks.iter().try_for_each(|chunk| draft.add(chunk))?;
        Ok(draft)
    })
    .await
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// Nothing that we serve as a part: the whole.
    All,
    Part(Range<u64>),
    /// What is not there.
    Nothing,
}

/// Reads a range of bytes. Several at once are answered with the whole, as RFC 9110 allows.
fn range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::All;
    };
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let part = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(length) => size.saturating_sub(length)..size,
            None => return Asked::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..size,
            None => return Asked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
            _ => return Asked::All,
        },
    };
    if part.start < part.end { Asked::Part(part) } else { Asked::Nothing }
}

/// Returns the media type of a name, and whether browsers may show it in place.
fn media_type(name: &str) -> (&'static str, bool) {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let known = SHOWN.iter().find(|(known, _)| *known == ending);
    known.map_or(("application/octet-stream", false), |(_, media_type)| (media_type, true))
}

impl From<data::BadName> for Problem {
    fn from(bad: data::BadName) -> Self {
        Self::bad_request(bad.to_string())
    }
}

impl From<data::Error> for Problem {
    fn from(error: data::Error) -> Self {
        let status = match &error {
            data::Error::Name(_) | data::Error::Unsafe(_) => StatusCode::BAD_REQUEST,
            data::Error::Missing(_) => StatusCode::NOT_FOUND,
            data::Error::Kind { .. } => StatusCode::CONFLICT,
            data::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            data::Error::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            data::Error::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                let words = format!("{error}: whoever wrote it has kept it from the server");
                return Self::new(StatusCode::CONFLICT).detail(words);
            }
            data::Error::Disk { .. } => {
                tracing::error!(error = ?error, "stored data cannot be used");
                return Self::new(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        Self::new(status).detail(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("bytes=0-0", Asked::Part(0..1))]
    #[case("bytes=2-5", Asked::Part(2..6))]
    #[case("bytes=2-", Asked::Part(2..10))]
    #[case("bytes=2-99", Asked::Part(2..10))]
    #[case("bytes=-3", Asked::Part(7..10))]
    #[case("bytes=-30", Asked::Part(0..10))]
    #[case("bytes=10-", Asked::Nothing)]
    #[case("bytes=-0", Asked::Nothing)]
    #[case("bytes=5-2", Asked::All)]
    #[case("bytes=0-1,3-4", Asked::All)]
    #[case("bytes=99999999999999999999-", Asked::All)]
    #[case("lines=1-2", Asked::All)]
    fn ranges_are_read_as_the_standard_says(#[case] text: &str, #[case] asked: Asked) {
        assert_eq!(range(text, 10), asked);
    }

    #[test]
    fn only_what_can_hold_no_program_is_shown_in_place() {
        assert_eq!(media_type("plots/A.PNG"), ("image/png", true));
        for name in ["report.html", "x.svg", "x.xhtml", "x.js", "plain", "x.pdf", ".html"] {
            assert_eq!(media_type(name), ("application/octet-stream", false), "{name}");
        }
    }
}

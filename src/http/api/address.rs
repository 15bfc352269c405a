//! Reads ids and node paths out of addresses.

use axum::http::HeaderMap;

use crate::{
    dispatch::Error,
    http::problem::Problem,
    model::{NodePath, PipelineId},
};

/// Most things one list answers with.
pub(crate) const MOST: u32 = 200;

/// Reads a pipeline's id; what is no id names nothing.
pub(crate) fn pipeline_id(text: &str) -> Result<PipelineId, Problem> {
    PipelineId::parse(text).map_err(|error| Problem::not_found(error.to_string()))
}

/// Reads the node and the verb out of what follows `/nodes/`; the root is the empty path.
pub(crate) fn node_and_verb(rest: &str) -> Result<(NodePath, &str), Problem> {
    let (path, verb) = rest.rsplit_once('/').unwrap_or(("", rest));
    let path = NodePath::parse(&format!("/{path}")).map_err(|error| Problem::not_found(error.to_string()))?;
    Ok((path, verb))
}

/// Says that the address leads nowhere.
pub(crate) fn no_address() -> Problem {
    Problem::not_found("nothing has this address")
}

/// Says that no pipeline has this id.
pub(crate) fn no_pipeline(id: &PipelineId) -> Problem {
    Problem::not_found(format!("pipeline `{id}` was deleted or never existed"))
}

/// Tells what went wrong with a pipeline; where the thing that is missing is the pipeline itself, with its id.
pub(crate) fn trouble_with(id: &PipelineId, error: Error) -> Problem {
    match error {
        Error::NotFound(_) => no_pipeline(id),
        error => error.into(),
    }
}

/// Returns the number of the last message that a listener has seen, who comes back after its connection broke.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_paths_end_before_the_verb() {
        let path = |rest| node_and_verb(rest).map(|(path, verb)| format!("{} {verb}", path.as_str())).ok();
        assert_eq!(path("log").as_deref(), Some("/ log"));
        assert_eq!(path("log/log").as_deref(), Some("/log log"));
        assert_eq!(path("checks/lint & style/log").as_deref(), Some("/checks/lint & style log"));
        assert_eq!(path("catalog").as_deref(), Some("/ catalog"));
        assert_eq!(path("a/../log"), None);
        assert_eq!(path("a//log"), None);
    }
}

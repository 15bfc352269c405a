//! Reads ids and node paths out of addresses.

use crate::{
    http::problem::Problem,
    model::{NodePath, PipelineId},
};

/// Most things one list answers with.
pub(crate) const MOST: u32 = 200;

/// Reads a pipeline's id; what is no id names nothing.
pub(crate) fn pipeline_id(text: &str) -> Result<PipelineId, Problem> {
    PipelineId::parse(text).map_err(|error| Problem::not_found(error.to_string()))
}

/// Reads the node out of what follows `/nodes/`, where the address ends in `/<verb>`; the root is the empty path.
pub(crate) fn node_path(rest: &str, verb: &str) -> Result<NodePath, Problem> {
    let path = match rest.strip_suffix(verb) {
        Some("") => "/".to_owned(),
        Some(path) if path.ends_with('/') => format!("/{}", path.trim_end_matches('/')),
        _ => return Err(Problem::not_found("nothing has this address")),
    };
    NodePath::parse(&path).map_err(|error| Problem::not_found(error.to_string()))
}

/// Says that no pipeline has this id.
pub(crate) fn no_pipeline(id: &PipelineId) -> Problem {
    Problem::not_found(format!("pipeline `{id}` was deleted or never existed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_paths_end_before_the_verb() {
        let path = |rest| node_path(rest, "log").map(|path| path.as_str().to_owned()).ok();
        assert_eq!(path("log").as_deref(), Some("/"));
        assert_eq!(path("log/log").as_deref(), Some("/log"));
        assert_eq!(path("checks/lint & style/log").as_deref(), Some("/checks/lint & style"));
        assert_eq!(path("checks"), None);
        assert_eq!(path("catalog"), None);
        assert_eq!(path("a/../log"), None);
    }
}

//! The old product's serialization as JSON has it (`compat.md` §1.3 to §1.7). Knows which keys there are, not what they mean.
//!
//! Keys that are not named here are passed over: clients of all versions are understood.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::{bounded, image::Image};

/// The whole.
#[derive(Debug, Deserialize)]
pub(super) struct Serialization {
    /// The first is the root.
    #[serde(deserialize_with = "bounded::nodes")]
    pub(super) nodes: Vec<Node>,
    /// Parent, child, name of the child; the order among children of one parent counts.
    #[serde(default)]
    pub(super) edges: Vec<(String, String, String)>,
    #[serde(default)]
    pub(super) images: HashMap<String, Image>,
}

/// One node. A key that is absent or null is looked for further up the tree.
#[derive(Debug, Deserialize)]
pub(super) struct Node {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) command: Option<String>,
    pub(super) skip: Option<bool>,
    pub(super) cpu: Option<f64>,
    pub(super) mem: Option<f64>,
    pub(super) gpu: Option<u32>,
    pub(super) requires_docker: Option<bool>,
    pub(super) docker_run_args: Option<Vec<String>>,
    pub(super) image_name: Option<String>,
    pub(super) callbacks: Option<Vec<(String, (String, Value))>>,
    pub(super) max_time: Option<MaxTime>,
    pub(super) max_concurrent: Option<u32>,
    pub(super) container_reuse_context: Option<String>,
    /// Some programs give a text here.
    pub(super) stop_on_error: Option<Value>,
    pub(super) suppress_errors: Option<bool>,
    pub(super) doc: Option<String>,
    /// Among them the variables, as `__env__NAME`.
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    Exec,
    Serial,
    Parallel,
}

/// Seconds, or a text with units.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum MaxTime {
    Seconds(f64),
    Text(String),
}

/// Says what Python would make of a value where it wants a truth: a text that is not empty is true, `"False"` too.
pub(super) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

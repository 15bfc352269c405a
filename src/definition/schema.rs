//! The published JSON Schemas, made from the tables of keys that the readers use. Knows no file.

use serde_json::{Map, Value, json};

use super::{
    cfg::{self, Event},
    key::{Key, Kind, LARGEST_WHOLE},
    pipeline,
};

/// Returns the JSON Schema of conducto.cfg.
pub fn cfg_schema() -> Value {
    let mut events = Map::new();
    for event in Event::ALL {
        events.insert(event.name().to_owned(), json!({ "$ref": "#/$defs/event" }));
    }
    let keys = properties(cfg::KEYS, |_| true);
    // A label is any name that no key has.
    let names: Vec<_> = cfg::KEYS.iter().map(|key| key.name).collect();
    let label = format!("^(?!({})$)[A-Za-z0-9_-]+$", names.join("|"));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "conducto.cfg",
        "description": "Which events launch which pipelines.",
        "type": "object",
        "properties": events,
        "additionalProperties": false,
        "$defs": {
            "event": {
                "description": "A section of its own, labelled sections below it, or both.",
                "type": "object",
                "properties": keys,
                "patternProperties": { label: { "$ref": "#/$defs/section" } },
                "additionalProperties": false,
            },
            "section": {
                "type": "object",
                "properties": keys,
                "oneOf": [{ "required": ["pipeline"] }, { "required": ["command"] }],
                "additionalProperties": false,
            },
        },
    })
}

/// Returns the JSON Schema of a definition file, in TOML or JSON.
pub fn pipeline_schema() -> Value {
    let mut top = properties(pipeline::KEYS, pipeline::is_inherited);
    top.insert("$schema".to_owned(), json!({ "type": "string" }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Conducto pipeline definition",
        "description": "A tree of nodes keyed by path; keys at the top are those of the root.",
        "type": "object",
        "properties": top,
        "patternProperties": { "^/": { "$ref": "#/$defs/node" } },
        "additionalProperties": false,
        "$defs": {
            "node": {
                "type": "object",
                "properties": properties(pipeline::KEYS, |_| true),
                "additionalProperties": false,
                "anyOf": [{ "required": ["exec"] }, { "required": ["generate"] }, { "required": ["type"] }],
            },
        },
    })
}

/// Returns the names of the keys this release understands: those of conducto.cfg, then those of a node.
pub fn key_names() -> [Vec<&'static str>; 2] {
    [cfg::KEYS, pipeline::KEYS].map(|keys| keys.iter().filter(|key| key.is_supported()).map(|key| key.name).collect())
}

fn properties(keys: &[Key], is_wanted: fn(&str) -> bool) -> Map<String, Value> {
    keys.iter()
        .filter(|key| key.is_supported() && is_wanted(key.name))
        .map(|key| (key.name.to_owned(), property(key)))
        .collect()
}

fn property(key: &Key) -> Value {
    let mut schema = values(key.kind);
    schema["description"] = json!(key.doc);
    schema
}

fn values(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Kind::TextsOrTrue => json!({ "type": ["array", "boolean"], "items": { "type": "string" } }),
        Kind::TextTable => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Kind::Whole(least) => json!({ "type": "integer", "minimum": least, "maximum": LARGEST_WHOLE }),
        Kind::Bounds => {
            let number = json!({ "type": "number", "exclusiveMinimum": 0 });
            json!({ "type": "array", "items": number, "minItems": 2, "maxItems": 2 })
        }
        Kind::Duration => json!({ "type": ["string", "number"] }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Arguments => json!({ "type": ["array", "string"], "items": { "type": "string" } }),
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Tables(keys) => {
            let table =
                json!({ "type": "object", "properties": properties(keys, |_| true), "additionalProperties": false });
            json!({ "type": "object", "additionalProperties": table })
        }
        Kind::Records(keys) => {
            let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
            let table = json!({
                "type": "object", "properties": properties(keys, |_| true), "required": names, "additionalProperties": false
            });
            json!({ "anyOf": [table, { "type": "array", "items": table }] })
        }
        Kind::Short(short, keys) => {
            let table =
                json!({ "type": "object", "properties": properties(keys, |_| true), "additionalProperties": false });
            json!({ "anyOf": [values(*short), table] })
        }
    }
}

//! Validates JSON by a JSON Schema, as far as the published schema of SARIF goes. A keyword it does not know fails the test.

use serde_json::{Map, Value};

/// Returns what is wrong with a value, each with its place.
pub(crate) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(schema) = schema else { panic!("a schema is an object: {schema}") };
    for (keyword, rule) in schema {
        let mut say = |what: &str| found.push(format!("{}: {what}", if at.is_empty() { "/" } else { at }));
        match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "definitions" | "default" => {}
            "additionalProperties" if schema.contains_key("properties") || rule.is_object() => {
                check_others(root, schema, value, at, found);
            }
            "additionalProperties" => assert_eq!(rule, true, "nothing would be allowed"),
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("it is in this schema");
                check(root, root.pointer(pointer).expect("it is there"), value, at, found);
            }
            "type" if !is_a(rule, value) => say(&format!("{value} is no {rule}")),
            "enum" if !rule.as_array().is_some_and(|words| words.contains(value)) => {
                say(&format!("{value} not in {rule}"));
            }
            "minimum" if value.as_f64() < rule.as_f64() => say(&format!("{value} is below {rule}")),
            "maximum" if value.as_f64() > rule.as_f64() => say(&format!("{value} is above {rule}")),
            "minItems" if value.as_array().is_some_and(|items| (items.len() as u64) < rule.as_u64().unwrap_or(0)) => {
                say("too few items");
            }
            "uniqueItems" => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                if items.iter().enumerate().any(|(place, item)| items[..place].contains(item)) {
                    say("an item is there twice");
                }
            }
            "required" => {
                for name in rule.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|map| !map.contains_key(name)) {
                        say(&format!("`{name}` is missing"));
                    }
                }
            }
            "format" => {
                let text = value.as_str().unwrap_or_default();
                let is_uri =
                    text.split_once(':').is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
                if text.contains([' ', '\\', '"']) || !text.is_ascii() || (rule == "uri" && !is_uri) {
                    say(&format!("{value} is no {rule}"));
                }
            }
            "properties" => {
                for (name, inner) in rule.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        check(root, inner, value, &format!("{at}/{name}"), found);
                    }
                }
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}/{place}"), found);
                }
            }
            "anyOf" | "oneOf" => {
                let fits = |schema: &&Value| {
                    let mut wrong = Vec::new();
                    check(root, schema, value, at, &mut wrong);
                    wrong.is_empty()
                };
                let count = rule.as_array().into_iter().flatten().filter(fits).count();
                if count == 0 || (keyword == "oneOf" && count > 1) {
                    say(&format!("{count} of {keyword} fit"));
                }
            }
            "type" | "enum" | "minimum" | "maximum" | "minItems" => {}
            // Dates, versions and ids in the rest of the schema; what we write must not meet one unchecked.
            "pattern" => panic!("{at} has a pattern, which is not checked: {rule}"),
            unknown => panic!("the keyword `{unknown}` is not known here"),
        }
    }
}

fn check_others(root: &Value, schema: &Map<String, Value>, value: &Value, at: &str, found: &mut Vec<String>) {
    let named = schema.get("properties").and_then(Value::as_object);
    let others =
        value.as_object().into_iter().flatten().filter(|(name, _)| !named.is_some_and(|map| map.contains_key(*name)));
    for (name, value) in others {
        match &schema["additionalProperties"] {
            Value::Bool(false) => found.push(format!("{at}: `{name}` is not allowed")),
            Value::Bool(true) => {}
            inner => check(root, inner, value, &format!("{at}/{name}"), found),
        }
    }
}

fn is_a(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => panic!("{name} is no type"),
    };
    match rule {
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

//! What is published about the settings: the commented example file and its JSON Schema, both made from the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind};

/// Writes `config/conducto.toml`: every setting with its explanation and default.
pub fn example_file() -> String {
    let mut text = String::from(
        "# Settings of `conducto serve`, each with its default. Where a value is looked for, later places win:\n\
         # this file, the environment (CONDUCTO_LISTEN, CONDUCTO_GITHUB_TOKEN, …), the command line.\n\
         # The file is `--config FILE`, else /etc/conducto/conducto.toml, else <base_dir>/conducto.toml.\n",
    );
    let mut current = "";
    for key in KEYS {
        let (section, name) = key.split();
        if section != current {
            text.push_str(&format!("\n[{section}]\n"));
            current = section;
        } else {
            text.push('\n');
        }
        for line in key.doc.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        match key.default {
            Some(default) => text.push_str(&format!("{name} = {default}\n")),
            None => text.push_str(&format!("# {name} = {}\n", key.example)),
        }
    }
    text
}

/// Writes the JSON Schema of the settings file, `config/settings.schema.json`.
pub fn schema() -> String {
    let mut top = Map::new();
    for key in KEYS {
        let (section, name) = key.split();
        let properties = if section.is_empty() {
            &mut top
        } else {
            let table = top
                .entry(section)
                .or_insert_with(|| json!({"type": "object", "additionalProperties": false, "properties": {}}));
            table["properties"].as_object_mut().expect("a table was just made with properties")
        };
        properties.insert(name.to_owned(), property(key));
        if key.kind == Kind::Secret {
            let doc = format!("Path of a file that holds `{name}`.");
            properties.insert(format!("{name}_file"), json!({"description": doc, "type": "string"}));
        }
    }
    let login = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["user"],
        "properties": {
            "user": {"type": "string", "description": "User name."},
            "password": {"type": "string", "description": "Password or token."},
            "password_file": {"type": "string", "description": "Path of a file that holds `password`."},
        },
    });
    let registries = json!({
        "description": "Logins of image registries, each by its host (and port). The code of forks gets none of their images.",
        "type": "object",
        "additionalProperties": login,
    });
    top.insert("registries".to_owned(), registries);
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of conducto serve",
        "type": "object",
        "additionalProperties": false,
        "properties": top,
    });
    let mut text = serde_json::to_string_pretty(&schema).expect("a JSON value prints");
    text.push('\n');
    text
}

/// Writes `docs/settings.md`: how settings are found, and what each means.
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    let mut current = "-";
    for key in KEYS {
        let section = key.split().0;
        if section != current {
            current = section;
            let title = if section.is_empty() { "Top level".to_owned() } else { format!("`[{section}]`") };
            text.push_str(&format!("\n## {title}\n\n| setting | default | environment | |\n|---|---|---|---|\n"));
        }
        let default = key.default.map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"));
        let doc = key.doc.replace('\n', " ").replace('|', "\\|");
        text.push_str(&format!("| `{}` | {default} | `{}` | {doc} |\n", key.split().1, key.variable()));
    }
    text.push_str(REGISTRIES);
    text
}

const INTRODUCTION: &str = "# Settings

`conducto serve` needs no setting to start. Values come from four places; later ones win:

1. the defaults below;
2. the settings file, TOML: `--config FILE`, else `/etc/conducto/conducto.toml`, else `conducto.toml` in the base
   directory. `config/conducto.toml` lists everything with its default, and `config/settings.schema.json` lets editors
   help;
3. the environment: `CONDUCTO_` and the name in capitals, with `_` for the dot;
4. the command line: `--listen`, `--public-url`, `--base-dir`, `--executor`, `--allow-process`, `--log`.

A secret can come from a file: add `_file` to its name (`token_file`, `CONDUCTO_GITHUB_TOKEN_FILE`). Line ends at the
file's end are dropped. A wrong name or value stops the start; all mistakes are shown at once, with file, line and
column. `conducto serve --check` only checks.

| code | what it says |
|---|---|
| `settings::syntax` | the file is not TOML |
| `settings::unknown-key` | there is no setting of this name |
| `settings::wrong-type` | a number where a text belongs, and the like |
| `settings::bad-value` | the value cannot be used; the message says what is expected |
| `settings::unreadable` | the file named by `--config` cannot be read |
| `settings::no-home` | `base_dir` begins with `~`, and `HOME` is not set |

Three variables belong to the command line and not to the server: `CONDUCTO_SERVER` and `CONDUCTO_TOKEN` say whom to ask
and as whom; `NO_COLOR` turns colour off. `CONDUCTO_BASE_DIR` counts for both.
";

const REGISTRIES: &str = "
## `[registries.\"host:port\"]`

The login of an image registry, a table for each; `docker.io` is Docker Hub.

```toml
[registries.\"registry.example.org:5000\"]
user = \"ci\"
password_file = \"/etc/conducto/registry-password\" # or: password = \"…\"
```

Images of these registries are for the code of the repositories themselves. The code of forks gets none of them, also where one
lies on the machine already.
";

fn property(key: &Key) -> Value {
    let mut property = Map::new();
    property.insert("description".to_owned(), key.doc.replace('\n', " ").into());
    let words = match key.kind {
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Count => json!({"type": "integer", "minimum": 1}),
        Kind::CountOrAuto => json!({"oneOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}),
        Kind::AmountOrAuto => {
            json!({"oneOf": [{"const": "auto"}, {"type": "number", "minimum": 0, "maximum": 100_000}]})
        }
        Kind::List | Kind::Lines => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Text | Kind::Secret | Kind::Duration => json!({"type": "string"}),
    };
    if let Value::Object(words) = words {
        property.extend(words);
    }
    if let Some(default) = key.default {
        let value = match default.parse() {
            Ok(flag) => Value::Bool(flag),
            Err(_) if matches!(key.kind, Kind::List | Kind::Lines) => json!([]),
            Err(_) if key.kind == Kind::Count => default.parse::<u64>().ok().into(),
            Err(_) => default.trim_matches('"').into(),
        };
        property.insert("default".to_owned(), value);
    }
    Value::Object(property)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checked_in,
        settings::{Settings, Sources, load},
    };

    #[test]
    fn the_example_file_is_current() {
        checked_in::assert_current("config/conducto.toml", &example_file());
    }

    #[test]
    fn the_schema_is_current() {
        checked_in::assert_current("config/settings.schema.json", &schema());
    }

    #[test]
    fn the_reference_is_current() {
        checked_in::assert_current("docs/settings.md", &reference());
    }

    #[test]
    fn the_example_file_says_what_the_defaults_are() {
        let file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/config/conducto.toml").into());
        let environment = [("HOME".to_owned(), "/home/ada".to_owned())].into();
        let sources = Sources { file, environment, flags: vec![] };
        let read = load(&sources).unwrap();
        let base_dir = "/home/ada/.conducto".into();
        let expected = Settings { base_dir, user: "conducto".to_owned(), ..Settings::default() };
        assert_eq!(format!("{read:#?}"), format!("{expected:#?}"));
    }
}

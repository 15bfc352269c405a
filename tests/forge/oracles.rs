//! What GitHub itself publishes: examples of deliveries, its library for signatures, its API description. Exported once by
//! `tests/fixtures/octokit/export.sh`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde::Deserialize;

/// All exported deliveries with the secret they are signed with.
#[derive(Deserialize)]
pub(crate) struct Examples {
    pub(crate) secret: String,
    pub(crate) deliveries: Vec<Example>,
}

/// One delivery.
#[derive(Deserialize)]
pub(crate) struct Example {
    /// Server version, event and number: `api.github.com push 0`.
    pub(crate) key: String,
    pub(crate) event: String,
    pub(crate) body: String,
    pub(crate) signature: String,
}

/// Returns the folder of the export, making it first where needed.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("octokit");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/octokit/export.sh");
        let output = Command::new(&script).arg(&folder).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "GitHub's examples cannot be exported (are node and npm installed?):\n{words}"
        );
        folder
    })
}

pub(crate) fn examples() -> Examples {
    let text = std::fs::read_to_string(folder().join("out/deliveries.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

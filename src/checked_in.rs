//! Compares files in the repository that are made by this program with what it makes today. Used by tests only.

/// Fails when the file differs from `text`; with `CONDUCTO_UPDATE=1` in the environment, writes it instead.
pub(crate) fn assert_current(path: &str, text: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("CONDUCTO_UPDATE").is_some() {
        std::fs::write(&file, text).expect("the repository can be written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == text, "{path} is out of date: run `CONDUCTO_UPDATE=1 cargo test` and look at what changed");
}

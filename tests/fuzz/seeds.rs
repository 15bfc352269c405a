//! What the attacks begin with: the fixtures of other tests, and trees written in the old serialization.

use std::{
    fs,
    path::{Path, PathBuf},
};

use conducto::definition::{printed, read_cfg, read_pipeline};

/// Longer fixtures slow the attack down and show nothing more.
const LONGEST: u64 = 16 << 10;

fn files(folder: &str, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("the folder is readable").map(|entry| entry.expect("it is readable"));
    let small = entries.filter(|entry| entry.metadata().is_ok_and(|found| found.is_file() && found.len() <= LONGEST));
    let mut paths: Vec<_> = small.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    // A seed repeats a run only if all begin alike.
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("the fixture is readable"))).collect()
}

fn contents(files: Vec<(PathBuf, Vec<u8>)>) -> Vec<Vec<u8>> {
    files.into_iter().map(|(_, bytes)| bytes).collect()
}

/// Files of both dialects: an attack on one may end in the other.
pub(crate) fn cfg(is_ini: bool) -> Vec<Vec<u8>> {
    let mut files = files("tests/fixtures/cfg", "cfg");
    files.retain(|(path, _)| path.to_string_lossy().contains(".old.") == is_ini);
    let mut all = contents(files);
    let document = include_str!("../../docs/conducto-cfg.md");
    let fence = if is_ini { "```ini\n" } else { "```toml\n" };
    let blocks = document.split(fence).skip(1).filter_map(|rest| rest.split("```").next());
    all.extend(blocks.map(|block| block.as_bytes().to_vec()));
    if !is_ini {
        all.push(include_bytes!("../../conducto.cfg.example").to_vec());
    }
    all
}

pub(crate) fn definitions_in_toml() -> Vec<Vec<u8>> {
    let mut all = contents(files("tests/fixtures/semantics", "toml"));
    all.extend(contents(files("tests/fixtures/cfg", "toml")));
    all
}

pub(crate) fn definitions_in_json() -> Vec<Vec<u8>> {
    let mut all = contents(files("tests/fixtures/cfg", "json"));
    for (_, bytes) in files("tests/fixtures/semantics", "toml") {
        let parsed = std::str::from_utf8(&bytes).ok().and_then(|text| toml::from_str::<toml::Table>(text).ok());
        all.extend(parsed.and_then(|table| serde_json::to_vec(&table).ok()));
    }
    all
}

/// The trees of the definition files, as the old client would serialize them.
pub(crate) fn serializations() -> Vec<Vec<u8>> {
    let trees = definitions_in_toml().into_iter().filter_map(|bytes| read_pipeline("pipeline.toml", &bytes).0);
    trees.map(|tree| serde_json::to_vec(&printed::to_json(&tree)).expect("a value is JSON")).collect()
}

/// What stands in `filter` or `command` of the fixtures.
pub(crate) fn values(key: &str) -> Vec<Vec<u8>> {
    let texts = [cfg(false), cfg(true)].concat();
    let lines = texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
    let mut values: Vec<Vec<u8>> = lines
        .filter_map(|line| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches(['"', '\'']).as_bytes().to_vec())
        })
        .collect();
    values.sort();
    values.dedup();
    assert!(values.len() > 3, "there are few fixtures with `{key}`: {values:?}");
    assert!(read_cfg("conducto.cfg", &texts[0]).1.len() < 200);
    values
}

//! Checks a file and the files it names, for the command line. Knows no disk: the caller reads.

use super::{
    cfg::{Dialect, dialect_of, missing_file, read_cfg},
    pipeline::read_pipeline,
};
use crate::model::Diagnostic;

/// What was found in a file and in those it names.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How a conducto.cfg is written, whether or not it holds mistakes.
    pub dialect: Option<Dialect>,
    /// The mistakes.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reports every mistake in a file. A name ending in `.cfg` is a conducto.cfg, anything else a definition file.
///
/// The definition files that a conducto.cfg names are checked too, each once; `read` returns the file of a path in the
/// repository, with the name by which people know it here, or nothing if there is no such file.
pub fn check(name: &str, bytes: &[u8], mut read: impl FnMut(&str) -> Option<(String, Vec<u8>)>) -> Checked {
    if !name.ends_with(".cfg") {
        return Checked { dialect: None, diagnostics: read_pipeline(name, bytes).1 };
    }
    let (cfg, mut diagnostics) = read_cfg(name, bytes);
    let mut seen = Vec::new();
    for (path, span) in cfg.iter().flat_map(|cfg| &cfg.sections).filter_map(|section| section.file()) {
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        match read(path) {
            Some((name, bytes)) => diagnostics.extend(read_pipeline(&name, &bytes).1),
            None => diagnostics.push(missing_file(path, span)),
        }
    }
    Checked { dialect: dialect_of(bytes), diagnostics }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cfg_is_checked_together_with_the_files_it_names() {
        let cfg = b"[push]\npipeline = \"a.toml\"\n[push.x]\npipeline = \"a.toml\"\n[pr]\npipeline = \"b.toml\"\n";
        let mut asked = Vec::new();
        let found = check("conducto.cfg", cfg, |path| {
            asked.push(path.to_owned());
            (path == "a.toml").then(|| ("ci/a.toml".to_owned(), b"[\"/\"]\nexce = \"true\"\n".to_vec()))
        });
        assert_eq!(asked, ["a.toml", "b.toml"]);
        assert_eq!(found.dialect, Some(Dialect::Toml));
        let lines: Vec<_> = found.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "ci/a.toml:1:2 node `/` has neither a command nor a type",
                "ci/a.toml:2:1 unknown key `exce` in node `/`",
                "conducto.cfg:6:12 the definition file `b.toml` does not exist in this commit",
            ]
        );
    }
}

//! The configuration of a repository at a commit, under either of its names. Knows no event.

use crate::{
    definition::{self, Cfg},
    dispatch::shared::Shared,
    git::{self, FileAtCommit, MirrorName},
    model::Diagnostic,
};

/// Largest conducto.cfg, in bytes.
const CFG_LIMIT: usize = 256 * 1024;

/// Its name, at the root of the repository.
pub(in crate::dispatch) const CFG: &str = "conducto.cfg";

/// Its name in the old product; it counts where there is no other.
const OLD_CFG: &str = ".conducto.cfg";

/// What a commit has for a configuration.
pub(in crate::dispatch) enum CfgAtCommit {
    /// The file under its name, as it was understood; nothing of it where a diagnostic is an error.
    Found { name: &'static str, cfg: Option<Cfg>, diagnostics: Vec<Diagnostic> },
    /// None.
    Missing,
    /// It is there, and no file that can be read; in words.
    Unusable(String),
}

/// Reads the configuration at a commit that the mirror has.
pub(in crate::dispatch) async fn read(
    shared: &Shared,
    mirror: &MirrorName,
    sha: &str,
) -> Result<CfgAtCommit, git::Error> {
    let file = |name| shared.parts.mirrors.read_file(mirror, sha, name, CFG_LIMIT);
    let old = file(OLD_CFG).await?;
    let has_old = !matches!(old, FileAtCommit::Missing);
    let (name, found) = match file(CFG).await? {
        FileAtCommit::Missing => (OLD_CFG, old),
        found => (CFG, found),
    };
    Ok(match found {
        FileAtCommit::Found(text) => {
            let (cfg, mut diagnostics) = definition::read_cfg(name, &text);
            if has_old && name == CFG {
                diagnostics.push(definition::two_cfgs(CFG, OLD_CFG));
            }
            CfgAtCommit::Found { name, cfg, diagnostics }
        }
        FileAtCommit::Missing => CfgAtCommit::Missing,
        FileAtCommit::NotAFile(what) => CfgAtCommit::Unusable(format!("{name} is {what}, not a file")),
        FileAtCommit::TooLarge(bytes) => {
            CfgAtCommit::Unusable(format!("{name} has {bytes} bytes; at most {CFG_LIMIT} are read"))
        }
    })
}

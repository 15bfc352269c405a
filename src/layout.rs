//! Where things lie on the disk: the documented layout of the base directory. Knows names and permissions, not contents.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use md5::{Digest as _, Md5};

use crate::model::{Fence, PipelineId, Trust, WorkerId};

/// Name of the files of a commit in the folder that workers see.
pub const SOURCE: &str = "files";

/// Name of the file with the key of secrets.
pub const SECRET_KEY: &str = "secret-key";

/// Why the base directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare `{}`", path.display())]
pub struct LayoutError {
    /// What could not be read or made.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// The paths inside one base directory.
///
/// ```text
/// config                              [general] default = <profile id>
/// <profile id>/config                 [general] url, org_id, email
/// <profile id>/data/                  user data
/// <profile id>/pipelines/<id>/data/   pipeline data
/// <profile id>/pipelines/<id>/user/   what the code of a fork has instead of user data
/// server/                             database and lock (private)
/// <profile id>/pipelines/<id>/logs/   logs of its attempts
/// mirrors/ bin/ run/                  repositories, the worker's binary, sockets and working copies
/// trash/                              what retention is removing
/// admin-token  server.json            token and address for the command line
/// secret-key                          what opens the secrets in the database
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    base: PathBuf,
    profile: String,
    organisation: String,
    user: String,
}

/// Computes a profile's id: the first eight hexadecimal digits of the MD5 of `<url>|<organisation>|<login or e-mail>`.
pub fn profile_id(url: &str, organisation: &str, user: &str) -> String {
    let digest = Md5::digest(format!("{url}|{organisation}|{user}"));
    hex::encode(&digest[..4])
}

impl Layout {
    /// Finds the layout of a base directory: its default profile if it has one, else the one that these names make.
    ///
    /// The default wins so that a renamed organisation, or a start under another login, does not lose sight of the data.
    pub fn find(base: &Path, organisation: &str, user: &str) -> Self {
        let kept = fs::read_to_string(base.join("config")).ok().and_then(|text| default_profile(&text));
        Self {
            base: base.to_owned(),
            profile: kept.unwrap_or_else(|| profile_id("local", organisation, user)),
            organisation: organisation.to_owned(),
            user: user.to_owned(),
        }
    }

    /// Makes whatever of the layout does not exist yet. Idempotent.
    ///
    /// # Errors
    /// [`LayoutError`] names the path that could not be made.
    pub fn create(&self) -> Result<(), LayoutError> {
        for directory in [
            self.base.clone(),
            self.profile_dir(),
            self.pipelines(),
            self.server_dir(),
            self.mirrors(),
            self.bin(),
            self.run(),
            self.trash(),
        ] {
            make_private(&directory)?;
        }
        make_shared(&self.user_data())?;
        let Self { organisation, user, profile, .. } = self;
        let profile_text = format!("[general]\nurl = local\norg_id = {organisation}\nemail = {user}\n");
        write_if_absent(&self.profile_dir().join("config"), &profile_text)?;
        write_if_absent(&self.base.join("config"), &format!("[general]\ndefault = {profile}\n"))
    }

    /// Returns the base directory.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Returns the profile's id.
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Returns the profile's directory.
    pub fn profile_dir(&self) -> PathBuf {
        self.base.join(&self.profile)
    }

    /// Returns the folder of the user data.
    pub fn user_data(&self) -> PathBuf {
        self.profile_dir().join("data")
    }

    /// Returns the folder that a pipeline of a fork's code has instead of the user data.
    pub fn fork_data(&self, id: &PipelineId) -> PathBuf {
        self.pipelines().join(id.as_str()).join("user")
    }

    /// Returns the folder behind `/conducto/data/user` of one pipeline.
    pub fn user_data_for(&self, id: &PipelineId, trust: Trust) -> PathBuf {
        match trust {
            Trust::Trusted => self.user_data(),
            Trust::Fork => self.fork_data(id),
        }
    }

    /// Returns the folder of all pipelines.
    pub fn pipelines(&self) -> PathBuf {
        self.profile_dir().join("pipelines")
    }

    /// Returns the folder behind `/conducto/data/pipeline` of one pipeline.
    pub fn pipeline_data(&self, id: &PipelineId) -> PathBuf {
        self.pipelines().join(id.as_str()).join("data")
    }

    /// Makes the folders of one pipeline. Idempotent.
    ///
    /// # Errors
    /// [`LayoutError`] names the path that could not be made.
    pub fn create_pipeline(&self, id: &PipelineId, trust: Trust) -> Result<(), LayoutError> {
        let data = self.pipeline_data(id);
        if let Some(parent) = data.parent() {
            make_private(parent)?;
        }
        make_shared(&data)?;
        match trust {
            Trust::Trusted => Ok(()),
            Trust::Fork => make_shared(&self.fork_data(id)),
        }
    }

    /// Returns the private directory of the server.
    pub fn server_dir(&self) -> PathBuf {
        self.base.join("server")
    }

    /// Returns the one SQLite file.
    pub fn database(&self) -> PathBuf {
        self.server_dir().join("conducto.db")
    }

    /// Returns the file that is locked by the server that uses this directory.
    pub fn lock(&self) -> PathBuf {
        self.server_dir().join("server.lock")
    }

    /// Returns the folder of bare repositories.
    pub fn mirrors(&self) -> PathBuf {
        self.base.join("mirrors")
    }

    /// Returns the log of one attempt.
    pub fn log(&self, id: &PipelineId, fence: Fence) -> PathBuf {
        self.logs(id).join(format!("{fence}.log"))
    }

    /// Returns the folder of the logs of one pipeline.
    pub fn logs(&self, id: &PipelineId) -> PathBuf {
        self.pipelines().join(id.as_str()).join("logs")
    }

    /// Returns the folder of what is about to be removed.
    pub fn trash(&self) -> PathBuf {
        self.base.join("trash")
    }

    /// Returns the folder of the binaries that are mounted into containers.
    pub fn bin(&self) -> PathBuf {
        self.base.join("bin")
    }

    /// Returns the folder of what lives only while pipelines do.
    pub fn run(&self) -> PathBuf {
        self.base.join("run")
    }

    /// Returns the directory of one worker, with its socket; mounted into its container.
    pub fn worker(&self, worker: &WorkerId) -> PathBuf {
        self.run().join("workers").join(worker.as_str())
    }

    /// Returns the folder of what the server knows of workers and they must not see.
    pub fn worker_keys(&self) -> PathBuf {
        self.run().join("keys")
    }

    /// Returns the folder of the process executor's own notes.
    pub fn processes(&self) -> PathBuf {
        self.run().join("processes")
    }

    /// Returns the folder of the files of all pipelines' commits.
    pub fn sources(&self) -> PathBuf {
        self.run().join("sources")
    }

    /// Returns the folder that the workers of one pipeline see, for the files of its commit.
    pub fn source_folder(&self, id: &PipelineId) -> PathBuf {
        self.sources().join(id.as_str())
    }

    /// Returns the files of one pipeline's commit, which its workers copy.
    pub fn source(&self, id: &PipelineId) -> PathBuf {
        self.source_folder(id).join(SOURCE)
    }

    /// Returns the folder of what a spare worker was given, until its pipeline is launched.
    pub fn spare(&self, id: &PipelineId) -> PathBuf {
        self.run().join("spares").join(id.as_str())
    }

    /// Lists the folders of all spares.
    pub fn spares(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.run().join("spares")).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    /// Makes the folders of a pipeline that may be launched later. Returns those that its worker sees: for the files of the
    /// commit, and for the pipeline's data.
    ///
    /// # Errors
    /// [`LayoutError`] names the path that could not be made.
    pub fn create_spare(&self, id: &PipelineId) -> Result<(PathBuf, PathBuf), LayoutError> {
        let (source, data) = (self.spare(id).join("source"), self.spare(id).join("data"));
        make_private(&source)?;
        make_shared(&data)?;
        Ok((source, data))
    }

    /// Moves the folders of a spare to where those of a pipeline are; its worker goes on seeing them. Nothing happens where the
    /// pipeline had no spare, or has them already.
    ///
    /// # Errors
    /// [`LayoutError`] names the path that could not be moved.
    pub fn launch_spare(&self, id: &PipelineId) -> Result<(), LayoutError> {
        let spare = self.spare(id);
        let data = self.pipeline_data(id);
        if let Some(above) = data.parent()
            && spare.exists()
        {
            make_private(above)?;
            make_private(&self.sources())?;
        }
        for (from, to) in [("data", data), ("source", self.source_folder(id))] {
            let from = spare.join(from);
            if from.exists() {
                fs::rename(&from, &to).map_err(|source| LayoutError { path: to, source })?;
            }
        }
        match fs::remove_dir(&spare) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(LayoutError { path: spare, source }),
            _ => Ok(()),
        }
    }

    /// Returns the file with the admin's token.
    pub fn admin_token(&self) -> PathBuf {
        self.base.join("admin-token")
    }

    /// Returns the file with the key of secrets.
    pub fn secret_key(&self) -> PathBuf {
        self.base.join(SECRET_KEY)
    }

    /// Returns the file in which a running server says where it listens.
    pub fn server_file(&self) -> PathBuf {
        self.base.join("server.json")
    }
}

fn default_profile(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("default")?.trim_start().strip_prefix('='))?;
    let id = line.trim();
    // It becomes a path: only what `profile_id` can make is believed.
    let fits = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| id.to_owned())
}

fn make_private(path: &Path) -> Result<(), LayoutError> {
    let failed = |source| LayoutError { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
}

/// Makes a folder that nodes write to, whatever user their image runs them as. Other people of this machine do not get to it:
/// the folders above are private.
fn make_shared(path: &Path) -> Result<(), LayoutError> {
    make_private(path)?;
    let failed = |source| LayoutError { path: path.to_owned(), source };
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).map_err(failed)
}

fn write_if_absent(path: &Path, text: &str) -> Result<(), LayoutError> {
    if path.exists() {
        return Ok(());
    }
    let failed = |source| LayoutError { path: path.to_owned(), source };
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_ids_follow_the_documented_rule() {
        // printf '%s' 'local|acme|ada@example.org' | md5sum
        assert_eq!(profile_id("local", "acme", "ada@example.org"), "8d9b08da");
    }

    #[test]
    fn the_first_use_makes_the_documented_layout_and_keeps_it_private() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().join(".conducto");
        let layout = Layout::find(&base, "acme", "ada");
        layout.create().unwrap();
        let pipeline = PipelineId::parse("abc-def").unwrap();
        layout.create_pipeline(&pipeline, Trust::Trusted).unwrap();

        let profile = layout.profile();
        assert_eq!(fs::read_to_string(base.join("config")).unwrap(), format!("[general]\ndefault = {profile}\n"));
        let config = fs::read_to_string(base.join(profile).join("config")).unwrap();
        assert_eq!(config, "[general]\nurl = local\norg_id = acme\nemail = ada\n");
        assert!(base.join(profile).join("data").is_dir());
        assert!(base.join(profile).join("pipelines/abc-def/data").is_dir());
        assert_eq!(fs::metadata(&base).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(base.join("config")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_spare_was_given_becomes_the_pipelines_own() {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::find(base.path(), "acme", "ada");
        layout.create().unwrap();
        let id = PipelineId::parse("abc-def").unwrap();
        let (source, data) = layout.create_spare(&id).unwrap();
        fs::write(data.join("mark"), "").unwrap();
        fs::write(source.join("mark"), "").unwrap();
        for _ in 0..2 {
            layout.launch_spare(&id).unwrap();
            layout.create_pipeline(&id, Trust::Trusted).unwrap();
        }
        assert!(layout.pipeline_data(&id).join("mark").exists() && layout.source_folder(&id).join("mark").exists());
        assert!(layout.spares().is_empty());
    }

    #[test]
    fn the_code_of_a_fork_gets_a_folder_of_its_own_in_the_place_of_user_data() {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::find(base.path(), "acme", "ada");
        layout.create().unwrap();
        let pipeline = PipelineId::parse("abc-def").unwrap();
        layout.create_pipeline(&pipeline, Trust::Fork).unwrap();
        let folder = layout.user_data_for(&pipeline, Trust::Fork);
        assert!(folder.is_dir() && !folder.starts_with(layout.user_data()));
        assert!(!folder.starts_with(layout.pipeline_data(&pipeline)));
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(layout.user_data_for(&pipeline, Trust::Trusted), layout.user_data());
    }

    #[test]
    fn an_existing_default_profile_is_kept_when_names_change() {
        let base = tempfile::tempdir().unwrap();
        let first = Layout::find(base.path(), "acme", "ada");
        first.create().unwrap();
        assert_eq!(Layout::find(base.path(), "renamed", "root").profile(), first.profile());
    }

    #[test]
    fn a_default_that_is_no_profile_id_is_not_believed() {
        assert_eq!(default_profile("[general]\ndefault = ../../etc\n"), None);
        assert_eq!(default_profile("[general]\ndefault=0a1b2c3d\n"), Some("0a1b2c3d".to_owned()));
    }
}

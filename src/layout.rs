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
/// <an owner's profile id>/data/        user data of an owner of repositories who is not the profile's user
/// server/                             database and lock (private)
/// <profile id>/pipelines/<id>/logs/   logs of its attempts
/// mirrors/ bin/ run/                  repositories, the worker's binary, sockets and working copies
/// images/                             logs of the making of images
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
    /// Finds the layout of a base directory: its default profile if that is of this machine, else the first one that is, else the
    /// one that these names make.
    ///
    /// The default wins so that a renamed organisation, or a start under another login, does not lose sight of the data.
    pub fn find(base: &Path, organisation: &str, user: &str) -> Self {
        let default = fs::read_to_string(base.join("config")).ok().and_then(|text| default_profile(&text));
        // The default may be that of a server elsewhere, whose data are not here.
        let kept = default.filter(|id| !is_elsewhere(base, id)).or_else(|| local_profile(base));
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
            self.base.join("images"),
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

    /// Returns the profile's directory of an owner; nobody named is the user whose profile this is.
    fn owner_dir(&self, owner: Option<&str>) -> PathBuf {
        match owner.filter(|owner| *owner != self.user) {
            Some(owner) => self.base.join(profile_id("local", &self.organisation, owner)),
            None => self.profile_dir(),
        }
    }

    /// Returns the folder of the user data of an owner; nobody named is the user whose profile this is.
    pub fn owner_data(&self, owner: Option<&str>) -> PathBuf {
        self.owner_dir(owner).join("data")
    }

    /// Lists the profiles' directories of all owners who have user data and are not the user whose profile this is.
    pub fn other_owners(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.base).into_iter().flatten().flatten();
        let is_profile = |folder: &PathBuf| {
            let id = folder.file_name().and_then(|name| name.to_str());
            *folder != self.profile_dir() && id.is_some_and(is_profile_id) && folder.join("data").is_dir()
        };
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_profile).collect();
        found.sort();
        found
    }

    /// Makes the folder of an owner's user data. Idempotent.
    ///
    /// # Errors
    /// [`LayoutError`] names the path that could not be made.
    pub fn create_owner(&self, owner: Option<&str>) -> Result<(), LayoutError> {
        make_private(&self.owner_dir(owner))?;
        make_shared(&self.owner_data(owner))?;
        let (organisation, user) = (&self.organisation, owner.unwrap_or(&self.user));
        let text = format!("[general]\nurl = local\norg_id = {organisation}\nemail = {user}\n");
        write_if_absent(&self.owner_dir(owner).join("config"), &text)
    }

    /// Returns the folder that a pipeline of a fork's code has instead of the user data.
    pub fn fork_data(&self, id: &PipelineId) -> PathBuf {
        self.pipelines().join(id.as_str()).join("user")
    }

    /// Returns the folder behind `/conducto/data/user` of one pipeline: that of its owner, or for the code of a fork its own.
    pub fn user_data_for(&self, id: &PipelineId, trust: Trust, owner: Option<&str>) -> PathBuf {
        match trust {
            Trust::Trusted => self.owner_data(owner),
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
    pub fn create_pipeline(&self, id: &PipelineId, trust: Trust, owner: Option<&str>) -> Result<(), LayoutError> {
        let data = self.pipeline_data(id);
        if let Some(parent) = data.parent() {
            make_private(parent)?;
        }
        make_shared(&data)?;
        match trust {
            Trust::Trusted => self.create_owner(owner),
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

    /// Returns the folder of one shell in the place of a node.
    pub fn debugging(&self, key: &str) -> PathBuf {
        self.run().join("debug").join(key)
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

    /// Returns the folder that workers of a pipeline see which work on another repository; the key tells these apart.
    pub fn other_source_folder(&self, id: &PipelineId, key: &str) -> PathBuf {
        self.source_folder(id).join("others").join(key)
    }

    /// Returns the log of the making of an image.
    pub fn image_log(&self, name: &str) -> PathBuf {
        self.base.join("images").join(name)
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
    is_profile_id(id).then(|| id.to_owned())
}

fn is_profile_id(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_elsewhere(base: &Path, id: &str) -> bool {
    let text = fs::read_to_string(base.join(id).join("config")).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("url")?.trim_start().strip_prefix('='));
    lines.next().is_some_and(|url| url.trim() != "local")
}

/// Finds a profile of this machine where the default is none.
fn local_profile(base: &Path) -> Option<String> {
    let entries = fs::read_dir(base).ok()?.flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_profile = |id: &String| base.join(id).join("config").is_file() && !is_elsewhere(base, id);
    ids.filter(is_profile).min()
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
        layout.create_pipeline(&pipeline, Trust::Trusted, None).unwrap();

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
            layout.create_pipeline(&id, Trust::Trusted, None).unwrap();
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
        layout.create_pipeline(&pipeline, Trust::Fork, Some("bob")).unwrap();
        let folder = layout.user_data_for(&pipeline, Trust::Fork, Some("bob"));
        assert!(folder.is_dir() && !folder.starts_with(layout.user_data()));
        assert!(!folder.starts_with(layout.pipeline_data(&pipeline)));
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(layout.user_data_for(&pipeline, Trust::Trusted, None), layout.user_data());
    }

    #[test]
    fn every_owner_has_user_data_of_their_own() {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::find(base.path(), "acme", "ada");
        layout.create().unwrap();
        let pipeline = PipelineId::parse("abc-def").unwrap();
        assert!(layout.other_owners().is_empty());
        layout.create_pipeline(&pipeline, Trust::Trusted, Some("bob")).unwrap();
        let folder = layout.user_data_for(&pipeline, Trust::Trusted, Some("bob"));
        let profile = base.path().join(profile_id("local", "acme", "bob"));
        assert_eq!(folder, profile.join("data"));
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o777);
        assert_eq!(fs::metadata(&profile).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(layout.other_owners(), [profile]);
        // Whoever has the profile has no second one.
        assert_eq!(layout.user_data_for(&pipeline, Trust::Trusted, Some("ada")), layout.user_data());
    }

    #[test]
    fn an_existing_default_profile_is_kept_when_names_change() {
        let base = tempfile::tempdir().unwrap();
        let first = Layout::find(base.path(), "acme", "ada");
        first.create().unwrap();
        assert_eq!(Layout::find(base.path(), "renamed", "root").profile(), first.profile());
    }

    #[test]
    fn a_default_of_a_server_elsewhere_does_not_hide_the_data_that_are_here() {
        let base = tempfile::tempdir().unwrap();
        let here = Layout::find(base.path(), "acme", "ada");
        here.create().unwrap();
        fs::create_dir(base.path().join("0a1b2c3d")).unwrap();
        fs::write(base.path().join("0a1b2c3d/config"), "[general]\nurl = https://ci.example.org\n").unwrap();
        fs::write(base.path().join("config"), "[general]\ndefault = 0a1b2c3d\n").unwrap();
        assert_eq!(Layout::find(base.path(), "renamed", "root").profile(), here.profile());
    }

    #[test]
    fn a_default_that_is_no_profile_id_is_not_believed() {
        assert_eq!(default_profile("[general]\ndefault = ../../etc\n"), None);
        assert_eq!(default_profile("[general]\ndefault=0a1b2c3d\n"), Some("0a1b2c3d".to_owned()));
    }
}

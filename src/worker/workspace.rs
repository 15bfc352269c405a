//! What a node finds when it starts: working copy, HOME, TMPDIR, its script and a shell for it. Knows no processes.

use std::{
    collections::HashSet,
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    Options,
    layer::{Layers, Places},
    spawn::Confinement,
    tree::{Stamp, WorkingCopy, clear, file_clock, remove},
};
use crate::model::Isolation;

/// In the order in which they are preferred (`compat.md` §3.4).
const SHELLS: [&str; 4] = ["bash", "ash", "zsh", "sh"];
const SHELL_FOLDERS: [&str; 3] = ["/bin", "/usr/bin", "/usr/local/bin"];

/// Names of HOME and TMPDIR.
const HOME: &str = "home";
const TEMPORARY: &str = "tmp";

/// Files in a working copy that is small.
const SMALL: usize = 500;

/// The folders of one worker's nodes; prepared for one node at a time.
#[derive(Debug)]
pub(crate) struct Workspace {
    copy: Option<WorkingCopy>,
    work: PathBuf,
    /// Where nodes begin.
    begin_in: PathBuf,
    private: PathBuf,
    script: Script,
    shell: Option<PathBuf>,
    /// Counts the folders that were made for HOME and TMPDIR.
    number: u64,
    folders: Option<Folders>,
    /// When the last node may have begun.
    handed_over: (i64, i64),
    /// Absent where the worker may not mount.
    layers: Option<Layers>,
    /// Why there is no layer for the next node.
    no_layer: Option<String>,
}

impl Workspace {
    /// Names the folders; nothing is made yet.
    pub(crate) fn new(options: &Options) -> Self {
        let copy = options.source.clone().map(|source| WorkingCopy::new(source, options.work.clone()));
        let script = options.script.clone().unwrap_or_else(|| options.private.join("cmd.sh"));
        let (work, private) = (options.work.clone(), options.private.clone());
        let layers = options.layers.clone().map(|layers| {
            let house = script.parent().map(Path::to_owned).unwrap_or_default();
            Layers::new(Places { layers, house, open: vec![private.clone(), work.clone()] })
        });
        Self {
            copy,
            begin_in: options.begin_in.clone().unwrap_or_else(|| work.clone()),
            work,
            private,
            script: Script { path: script, written: None },
            shell: None,
            number: 0,
            folders: None,
            handed_over: (0, 0),
            layers,
            no_layer: None,
        }
    }

    /// Says whether what nodes work on is there: a worker may be up before it is known what for.
    pub(crate) fn is_furnished(&self) -> bool {
        self.copy.as_ref().is_none_or(WorkingCopy::has_source)
    }

    /// Removes what the last node left and makes everything ready for the next.
    ///
    /// # Errors
    /// With the path and what happened to it.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        if !self.folders.as_ref().is_some_and(|folders| folders.is_untouched(self.handed_over)) {
            self.folders = None;
            self.renew_folders()?;
        }
        if self.layers.is_some() {
            // What else a node could leave beside them, where no layer takes it.
            let keep = HashSet::from([self.number.to_string().into(), super::data_door::SOCKET.into()]);
            clear(&self.private, &keep).map_err(|error| told(&self.private, &error))?;
        }
        match &mut self.copy {
            Some(copy) => copy.restore(),
            None => fs::create_dir_all(&self.work),
        }
        .map_err(|error| told(&self.work, &error))?;
        // Children inherit it; so no child needs a change of folder between fork and exec.
        std::env::set_current_dir(&self.begin_in).map_err(|error| told(&self.begin_in, &error))?;
        let layer = self.layers.as_mut().map_or(Ok(()), Layers::prepare);
        self.no_layer = layer.err().map(|error| error.to_string());
        Ok(())
    }

    /// Makes folders of another name: what is left of the node before may still hold the old ones open.
    fn renew_folders(&mut self) -> io::Result<()> {
        let old = self.private.join(self.number.to_string());
        remove(&old).map_err(|error| told(&old, &error))?;
        self.number += 1;
        let fresh = self.private.join(self.number.to_string());
        remove(&fresh).map_err(|error| told(&fresh, &error))?;
        self.folders = Some(Folders::make(&fresh).map_err(|error| told(&fresh, &error))?);
        Ok(())
    }

    /// Says whether preparing is a matter of less than a millisecond.
    pub(crate) fn is_small(&self) -> bool {
        self.copy.as_ref().is_none_or(|copy| copy.size().is_some_and(|size| size <= SMALL))
            && self.layers.as_ref().is_none_or(Layers::is_untouched)
    }

    /// Returns what a node's process has to give up before it begins.
    ///
    /// # Errors
    /// With words for people, when the node cannot have the isolation that it wants.
    pub(crate) fn confinement(&self, isolation: Isolation) -> Result<Option<Confinement>, String> {
        let view = match (isolation, &self.layers, &self.no_layer) {
            (Isolation::Pristine, None, _) => {
                return Err("`isolation = \"pristine\"` needs a worker that may mount, and this one may not; an \
                            administrator can allow it in containers with `[containers] pristine = true`"
                    .to_owned());
            }
            (Isolation::Pristine, Some(_), Some(message)) => return Err(message.clone()),
            (Isolation::Pristine, Some(layers), None) => layers.view(),
            // What the worker may do, a node may not.
            (Isolation::Shared, Some(_), _) => None,
            (Isolation::Shared, None, _) => return Ok(None),
        };
        Confinement::new(view, &self.begin_in).map(Some).map_err(|error| error.to_string())
    }

    /// Removes everything that was made for nodes.
    pub(crate) fn dissolve(&mut self) {
        if let Some(Err(error)) = self.layers.as_mut().map(Layers::dissolve) {
            tracing::debug!(%error, "a layer is left behind");
        }
        for path in [&self.private.join(self.number.to_string()), &self.script.path] {
            if let Err(error) = remove(path) {
                tracing::debug!(%error, path = %path.display(), "left behind");
            }
        }
    }

    /// Returns the folder in which HOME and TMPDIR are.
    pub(crate) fn private(&self) -> &Path {
        &self.private
    }

    /// Returns HOME.
    pub(crate) fn home(&self) -> PathBuf {
        self.private.join(self.number.to_string()).join(HOME)
    }

    /// Returns TMPDIR.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.private.join(self.number.to_string()).join(TEMPORARY)
    }

    /// Writes the script and notes that a node begins; returns shell and script.
    ///
    /// Another script is another file: a process left from before may still be reading the last one.
    ///
    /// # Errors
    /// With words for people.
    pub(crate) fn hand_over(&mut self, command: &str, shell: Option<&str>) -> Result<(PathBuf, &Path), String> {
        if shell.is_none() && self.shell.is_none() {
            self.shell = find_shell();
        }
        if let Some(wanted) = shell.filter(|wanted| !runs(Path::new(wanted))) {
            return Err(format!("the image has no shell `{wanted}`, which it was said to have"));
        }
        let Some(shell) = shell.map(PathBuf::from).or_else(|| self.shell.clone()) else {
            return Err(format!(
                "no shell was found: the image has none of {} in {}; choose an image with a shell",
                SHELLS.join(", "),
                SHELL_FOLDERS.join(", ")
            ));
        };
        let written = self.script.write(&shell, command, self.handed_over);
        written.map_err(|error| told(&self.script.path, &error).to_string())?;
        if let Some(copy) = &mut self.copy {
            copy.hand_over();
        }
        self.handed_over = file_clock();
        Ok((shell, &self.script.path))
    }
}

fn told(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the node's files could not be prepared: {}: {error}", path.display()))
}

fn find_shell() -> Option<PathBuf> {
    SHELLS.iter().flat_map(|name| SHELL_FOLDERS.map(|folder| Path::new(folder).join(name))).find(|path| runs(path))
}

fn runs(path: &Path) -> bool {
    path.is_absolute() && fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
}

/// HOME and TMPDIR in a folder of theirs, as they were made; most nodes leave them so.
#[derive(Debug)]
struct Folders {
    made: [(PathBuf, Stamp, u32); 3],
}

impl Folders {
    fn make(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o755).recursive(true).create(folder)?;
        for (name, mode) in [(HOME, 0o755), (TEMPORARY, 0o1777)] {
            fs::create_dir(folder.join(name))?;
            fs::set_permissions(folder.join(name), Permissions::from_mode(mode))?;
        }
        let noted = |path: PathBuf| {
            let metadata = fs::symlink_metadata(&path)?;
            Ok::<_, io::Error>((path, Stamp::of(&metadata), metadata.mode()))
        };
        Ok(Self { made: [noted(folder.to_owned())?, noted(folder.join(HOME))?, noted(folder.join(TEMPORARY))?] })
    }

    fn is_untouched(&self, handed_over: (i64, i64)) -> bool {
        let entries = |path: &Path| fs::read_dir(path).map_or(usize::MAX, Iterator::count);
        self.made.iter().zip([2, 0, 0]).all(|((path, stamp, mode), expected)| {
            fs::symlink_metadata(path).is_ok_and(|now| Stamp::of(&now) == *stamp && now.mode() == *mode)
                && (stamp.is_trusted(handed_over) || entries(path) == expected)
        })
    }
}

/// The file with the node's command.
#[derive(Debug)]
struct Script {
    path: PathBuf,
    /// What was written last, and how the file looked then.
    written: Option<(Vec<u8>, Stamp)>,
}

impl Script {
    /// Writes a command, unless it is there already: writing costs more than all else that a short node needs.
    fn write(&mut self, shell: &Path, command: &str, handed_over: (i64, i64)) -> io::Result<()> {
        let mut text = Vec::with_capacity(command.len() + 32);
        writeln!(text, "#!{}", shell.display())?;
        text.extend_from_slice(command.as_bytes());
        if !command.ends_with('\n') {
            text.push(b'\n');
        }
        if self.is_there(&text, handed_over) {
            return Ok(());
        }
        self.written = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => remove(&self.path)?,
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o755).open(&self.path)?;
        file.write_all(&text)?;
        self.written = Some((text, Stamp::of(&file.metadata()?)));
        Ok(())
    }

    fn is_there(&self, text: &[u8], handed_over: (i64, i64)) -> bool {
        let Some((_, stamp)) = self.written.as_ref().filter(|(written, _)| written == text) else { return false };
        // Where the kernel's clock could hide a change, the file is compared.
        let is_untouched = |file: fs::Metadata| {
            let is_plain = file.is_file() && file.nlink() == 1 && file.mode() & 0o7777 == 0o755;
            let is_same = || fs::read(&self.path).is_ok_and(|found| found == text);
            is_plain && Stamp::of(&file) == *stamp && (stamp.is_trusted(handed_over) || is_same())
        };
        fs::symlink_metadata(&self.path).is_ok_and(is_untouched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(root: &Path) -> Options {
        Options {
            socket: root.join("run/worker.sock"),
            source: Some(root.join("source")),
            work: root.join("work"),
            begin_in: None,
            private: root.join("private"),
            script: None,
            layers: None,
            kit: None,
            data: false,
            name: None,
            detach: false,
        }
    }

    #[test]
    fn every_node_has_a_home_and_a_folder_for_temporary_files_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        let mut workspace = Workspace::new(&options(root.path()));
        workspace.prepare().unwrap();
        let (home, temporary) = (workspace.home(), workspace.temporary());
        fs::write(home.join(".profile"), "x").unwrap();
        fs::write(temporary.join("left"), "x").unwrap();
        workspace.prepare().unwrap();
        assert!(!home.exists() && !temporary.exists());
        assert_eq!(fs::read_dir(workspace.home()).unwrap().count(), 0);
        assert_eq!(fs::metadata(workspace.temporary()).unwrap().permissions().mode() & 0o7777, 0o1777);
    }

    #[test]
    fn folders_that_a_node_left_alone_serve_the_next() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        let mut workspace = Workspace::new(&options(root.path()));
        workspace.prepare().unwrap();
        let home = workspace.home();
        workspace.hand_over("true", None).unwrap();
        workspace.prepare().unwrap();
        assert_eq!(workspace.home(), home);
        let deeds: [fn(&Path); 4] = [
            |home| fs::write(home.join("x"), "").unwrap(),
            |home| fs::set_permissions(home, Permissions::from_mode(0o700)).unwrap(),
            |home| fs::remove_dir(home).unwrap(),
            |home| fs::write(home.parent().unwrap().join("beside"), "").unwrap(),
        ];
        for deed in deeds {
            let home = workspace.home();
            workspace.hand_over("true", None).unwrap();
            deed(&home);
            workspace.prepare().unwrap();
            assert!(workspace.home() != home && !home.exists());
        }
    }

    #[test]
    fn a_script_that_was_tampered_with_is_written_anew() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        let mut workspace = Workspace::new(&options(root.path()));
        workspace.prepare().unwrap();
        let script = workspace.hand_over("echo 1", None).unwrap().1.to_owned();
        let (inode, text) = (fs::metadata(&script).unwrap().ino(), fs::read(&script).unwrap());
        workspace.hand_over("echo 1", None).unwrap();
        assert_eq!(fs::metadata(&script).unwrap().ino(), inode, "the same script stays");
        fs::write(&script, String::from_utf8_lossy(&text).replace('1', "2")).unwrap();
        workspace.hand_over("echo 1", None).unwrap();
        assert_eq!(fs::read(&script).unwrap(), text);
        fs::hard_link(&script, root.path().join("link")).unwrap();
        workspace.hand_over("echo 1", None).unwrap();
        assert_eq!(fs::metadata(&script).unwrap().nlink(), 1);
        fs::remove_file(&script).unwrap();
        std::os::unix::fs::symlink("link", &script).unwrap();
        workspace.hand_over("echo 1", None).unwrap();
        assert!(fs::symlink_metadata(&script).unwrap().is_file());
    }

    #[test]
    fn a_shell_that_is_asked_for_must_be_there() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        let mut workspace = Workspace::new(&options(root.path()));
        workspace.prepare().unwrap();
        let (shell, script) = workspace.hand_over("true", Some("/bin/sh")).unwrap();
        assert_eq!(
            (shell.as_path(), fs::read_to_string(script).unwrap().as_str()),
            (Path::new("/bin/sh"), "#!/bin/sh\ntrue\n")
        );
        for missing in ["/bin/fish-of-nobody", "sh"] {
            let refused = workspace.hand_over("true", Some(missing)).unwrap_err();
            assert!(refused.contains(&format!("no shell `{missing}`")), "{refused}");
        }
    }

    #[test]
    fn the_script_names_its_shell_and_ends_with_a_line_feed() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("source")).unwrap();
        let mut workspace = Workspace::new(&options(root.path()));
        workspace.prepare().unwrap();
        let (shell, script) = workspace.hand_over("echo one\necho two", None).unwrap();
        let expected = format!("#!{}\necho one\necho two\n", shell.display());
        assert_eq!(fs::read_to_string(script).unwrap(), expected);
    }
}

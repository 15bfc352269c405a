//! Makes a commit of a working copy as it lies on the disk, changed and new files included, in a mirror. Writes nothing into the
//! repository of the working copy.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use git2::{DiffOptions, ErrorCode, Index, IndexEntry, IndexTime, ObjectType, Odb, Oid, Repository};

use super::{
    error::Error,
    mirror::{MirrorName, Mirrors},
    options,
};

const FILE: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_000;
const SUBMODULE: u32 = 0o160_000;

/// The two bits of an entry's flags that say which side of a conflict it is.
const STAGE: u16 = 0x3000;

/// Files by their paths, with the blob and the mode that git knows for each; nothing where the file has to be read.
type Files = BTreeMap<Vec<u8>, Option<(Oid, u32)>>;

/// A working copy on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingCopy {
    /// Its folder.
    pub root: PathBuf,
    /// Short name of the branch it is on; nothing where it is on none.
    pub branch: Option<String>,
    /// Where it was cloned from, as `owner/name`; nothing where that cannot be told.
    pub full_name: Option<String>,
}

/// A commit that was made of a working copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id: that of the commit the working copy is at, where nothing differs.
    pub sha: String,
    /// How many files differ from the commit that the working copy is at.
    pub changed: usize,
    /// First line of the message of the commit that the working copy is at; empty where there is none.
    pub subject: String,
}

/// Finds the working copy around a folder.
///
/// # Errors
/// [`Error::NotFound`] where there is none.
pub fn working_copy(folder: &Path) -> Result<WorkingCopy, Error> {
    options::set();
    let repository = Repository::discover(folder).map_err(|error| match error.code() {
        ErrorCode::NotFound => Error::NotFound(format!("{} is in no git repository", folder.display())),
        _ => error.into(),
    })?;
    let Some(root) = repository.workdir() else {
        return Err(Error::Refused(format!("{} is a bare repository, without files to run", folder.display())));
    };
    let root = root.canonicalize().map_err(Error::disk("find the working copy"))?;
    // A branch without a commit yet has a name all the same.
    let head = repository.find_reference("HEAD").ok();
    let branch = head.and_then(|head| Some(head.symbolic_target().ok()??.strip_prefix("refs/heads/")?.to_owned()));
    let origin = repository.find_remote("origin").ok();
    let full_name = origin.and_then(|origin| full_name(origin.url().ok()?));
    Ok(WorkingCopy { root, branch, full_name })
}

/// Returns a number that differs as soon as a file of the working copy does that a snapshot would hold: by names, sizes and times.
///
/// # Errors
/// When the repository cannot be read.
pub fn fingerprint(root: &Path) -> Result<u64, Error> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let repository = open(root)?;
    let mut hasher = DefaultHasher::new();
    for path in paths(&repository)?.keys() {
        path.hash(&mut hasher);
        if let Ok(stat) = fs::symlink_metadata(root.join(std::ffi::OsStr::from_bytes(path))) {
            (stat.len(), stat.mtime(), stat.mtime_nsec(), stat.mode()).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

impl Mirrors {
    /// Makes a commit of the working copy with this root, with `more` files by their paths in it.
    ///
    /// What git ignores is not in it, nor what is in repositories inside. Its parent is the commit that the working copy is at.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no repository, [`Error::Disk`] when a file cannot be read.
    pub async fn snapshot(
        &self,
        mirror: &MirrorName,
        root: &Path,
        more: BTreeMap<String, String>,
    ) -> Result<Snapshot, Error> {
        let root = root.to_owned();
        self.write(mirror, move |mirror| take(mirror, &root, &more)).await
    }
}

fn open(root: &Path) -> Result<Repository, Error> {
    options::set();
    Repository::open(root).map_err(|error| match error.code() {
        ErrorCode::NotFound => Error::NotFound(format!("{} is no git repository", root.display())),
        _ => error.into(),
    })
}

/// Lists every file that a snapshot holds.
fn paths(repository: &Repository) -> Result<Files, Error> {
    let index = repository.index()?;
    let mut paths = Files::new();
    for entry in index.iter() {
        let known = (entry.flags & STAGE == 0).then_some((entry.id, entry.mode));
        paths.insert(entry.path, known);
    }
    let mut options = DiffOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_typechange(true).update_index(false);
    let diff = repository.diff_index_to_workdir(Some(&index), Some(&mut options))?;
    for delta in diff.deltas() {
        let Some(path) = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes()) else { continue };
        match delta.status() {
            git2::Delta::Deleted => drop(paths.remove(path)),
            // A repository inside; what is in it belongs to that.
            _ if path.ends_with(b"/") => {}
            _ if delta.new_file().mode() == git2::FileMode::Commit => {}
            _ => drop(paths.insert(path.to_owned(), None)),
        }
    }
    Ok(paths)
}

fn take(mirror: &Repository, root: &Path, more: &BTreeMap<String, String>) -> Result<Snapshot, Error> {
    let source = open(root)?;
    let (from, to) = (source.odb()?, mirror.odb()?);
    let mut index = Index::new()?;
    for (path, known) in paths(&source)? {
        let found = match known {
            Some((id, mode)) if mode == SUBMODULE => Some((id, mode)),
            Some((id, mode)) => {
                copy(&from, &to, id)?;
                Some((id, mode))
            }
            None => read(&to, &root.join(std::ffi::OsStr::from_bytes(&path)))?,
        };
        if let Some((id, mode)) = found {
            index.add(&entry(path, id, mode))?;
        }
    }
    for (path, text) in more {
        index.add(&entry(path.clone().into_bytes(), to.write(ObjectType::Blob, text.as_bytes())?, FILE))?;
    }
    let tree = index.write_tree_to(mirror)?;
    let head = match source.head() {
        Ok(head) => Some(head.peel_to_commit()?),
        Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let subject = head.as_ref().and_then(|head| Some(String::from_utf8_lossy(head.summary_bytes()?).into_owned()));
    let same = head.as_ref().filter(|head| head.tree_id() == tree);
    let (id, changed) = match (same, &head) {
        (Some(head), _) => {
            copy(&from, &to, head.id())?;
            (head.id(), 0)
        }
        (None, head) => {
            let before = head.as_ref().map(|head| head.tree()).transpose()?;
            // The mirror has no parent's tree; names and ids are enough to count.
            let mut before_index = Index::new()?;
            if let Some(before) = &before {
                before_index.read_tree(before)?;
            }
            let changed = differences(&before_index, &index);
            (commit(&to, tree, head.as_ref())?, changed)
        }
    };
    let keep = format!("refs/conducto/keep/{id}");
    mirror.reference(&keep, id, true, "kept for a pipeline")?;
    Ok(Snapshot { sha: id.to_string(), changed, subject: subject.unwrap_or_default() })
}

fn differences(before: &Index, after: &Index) -> usize {
    let table = |index: &Index| -> BTreeMap<Vec<u8>, (Oid, u32)> {
        index.iter().map(|entry| (entry.path, (entry.id, entry.mode))).collect()
    };
    let (before, after) = (table(before), table(after));
    let gone = before.keys().filter(|path| !after.contains_key(*path)).count();
    gone + after.iter().filter(|(path, what)| before.get(*path) != Some(what)).count()
}

/// Writes the commit as git would, but without looking for its parent, which the mirror need not have.
fn commit(odb: &Odb<'_>, tree: Oid, head: Option<&git2::Commit<'_>>) -> Result<Oid, Error> {
    // The same files over the same commit make the same snapshot, whenever it is taken.
    let seconds = head.map_or(0, |head| head.time().seconds());
    let parent = head.map(|head| format!("parent {}\n", head.id())).unwrap_or_default();
    let text = format!(
        "tree {tree}\n{parent}author conducto <conducto@localhost> {seconds} +0000\n\
         committer conducto <conducto@localhost> {seconds} +0000\n\nThe working copy as it was\n"
    );
    Ok(odb.write(ObjectType::Commit, text.as_bytes())?)
}

fn copy(from: &Odb<'_>, to: &Odb<'_>, id: Oid) -> Result<(), Error> {
    if !to.exists(id) {
        let object = from.read(id)?;
        to.write(object.kind(), object.data())?;
    }
    Ok(())
}

/// Reads a file as it lies on the disk; nothing where it is gone, or is nothing that git keeps.
fn read(to: &Odb<'_>, path: &Path) -> Result<Option<(Oid, u32)>, Error> {
    let stat = match fs::symlink_metadata(path) {
        Ok(stat) => stat,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::disk("look at a file of the working copy")(error)),
    };
    let failed = Error::disk("read a file of the working copy");
    if stat.is_symlink() {
        let target = fs::read_link(path).map_err(failed)?;
        return Ok(Some((to.write(ObjectType::Blob, target.as_os_str().as_bytes())?, SYMLINK)));
    }
    if !stat.is_file() {
        return Ok(None);
    }
    let content = fs::read(path).map_err(failed)?;
    let mode = if stat.permissions().mode() & 0o100 == 0 { FILE } else { EXECUTABLE };
    Ok(Some((to.write(ObjectType::Blob, &content)?, mode)))
}

fn entry(path: Vec<u8>, id: Oid, mode: u32) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path,
    }
}

/// Reads `owner/name` out of an address such as `git@host:owner/name.git` or `https://host/owner/name`.
fn full_name(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':')?.1,
    };
    let path = path.trim_matches('/');
    let mut parts = path.strip_suffix(".git").unwrap_or(path).rsplit('/');
    let (name, owner) = (parts.next()?, parts.next()?);
    let fits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (fits(name) && fits(owner)).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::git::Options;

    fn mirror(root: &Path) -> (Mirrors, MirrorName) {
        (Mirrors::build(Options::new(root.join("mirrors"))).unwrap(), MirrorName { host: "local".into(), id: 7 })
    }

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn repository(root: &Path) -> Repository {
        let repository = Repository::init(root).unwrap();
        write(root, ".gitignore", "target\n");
        write(root, "src/main.c", "int main;\n");
        write(root, "old", "old\n");
        let mut index = repository.index().unwrap();
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let author = git2::Signature::new("ada", "ada@example.org", &git2::Time::new(1_700_000_000, 0)).unwrap();
        repository.commit(Some("HEAD"), &author, &author, "Begin\n", &tree, &[]).unwrap();
        drop(tree);
        repository
    }

    #[tokio::test]
    async fn a_clean_working_copy_is_its_own_commit() {
        let place = tempfile::tempdir().unwrap();
        let repository = repository(&place.path().join("work"));
        let (mirrors, name) = mirror(place.path());
        let root = working_copy(&place.path().join("work/src")).unwrap().root;
        let snapshot = mirrors.snapshot(&name, &root, BTreeMap::new()).await.unwrap();
        let head = repository.head().unwrap().target().unwrap().to_string();
        assert_eq!(snapshot, Snapshot { sha: head, changed: 0, subject: "Begin".into() });
        let copy = place.path().join("copy");
        mirrors.checkout(&name, &snapshot.sha, &copy).await.unwrap();
        assert_eq!(fs::read_to_string(copy.join("src/main.c")).unwrap(), "int main;\n");
    }

    #[tokio::test]
    async fn changed_and_new_files_are_in_it_ignored_and_removed_ones_are_not_and_the_repository_stays_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("work");
        let repository = repository(&root);
        write(&root, "src/main.c", "int changed;\n");
        write(&root, "new/run.sh", "echo new\n");
        write(&root, "target/ignored", "big\n");
        fs::set_permissions(root.join("new/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("src/main.c", root.join("link")).unwrap();
        fs::remove_file(root.join("old")).unwrap();
        Repository::init(root.join("inner")).unwrap();
        write(&root, "inner/file", "not ours\n");
        let objects = || walk(&root.join(".git"));
        let before = objects();

        let (mirrors, name) = mirror(place.path());
        let more = BTreeMap::from([("ci/pipeline.toml".to_owned(), "[\"/a\"]\n".to_owned())]);
        let snapshot = mirrors.snapshot(&name, &root, more).await.unwrap();
        assert_eq!((snapshot.changed, snapshot.subject.as_str()), (5, "Begin"));
        let copy = place.path().join("copy");
        mirrors.checkout(&name, &snapshot.sha, &copy).await.unwrap();
        assert_eq!(
            walk(&copy).into_iter().map(|(name, _)| name).filter(|name| !name.starts_with(".git/")).collect::<Vec<_>>(),
            [".gitignore", "ci/pipeline.toml", "link", "new/run.sh", "src/main.c"]
        );
        assert_eq!(fs::read_to_string(copy.join("src/main.c")).unwrap(), "int changed;\n");
        assert_eq!(fs::metadata(copy.join("new/run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(objects(), before, "nothing is written into the user's repository");
        let copied = Repository::open(&copy).unwrap();
        let header = copied.head().unwrap().peel_to_commit().unwrap().raw_header_bytes().to_vec();
        let parent = format!("parent {}", repository.head().unwrap().target().unwrap());
        assert!(String::from_utf8(header).unwrap().contains(&parent));
    }

    #[tokio::test]
    async fn a_repository_without_a_commit_has_a_snapshot() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("work");
        Repository::init(&root).unwrap();
        write(&root, "a", "a\n");
        let (mirrors, name) = mirror(place.path());
        let first = mirrors.snapshot(&name, &root, BTreeMap::new()).await.unwrap();
        assert_eq!((first.changed, first.subject.as_str()), (1, ""));
        assert_eq!(
            mirrors.snapshot(&name, &root, BTreeMap::new()).await.unwrap(),
            first,
            "the same files, the same commit"
        );
        let before = fingerprint(&root).unwrap();
        write(&root, "b", "b\n");
        assert_ne!(fingerprint(&root).unwrap(), before);
    }

    #[test]
    fn the_name_of_a_repository_is_read_from_where_it_came_from() {
        for url in ["git@github.com:acme/api.git", "https://github.com/acme/api", "ssh://git@host:22/acme/api.git/"] {
            assert_eq!(full_name(url).as_deref(), Some("acme/api"), "{url}");
        }
        assert_eq!(full_name("../elsewhere"), None);
        assert_eq!(full_name("https://host/only"), None);
    }

    fn walk(root: &Path) -> Vec<(String, u64)> {
        let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let stat = fs::symlink_metadata(entry.path()).unwrap();
                match stat.is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push((entry.path().strip_prefix(root).unwrap().display().to_string(), stat.len())),
                }
            }
        }
        found.sort();
        found
    }
}

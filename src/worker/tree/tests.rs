//! Whatever a node does to its working copy, the next one finds it pristine.

use proptest::prelude::*;

use super::*;

/// Everything that counts about a tree: kind, mode, time of change, contents.
fn picture(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let contents = if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|item| item.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let name = path.strip_prefix(root).unwrap().to_owned();
        seen.insert(name, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), contents));
    }
    seen
}

fn source(root: &Path) -> PathBuf {
    let source = root.join("source");
    for folder in ["a", "a/b", "a/b/c", "empty", ".git"] {
        fs::create_dir_all(source.join(folder)).unwrap();
    }
    for (file, text) in [("one", "1"), ("a/two", "22"), ("a/b/three", "333"), ("a/b/c/four", ""), (".git/HEAD", "sha")]
    {
        fs::write(source.join(file), text).unwrap();
    }
    fs::set_permissions(source.join("a/two"), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(source.join(".git/HEAD"), Permissions::from_mode(0o444)).unwrap();
    symlink("two", source.join("a/link")).unwrap();
    symlink("/nowhere/at/all", source.join("a/b/dangling")).unwrap();
    let old = fs::metadata("/proc/self/exe").unwrap().modified().unwrap();
    fs::File::open(source.join("one")).unwrap().set_modified(old).unwrap();
    fs::File::open(source.join("a/b")).unwrap().set_modified(old).unwrap();
    source
}

const PATHS: [&str; 12] = [
    "",
    "one",
    "a",
    "a/two",
    "a/b",
    "a/b/three",
    "a/b/c",
    "a/b/c/four",
    "empty",
    ".git/HEAD",
    "a/link",
    "a/b/dangling",
];

#[derive(Clone, Copy, Debug)]
enum Deed {
    Write,
    WriteKeepingLength,
    Append,
    Chmod(u32),
    Remove,
    Become(&'static str),
    Rename(&'static str),
    HardLink(&'static str),
    Replace,
    Touch,
    NewInside,
}

fn deed() -> impl Strategy<Value = Deed> {
    let path = || prop::sample::select(PATHS[1..].to_vec());
    prop_oneof![
        Just(Deed::Write),
        Just(Deed::WriteKeepingLength),
        Just(Deed::Append),
        prop::sample::select(vec![0o000, 0o400, 0o777, 0o111]).prop_map(Deed::Chmod),
        Just(Deed::Remove),
        path().prop_map(Deed::Become),
        path().prop_map(Deed::Rename),
        path().prop_map(Deed::HardLink),
        Just(Deed::Replace),
        Just(Deed::Touch),
        Just(Deed::NewInside),
    ]
}

/// Does it, where it can be done; like a node, it may fail half-way.
fn apply(root: &Path, path: &Path, deed: Deed) -> io::Result<()> {
    match deed {
        Deed::Write => fs::write(path, "something else"),
        Deed::WriteKeepingLength => {
            let length = fs::metadata(path)?.len();
            fs::write(path, "x".repeat(usize::try_from(length).unwrap()))
        }
        Deed::Append => io::Write::write_all(&mut fs::File::options().append(true).open(path)?, b"more"),
        Deed::Chmod(mode) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Deed::Remove => remove(path),
        Deed::Become(other) => {
            remove(path)?;
            symlink(root.join(other), path)
        }
        Deed::Rename(other) => fs::rename(path, root.join(other)),
        Deed::HardLink(other) => {
            let other = root.join(other);
            remove(&other)?;
            fs::hard_link(path, other)
        }
        Deed::Replace => {
            let file = fs::symlink_metadata(path)?.is_file();
            remove(path)?;
            if file { fs::create_dir(path) } else { fs::write(path, "was a folder") }
        }
        Deed::Touch => fs::File::open(path)?.set_modified(std::time::UNIX_EPOCH),
        Deed::NewInside => {
            fs::create_dir_all(path.join("new/deep"))?;
            fs::write(path.join("new/deep/file"), "new")?;
            fs::set_permissions(path.join("new/deep"), Permissions::from_mode(0o000))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_deeds_of_any_nodes_leave_the_next_one_a_pristine_copy(
        nodes in prop::collection::vec(
            prop::collection::vec((prop::sample::select(PATHS.to_vec()), deed()), 0..6), 1..4)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let source = source(directory.path());
        let target = directory.path().join("work");
        let expected = picture(&source);
        let mut copy = WorkingCopy::new(source.clone(), target.clone());
        copy.restore().unwrap();
        for deeds in nodes {
            copy.hand_over();
            for (path, deed) in deeds {
                apply(&target, &target.join(path), deed).ok();
            }
            copy.restore().unwrap();
            prop_assert_eq!(&picture(&target), &expected);
        }
        prop_assert_eq!(&picture(&source), &expected);
    }
}

#[test]
fn a_change_in_the_very_instant_of_the_copy_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let source = source(directory.path());
    let target = directory.path().join("work");
    let mut copy = WorkingCopy::new(source.clone(), target.clone());
    for _ in 0..200 {
        copy.restore().unwrap();
        copy.hand_over();
        // Same length, and the times put back: only the change time could tell, and it may be the same tick.
        let file = fs::File::options().write(true).open(target.join("a/b/three")).unwrap();
        let times = file.metadata().unwrap().modified().unwrap();
        io::Write::write_all(&mut &file, b"666").unwrap();
        file.set_modified(times).unwrap();
        copy.restore().unwrap();
        assert_eq!(fs::read(target.join("a/b/three")).unwrap(), b"333");
    }
}

#[test]
fn what_nobody_touched_is_not_copied_again() {
    let directory = tempfile::tempdir().unwrap();
    let source = source(directory.path());
    let target = directory.path().join("work");
    let mut copy = WorkingCopy::new(source, target.clone());
    copy.restore().unwrap();
    let inode = |name: &str| fs::symlink_metadata(target.join(name)).unwrap().ino();
    let before = (inode("one"), inode("a/two"), inode("a/b/c/four"));
    copy.hand_over();
    fs::write(target.join("a/two"), "changed").unwrap();
    copy.restore().unwrap();
    let after = (inode("one"), inode("a/two"), inode("a/b/c/four"));
    assert_eq!((before.0, before.2), (after.0, after.2));
    assert_eq!(fs::read(target.join("a/two")).unwrap(), b"22");
}

#[test]
fn what_lay_in_the_folder_before_the_first_node_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let source = source(directory.path());
    let target = directory.path().join("work");
    fs::create_dir_all(target.join("a/old")).unwrap();
    fs::write(target.join("one"), "old").unwrap();
    WorkingCopy::new(source.clone(), target.clone()).restore().unwrap();
    assert_eq!(picture(&target), picture(&source));
}

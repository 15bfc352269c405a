//! Stores and archives on a real disk, with what people put there who mean no good.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use rstest::rstest;
use tar::{Builder, EntryType, Header};

use super::*;

fn name(text: &str) -> Name {
    Name::parse_object(text).unwrap()
}

fn put(store: &Store, object: &str, content: &[u8]) -> u64 {
    let mut draft = store.write(&name(object)).unwrap();
    draft.add(content).unwrap();
    draft.commit().unwrap()
}

fn get(store: &Store, object: &str) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    store.read(&name(object))?.file.read_to_end(&mut content).unwrap();
    Ok(content)
}

#[test]
fn what_is_stored_is_there_in_full_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    assert_eq!(put(&store, "/a/b/c.txt", b"first"), 5);
    let mut draft = store.write(&name("a/b/c.txt")).unwrap();
    draft.add(b"half of the sec").unwrap();
    assert_eq!(get(&store, "a/b/c.txt").unwrap(), b"first");
    assert_eq!(store.list(&name("a/b")).unwrap().len(), 1, "what is being written is in no list");
    drop(draft);
    assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1, "nothing is left of a draft");
    put(&store, "a/b/c.txt", b"second");
    assert_eq!(get(&store, "a/b/c.txt").unwrap(), b"second");
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("a/b"), mode("a/b/c.txt")), (0o777, 0o666), "nodes of any user can go on with it");
}

#[test]
fn lists_sizes_and_deletion_are_those_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    put(&store, "x/b", b"22");
    put(&store, "x/a", b"1");
    put(&store, "x/c/d", b"333");
    let listed = |prefix: &str| -> Vec<(String, bool, u64)> {
        let entries = store.list(&Name::parse(prefix).unwrap()).unwrap();
        entries.into_iter().map(|entry| (entry.name, entry.is_folder, entry.size)).collect()
    };
    let expected = [("x/a".to_owned(), false, 1), ("x/b".to_owned(), false, 2), ("x/c".to_owned(), true, 0)];
    assert_eq!(listed("/x/"), expected);
    assert_eq!(listed(""), [("x".to_owned(), true, 0)]);
    assert!(listed("nothing").is_empty() && listed("x/a").is_empty());
    assert_eq!(store.usage(), 6);
    assert!(store.exists(&name("x/c")).unwrap() && !store.exists(&name("x/e")).unwrap());
    assert!(matches!(store.delete(&name("x"), false), Err(Error::Kind { .. })));
    assert!(matches!(store.delete(&name("y"), true), Err(Error::Missing(_))));
    assert!(matches!(store.write(&name("x/c")), Err(Error::Kind { .. })));
    assert!(matches!(store.write(&name("x/a/b")), Err(Error::Kind { .. })));
    store.delete(&name("x/a"), false).unwrap();
    store.delete(&name("x"), true).unwrap();
    assert!(listed("").is_empty());
    assert_eq!(store.usage(), 0);
}

#[test]
fn nothing_is_read_written_or_deleted_through_a_link() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "of somebody else").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    symlink(outside.path(), folder.path().join("way")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("file")).unwrap();
    symlink("..", folder.path().join("up")).unwrap();
    for object in ["way/secret", "file", "up/x", "way"] {
        assert!(get(&store, object).is_err(), "{object}");
        assert!(!store.exists(&name(object)).unwrap(), "{object}");
    }
    assert!(store.list(&name("way")).unwrap().is_empty());
    assert!(store.write(&name("way/new")).is_err());
    assert_eq!(store.usage(), 0);
    // In the place of a link, never through it.
    put(&store, "file", b"ours");
    assert_eq!(get(&store, "file").unwrap(), b"ours");
    store.delete(&name("way"), true).unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "of somebody else");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(Store::open(&folder.path().join("up"), Limits::NONE).is_err(), "nor is a store a link");
}

#[test]
fn a_pipe_or_a_device_is_no_object_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    mkfifo(&folder.path().join("pipe"), Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    for object in ["pipe", "socket"] {
        assert!(matches!(get(&store, object), Err(Error::Kind { .. })), "{object}");
        assert!(!store.exists(&name(object)).unwrap());
        put(&store, object, b"a file now");
        assert_eq!(get(&store, object).unwrap(), b"a file now");
    }
}

#[test]
fn more_than_may_be_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits { object: 10, store: 15 }).unwrap();
    let mut draft = store.write(&name("large")).unwrap();
    draft.add(&[0; 10]).unwrap();
    assert!(matches!(draft.add(&[0]), Err(Error::TooLarge { limit: 10, .. })));
    drop(draft);
    put(&store, "a", &[0; 10]);
    let mut draft = store.write(&name("b")).unwrap();
    assert!(matches!(draft.add(&[0; 6]), Err(Error::Full { limit: 15 })));
    drop(draft);
    // What takes the place of something has its room too.
    put(&store, "a", &[0; 8]);
    put(&store, "b", &[0; 7]);
    assert!(matches!(store.write(&name("c")), Err(Error::Full { .. })));
    store.delete(&name("b"), false).unwrap();
    put(&store, "c", &[0; 7]);
    assert_eq!(store.usage(), 15);
}

#[test]
fn a_mark_changes_with_the_content_and_touching_is_using() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    put(&store, "a", b"1");
    let first = store.read(&name("a")).unwrap().mark;
    assert_eq!(store.read(&name("a")).unwrap().mark, first);
    put(&store, "a", b"2");
    assert_ne!(store.read(&name("a")).unwrap().mark, first);
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    File::open(folder.path().join("a")).unwrap().set_modified(old).unwrap();
    store.touch(&name("a")).unwrap();
    assert!(store.read(&name("a")).unwrap().modified > jiff::Timestamp::from_second(1_000_000_000).unwrap());
}

#[test]
fn caches_that_were_not_used_for_the_longest_time_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    for (at, cache) in [(3, "new"), (1, "old"), (2, "middle")] {
        let object = cache_name("deps", cache).unwrap();
        put(&store, object.as_str(), &[0; 10]);
        let used = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
        File::open(folder.path().join(object.as_str())).unwrap().set_modified(used).unwrap();
    }
    put(&store, "data", &[0; 100]);
    assert_eq!(store.evict_caches(30, None).unwrap(), Evicted::default());
    let left = |checksum: &str| store.exists(&cache_name("deps", checksum).unwrap()).unwrap();
    assert_eq!(store.evict_caches(25, None).unwrap(), Evicted { count: 1, bytes: 10 });
    assert!(left("new") && left("middle") && !left("old"));
    let kept = cache_name("deps", "middle").unwrap();
    store.evict_caches(0, Some(&kept)).unwrap();
    assert!(!left("new") && left("middle") && store.exists(&name("data")).unwrap());
}

/// A folder as a build leaves one.
fn built(root: &Path) {
    fs::create_dir_all(root.join("lib/.bin")).unwrap();
    fs::write(root.join("lib/run.sh"), "echo hi").unwrap();
    fs::set_permissions(root.join("lib/run.sh"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("../run.sh", root.join("lib/.bin/run")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("x".repeat(200)), "a long name").unwrap();
}

fn packed(roots: &[(&str, &Path)]) -> File {
    let mut archive = tempfile::tempfile().unwrap();
    pack(roots, &mut archive).unwrap();
    archive
}

#[test]
fn a_folder_that_is_packed_comes_back_as_it_was() {
    let from = tempfile::tempdir().unwrap();
    let folder = from.path().join("deps");
    fs::create_dir(&folder).unwrap();
    built(&folder);
    let mut archive = packed(&[("deps", &folder)]);
    let to = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        // The second time everything is there already.
        assert_eq!(unpack(&mut archive, Place::Into(&to.path().join("new"))).unwrap(), 7 + 11);
    }
    let back = to.path().join("new/deps");
    assert_eq!(fs::metadata(back.join("lib/run.sh")).unwrap().permissions().mode() & 0o777, 0o751);
    assert_eq!(fs::read_link(back.join("lib/.bin/run")).unwrap(), Path::new("../run.sh"));
    assert_eq!(fs::read_to_string(back.join("lib/.bin/run")).unwrap(), "echo hi");
    assert_eq!(fs::read_to_string(back.join("x".repeat(200))).unwrap(), "a long name");
    assert!(back.join("empty").is_dir());
    let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let age = time(&folder.join("lib/run.sh")).duration_since(time(&back.join("lib/run.sh")));
    assert!(age.unwrap() < std::time::Duration::from_secs(1));
}

#[test]
fn what_is_at_the_top_can_go_to_places_of_its_own() {
    let from = tempfile::tempdir().unwrap();
    built(from.path());
    fs::write(from.path().join("one.txt"), "1").unwrap();
    let mut archive = packed(&[("0", from.path()), ("1", &from.path().join("one.txt"))]);
    let to = tempfile::tempdir().unwrap();
    let places = [("0".to_owned(), to.path().join("deep/modules")), ("1".to_owned(), to.path().join("renamed.txt"))];
    unpack(&mut archive, Place::Each(&places)).unwrap();
    assert_eq!(fs::read_to_string(to.path().join("deep/modules/lib/run.sh")).unwrap(), "echo hi");
    assert_eq!(fs::read_to_string(to.path().join("renamed.txt")).unwrap(), "1");
    assert!(matches!(unpack(&mut archive, Place::Each(&places[..1])), Err(Error::Unsafe(_))));
}

#[test]
fn a_link_that_leads_out_is_not_packed() {
    let from = tempfile::tempdir().unwrap();
    for target in ["/etc/passwd", "../../x", ".."] {
        let folder = from.path().join("folder");
        fs::create_dir(&folder).unwrap();
        symlink(target, folder.join("link")).unwrap();
        assert!(matches!(pack(&[("folder", &folder)], Vec::new()), Err(Error::Unsafe(_))), "{target}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// An archive of one's own making: kind, name, target of a link.
fn made(members: &[(EntryType, &str, &str)]) -> File {
    let mut builder = Builder::new(tempfile::tempfile().unwrap());
    for (kind, path, target) in members {
        let mut header = Header::new_gnu();
        // As bytes: the library itself would refuse what is to be refused here.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let content: &[u8] = if *kind == EntryType::Regular { b"evil" } else { b"" };
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[rstest]
#[case(&[(EntryType::Regular, "../outside", "")])]
#[case(&[(EntryType::Regular, "a/../../outside", "")])]
#[case(&[(EntryType::Regular, "/tmp/conducto-outside", "")])]
#[case(&[(EntryType::Symlink, "a/link", "/etc"), (EntryType::Regular, "a/link/x", "")])]
#[case(&[(EntryType::Symlink, "a/link", "../../outside")])]
#[case(&[(EntryType::Symlink, "link", "..")])]
#[case(&[(EntryType::Symlink, "a/in", "deeper"), (EntryType::Regular, "a/in/x", "")])]
#[case(&[(EntryType::Link, "a/hard", "/etc/passwd")])]
#[case(&[(EntryType::Link, "a/hard", "../outside")])]
#[case(&[(EntryType::Symlink, "a/s", "t"), (EntryType::Link, "a/hard", "a/s")])]
#[case(&[(EntryType::Char, "a/null", "")])]
#[case(&[(EntryType::Block, "a/disk", "")])]
#[case(&[(EntryType::Fifo, "a/pipe", "")])]
fn an_archive_that_would_write_elsewhere_is_refused_before_anything_is_written(
    #[case] members: &[(EntryType, &str, &str)],
) {
    let to = tempfile::tempdir().unwrap();
    let folder = to.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let mut all = vec![(EntryType::Regular, "good", "")];
    all.extend(members);
    assert!(matches!(unpack(&mut made(&all), Place::Into(&folder)), Err(Error::Unsafe(_))));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
}

#[test]
fn a_link_that_was_there_before_is_not_followed() {
    let (to, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(outside.path(), to.path().join("a")).unwrap();
    let mut archive = made(&[(EntryType::Regular, "a/x", "")]);
    assert!(unpack(&mut archive, Place::Into(to.path())).is_err());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_archive_is_refused() {
    let to = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 2_000]).unwrap();
    file.rewind().unwrap();
    assert!(matches!(unpack(&mut file, Place::Into(to.path())), Err(Error::Unsafe(_))));
}

#[test]
fn of_those_who_store_at_once_one_wins_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Limits::NONE).unwrap();
    std::thread::scope(|scope| {
        for letter in *b"abcdefgh" {
            let store = store.clone();
            scope.spawn(move || put(&store, "deep/in/it", &vec![letter; 100_000]));
        }
    });
    let content = get(&store, "deep/in/it").unwrap();
    assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
    assert_eq!(fs::read_dir(folder.path().join("deep/in")).unwrap().count(), 1);
}

//! Mirrors: fetching from folders and over HTTP, deadlines, and reading without a working copy.

use std::{path::Path, time::Duration};

use conducto::{
    git::{Error, FileAtCommit, MirrorName, Mirrors, Options, Remote, Wanted},
    standin::{SampleFile, SampleRepository},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::{SOON, git_http::GitServer, listener};

pub(crate) struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) origin: SampleRepository,
    pub(crate) mirrors: Mirrors,
    pub(crate) name: MirrorName,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with_deadline(SOON)
    }

    fn with_deadline(fetch_deadline: Duration) -> Self {
        Self::with_threads(fetch_deadline, 4)
    }

    fn with_threads(fetch_deadline: Duration, threads: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let origin = SampleRepository::init(&folder.path().join("origin.git")).unwrap();
        let options = Options { fetch_deadline, threads, ..Options::new(folder.path().join("mirrors")) };
        let name = MirrorName { host: "github.com".into(), id: 7 };
        Self { mirrors: Mirrors::build(options).unwrap(), folder, origin, name }
    }

    pub(crate) fn local(&self) -> Remote {
        self.remote(self.origin.path().to_str().unwrap(), None)
    }

    fn remote(&self, url: &str, token: Option<&str>) -> Remote {
        Remote { name: self.name.clone(), url: url.into(), token: token.map(SecretString::from) }
    }

    async fn read(&self, sha: &str, path: &str) -> FileAtCommit {
        self.mirrors.read_file(&self.name, sha, path, 64).await.unwrap()
    }
}

pub(crate) fn wanted(sha: &str) -> [Wanted; 1] {
    [Wanted { sha: sha.into(), reference: Some("refs/heads/main".into()) }]
}

fn found(text: &str) -> FileAtCommit {
    FileAtCommit::Found(text.into())
}

#[tokio::test]
async fn the_tip_of_a_reference_is_known_without_a_fetch_and_of_a_tag_it_is_the_commit() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "first", &[SampleFile::plain("a", "1")]).unwrap();
    let origin = git2::Repository::open(setup.origin.path()).unwrap();
    let commit = origin.find_object(git2::Oid::from_str(&sha).unwrap(), None).unwrap();
    let author = git2::Signature::now("kim", "kim@example.com").unwrap();
    let tag = origin.tag("v1", &commit, &author, "One", false).unwrap();
    assert_ne!(tag.to_string(), sha, "a tag object of its own");
    setup.origin.set_reference("refs/tags/light", &sha).unwrap();
    let (_server, url) = served(&setup, true).await;
    for remote in [setup.local(), setup.remote(&url, Some("right"))] {
        for reference in ["refs/heads/main", "refs/tags/v1", "refs/tags/light"] {
            assert_eq!(setup.mirrors.tip(&remote, reference).await.unwrap(), sha, "{reference}");
        }
        let missing = setup.mirrors.tip(&remote, "refs/heads/v1").await.unwrap_err();
        assert!(matches!(missing, Error::NotFound(_)));
        assert_eq!(missing.to_string(), "there is no branch `v1` in the repository (any more)");
        assert!(matches!(setup.mirrors.tip(&remote, "refs/heads/a b").await, Err(Error::Refused(_))));
    }
}

#[tokio::test]
async fn a_commit_once_fetched_needs_no_server() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First\n\nMore.", &[SampleFile::plain("conducto.cfg", "[push]")]).unwrap();
    let by_file = setup.remote(&format!("file://{}", setup.origin.path().display()), None);
    setup.mirrors.fetch(&by_file, &wanted(&sha)).await.unwrap();
    assert_eq!(setup.read(&sha, "conducto.cfg").await, found("[push]"));
    assert_eq!(setup.mirrors.commit_title(&setup.name, &sha).await.unwrap(), "First");

    let gone = setup.remote("/nowhere", None);
    setup.mirrors.fetch(&gone, &wanted(&sha)).await.unwrap();
    let other = setup.mirrors.fetch(&gone, &wanted(&"1".repeat(40))).await;
    assert!(matches!(other, Err(Error::NotFound(_))), "{other:?}");
}

#[tokio::test]
async fn a_commit_that_is_gone_is_not_found() {
    let setup = Setup::new();
    setup.origin.commit("main", "First", &[]).unwrap();
    for sha in ["1".repeat(40), "main".into()] {
        let outcome = setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await;
        assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
        let read = setup.mirrors.read_file(&setup.name, &sha, "a", 1).await;
        assert!(matches!(read, Err(Error::NotFound(_))), "{read:?}");
    }
}

#[tokio::test]
async fn files_are_read_through_links_that_stay_inside() {
    let setup = Setup::new();
    let large = "x".repeat(65);
    let files = [
        SampleFile::plain("ci/pipeline.toml", "image = 1"),
        SampleFile::symlink("link", "./ci/../ci/pipeline.toml"),
        SampleFile::symlink("folder", "ci"),
        SampleFile::symlink("ci/up", "../link"),
        SampleFile::symlink("out", "../../etc/passwd"),
        SampleFile::symlink("absolute", "/etc/passwd"),
        SampleFile::symlink("loop", "loop"),
        SampleFile::plain("large", &large),
    ];
    let sha = setup.origin.commit("main", "Files", &files).unwrap();
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    for path in ["ci/pipeline.toml", "link", "folder/pipeline.toml", "folder/up", "./ci//pipeline.toml"] {
        assert_eq!(setup.read(&sha, path).await, found("image = 1"), "{path}");
    }
    for path in ["nothing", "ci/nothing", "large/below", "dangling"] {
        assert_eq!(setup.read(&sha, path).await, FileAtCommit::Missing, "{path}");
    }
    for path in ["ci", "folder", "out", "absolute", "loop", "../x"] {
        assert!(matches!(setup.read(&sha, path).await, FileAtCommit::NotAFile(_)), "{path}");
    }
    assert_eq!(setup.read(&sha, "large").await, FileAtCommit::TooLarge(65));
}

#[tokio::test]
async fn changes_are_told_between_commits_and_since_a_branch_left() {
    let setup = Setup::new();
    let first =
        setup.origin.commit("main", "1", &[SampleFile::plain("a", "1"), SampleFile::plain("b/c", "1")]).unwrap();
    setup.origin.set_reference("refs/heads/topic", &first).unwrap();
    let topic =
        setup.origin.commit("topic", "2", &[SampleFile::plain("b/c", "2"), SampleFile::plain("n", "2")]).unwrap();
    let main = setup.origin.commit("main", "3", &[SampleFile::removed("a")]).unwrap();
    let both = [wanted(&topic), wanted(&main)].concat();
    setup.mirrors.fetch(&setup.local(), &both).await.unwrap();

    let between = setup.mirrors.changed_files(&setup.name, &first, &topic).await.unwrap();
    assert_eq!(between.unwrap(), ["b/c", "n"]);
    let across = setup.mirrors.changed_files(&setup.name, &main, &topic).await.unwrap();
    assert_eq!(across.unwrap(), ["a", "b/c", "n"]);
    let since = setup.mirrors.changed_since_base(&setup.name, &main, &topic).await.unwrap();
    assert_eq!(since.unwrap(), ["b/c", "n"]);
    assert_eq!(setup.mirrors.changed_files(&setup.name, &"1".repeat(40), &topic).await.unwrap(), None);
}

#[tokio::test]
async fn many_fetches_at_once_end_well() {
    let setup = Setup::new();
    let mut commits = Vec::new();
    for number in 0..12 {
        commits.push(setup.origin.commit("main", "x", &[SampleFile::plain("n", &number.to_string())]).unwrap());
    }
    let fetches = commits.iter().map(|sha| {
        let (mirrors, remote, sha) = (setup.mirrors.clone(), setup.local(), sha.clone());
        tokio::spawn(async move { mirrors.fetch(&remote, &wanted(&sha)).await })
    });
    for fetch in fetches.collect::<Vec<_>>() {
        fetch.await.unwrap().unwrap();
    }
    assert_eq!(setup.read(&commits[11], "n").await, found("11"));
}

#[tokio::test]
async fn a_damaged_mirror_is_fetched_anew() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[SampleFile::plain("a", "1")]).unwrap();
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    let mirror = setup.folder.path().join("mirrors/github.com/7.git");
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "rubbish").unwrap();
    }
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    assert_eq!(setup.read(&sha, "a").await, found("1"));
}

#[tokio::test]
async fn a_mirror_that_cannot_be_read_makes_room_for_a_new_one() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[SampleFile::plain("a", &"1".repeat(40))]).unwrap();
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    let mirror = setup.folder.path().join("mirrors/github.com/7.git");
    for entry in std::fs::read_dir(mirror.join("objects/pack")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            let mut bytes = std::fs::read(&path).unwrap();
            let end = bytes.len() - 20;
            bytes[12..end].fill(0xff);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let damaged = setup.mirrors.read_file(&setup.name, &sha, "a", 64).await;
    assert!(matches!(damaged, Err(Error::Corrupt(_))), "{damaged:?}");
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    assert_eq!(setup.read(&sha, "a").await, found(&"1".repeat(40)));
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_removed() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[]).unwrap();
    let mirror = setup.folder.path().join("mirrors/github.com/7.git");
    std::fs::create_dir_all(mirror.join("refs/conducto/keep")).unwrap();
    let lock = mirror.join(format!("refs/conducto/keep/{sha}.lock"));
    std::fs::write(&lock, "").unwrap();
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    assert!(!lock.exists());
}

#[tokio::test]
async fn a_mirror_belongs_to_one_server() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[]).unwrap();
    setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.unwrap();
    let second = Mirrors::build(Options::new(setup.folder.path().join("mirrors"))).unwrap();
    let outcome = second.fetch(&setup.local(), &wanted(&sha)).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
}

async fn served(setup: &Setup, gives_single_commits: bool) -> (GitServer, String) {
    let root: &Path = setup.folder.path();
    let server = GitServer::start(root.to_owned(), gives_single_commits).await;
    let url = format!("{}/origin.git", server.url);
    (server, url)
}

#[tokio::test]
async fn a_commit_is_fetched_over_http_with_a_token() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[SampleFile::plain("a", "1")]).unwrap();
    let newer = setup.origin.commit("main", "Second", &[SampleFile::plain("a", "2")]).unwrap();
    let (_server, url) = served(&setup, true).await;
    let by_sha = [Wanted { sha: sha.clone(), reference: None }];
    setup.mirrors.fetch(&setup.remote(&url, Some("right")), &by_sha).await.unwrap();
    assert_eq!(setup.read(&sha, "a").await, found("1"));
    let unasked = setup.mirrors.read_file(&setup.name, &newer, "a", 9).await;
    assert!(matches!(unasked, Err(Error::NotFound(_))), "{unasked:?}");
}

#[tokio::test]
async fn commits_that_no_branch_has_are_fetched_too() {
    let setup = Setup::new();
    let old = setup.origin.commit("main", "Old", &[SampleFile::plain("a", "1")]).unwrap();
    let dropped = setup.origin.commit("main", "Dropped", &[SampleFile::plain("a", "2")]).unwrap();
    setup.origin.set_reference("refs/heads/main", &old).unwrap();
    let (_server, url) = served(&setup, true).await;
    setup.mirrors.fetch(&setup.remote(&url, Some("right")), &wanted(&dropped)).await.unwrap();
    assert_eq!(setup.read(&dropped, "a").await, found("2"));
}

#[tokio::test]
async fn a_server_that_gives_out_no_single_commits_is_asked_for_the_branch() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[SampleFile::plain("a", "1")]).unwrap();
    setup.origin.commit("main", "Second", &[]).unwrap();
    let (_server, url) = served(&setup, false).await;
    let remote = setup.remote(&url, Some("right"));
    setup.mirrors.fetch(&remote, &wanted(&sha)).await.unwrap();
    assert_eq!(setup.read(&sha, "a").await, found("1"));
    let gone = setup.mirrors.fetch(&remote, &wanted(&"1".repeat(40))).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn a_wrong_token_is_denied_and_not_tried_for_ever() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[]).unwrap();
    let (_server, url) = served(&setup, true).await;
    for token in [Some("wrong"), None] {
        let outcome = setup.mirrors.fetch(&setup.remote(&url, token), &wanted(&sha)).await;
        assert!(matches!(outcome, Err(Error::Denied(_))), "{outcome:?}");
    }
    let elsewhere = format!("{url}-not-there");
    let outcome = setup.mirrors.fetch(&setup.remote(&elsewhere, Some("right")), &wanted(&sha)).await;
    assert!(matches!(outcome, Err(Error::NotFound(_))), "{outcome:?}");
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let setup = Setup::new();
    let address = listener().await.local_addr().unwrap();
    let outcome =
        setup.mirrors.fetch(&setup.remote(&format!("http://{address}/x.git"), None), &wanted(&"1".repeat(40))).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
}

/// Takes one connection and says nothing; hangs up when it is aborted.
async fn silent_server() -> (tokio::task::JoinHandle<usize>, String) {
    let listener = listener().await;
    let url = format!("http://{}/x.git", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.read_to_end(&mut Vec::new()).await.unwrap_or_default()
    });
    (task, url)
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_deadline() {
    let setup = Setup::with_deadline(Duration::from_millis(300));
    let (silent, url) = silent_server().await;
    let before = tokio::time::Instant::now();
    let outcome = setup.mirrors.fetch(&setup.remote(&url, None), &wanted(&"1".repeat(40))).await;
    assert!(matches!(outcome, Err(Error::Overdue { .. })), "{outcome:?}");
    assert!(before.elapsed() < SOON);
    silent.abort();
}

#[tokio::test]
async fn an_abandoned_fetch_counts_until_it_ends() {
    let setup = Setup::with_threads(Duration::from_millis(300), 1);
    let sha = setup.origin.commit("main", "First", &[]).unwrap();
    let (silent, url) = silent_server().await;
    for remote in [setup.remote(&url, None), setup.local()] {
        let outcome = setup.mirrors.fetch(&remote, &wanted(&sha)).await;
        assert!(matches!(outcome, Err(Error::Overdue { .. })), "{outcome:?}");
    }
    silent.abort();
    let freed = async { while setup.mirrors.fetch(&setup.local(), &wanted(&sha)).await.is_err() {} };
    tokio::time::timeout(SOON, freed).await.unwrap();
}

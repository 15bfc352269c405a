//! Working copies, judged by the git command line.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use conducto::{
    git::Error,
    standin::{SampleFile, SampleRepository},
};

use crate::mirrors::{Setup, wanted};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {text}");
    text
}

async fn checked_out(setup: &Setup, sha: &str) -> Result<std::path::PathBuf, Error> {
    setup.mirrors.fetch(&setup.local(), &wanted(sha)).await.unwrap();
    let copy = setup.folder.path().join("work/copy");
    setup.mirrors.checkout(&setup.name, sha, &copy).await.map(|()| copy)
}

#[tokio::test]
async fn git_finds_a_working_copy_whole_clean_and_of_one_commit() {
    let setup = Setup::new();
    setup.origin.commit("main", "First", &[SampleFile::plain("old", "1")]).unwrap();
    let files = [
        SampleFile::removed("old"),
        SampleFile::plain("README.md", "hello\n"),
        SampleFile::plain("empty", ""),
        SampleFile::executable("bin/run.sh", "#!/bin/sh\n"),
        SampleFile::symlink("bin/latest", "run.sh"),
        SampleFile::symlink("dangling", "/nowhere/at/all"),
        SampleFile::plain("déjà vu/naïve file", "é"),
    ];
    let sha = setup.origin.commit("main", "Second\n\nBody.", &files).unwrap();
    let copy = checked_out(&setup, &sha).await.unwrap();

    assert_eq!(git(&copy, &["diff-index", "HEAD"]), "", "the index must know the files without reading them");
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
    assert_eq!(git(&copy, &["fsck", "--strict", "--no-dangling"]), "");
    assert_eq!(git(&copy, &["log", "--format=%H %s"]), format!("{sha} Second\n"));
    assert_eq!(git(&copy, &["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD\n");
    assert_eq!(git(&copy, &["remote"]), "");
    assert_eq!(git(&copy, &["describe", "--always", "--dirty"]), format!("{}\n", &sha[..7]));
    let config = fs::read_to_string(copy.join(".git/config")).unwrap();
    assert!(!config.contains("url") && !config.contains("mirrors"), "{config}");

    let mode = |path: &str| fs::metadata(copy.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("README.md"), mode("bin/run.sh"), mode("bin")), (0o644, 0o755, 0o755));
    assert_eq!(fs::read_link(copy.join("dangling")).unwrap(), Path::new("/nowhere/at/all"));
    let committed: i64 = git(&copy, &["log", "--format=%ct"]).trim().parse().unwrap();
    for path in ["README.md", "bin", "bin/latest", "."] {
        assert_eq!(fs::symlink_metadata(copy.join(path)).unwrap().mtime(), committed, "{path}");
    }
}

#[tokio::test]
async fn a_first_commit_is_not_shallow() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[SampleFile::plain("a", "1")]).unwrap();
    let copy = checked_out(&setup, &sha).await.unwrap();
    assert_eq!(git(&copy, &["rev-parse", "--is-shallow-repository"]), "false\n");
    assert_eq!(git(&copy, &["fsck"]), "");
}

/// Writes a tree that git itself would not make, and a commit of it.
fn forge_commit(origin: &SampleRepository, entries: &[(&str, &str, &[u8])]) -> String {
    let repository = git2::Repository::open_bare(origin.path()).unwrap();
    let mut tree = Vec::new();
    for (mode, name, content) in entries {
        let id = match *mode {
            "160000" => git2::Oid::from_str(&"5".repeat(40)).unwrap(),
            "40000" => {
                let mut inner = repository.treebuilder(None).unwrap();
                inner.insert("x", repository.blob(content).unwrap(), 0o100_644).unwrap();
                inner.write().unwrap()
            }
            _ => repository.blob(content).unwrap(),
        };
        tree.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        tree.extend_from_slice(id.as_bytes());
    }
    let tree = repository.odb().unwrap().write(git2::ObjectType::Tree, &tree).unwrap();
    let text = format!(
        "tree {tree}\nauthor A <a@example.com> 1700000000 +0000\ncommitter A <a@example.com> 1700000000 +0000\n\nForged\n"
    );
    let commit = repository.odb().unwrap().write(git2::ObjectType::Commit, text.as_bytes()).unwrap();
    repository.reference("refs/heads/main", commit, true, "forged").unwrap();
    commit.to_string()
}

#[tokio::test]
async fn a_submodule_is_an_empty_folder() {
    let setup = Setup::new();
    let sha = forge_commit(&setup.origin, &[("100644", "a", b"1"), ("160000", "sub", b"")]);
    let copy = checked_out(&setup, &sha).await.unwrap();
    assert_eq!(fs::read_dir(copy.join("sub")).unwrap().count(), 0);
    assert_eq!(git(&copy, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn names_that_reach_out_are_refused() {
    for name in ["..", ".git", ".GIT", "."] {
        let setup = Setup::new();
        let sha = forge_commit(&setup.origin, &[("40000", name, b"evil")]);
        let outcome = checked_out(&setup, &sha).await;
        assert!(matches!(outcome, Err(Error::Refused(_) | Error::Corrupt(_))), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_both_link_and_folder_leads_nowhere() {
    let setup = Setup::new();
    let outside = setup.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    let sha = forge_commit(&setup.origin, &[("120000", "a", target.as_bytes()), ("40000", "a", b"evil")]);
    let outcome = checked_out(&setup, &sha).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn an_existing_folder_is_left_alone() {
    let setup = Setup::new();
    let sha = setup.origin.commit("main", "First", &[]).unwrap();
    checked_out(&setup, &sha).await.unwrap();
    assert!(matches!(checked_out(&setup, &sha).await, Err(Error::Disk { .. })));
}

//! What the server talks to: a stand-in for GitHub, and its repositories over HTTP. Knows no server.

use conducto::{
    clock,
    standin::{Delivery, GitHub, Push, RepositoryFacts, SampleFile, SampleRepository, push},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{docker::Image, git_http::GitServer, listener};

/// What the server of repositories accepts.
pub(crate) const TOKEN: &str = "right";

/// What deliveries are signed with.
pub(crate) const SECRET: &str = "a secret between the forge and the server";

/// How many bytes the loud leaf prints.
pub(crate) const LOUD: u64 = 1_000_000_000;

/// How many leaves the wide pipeline has.
pub(crate) const LEAVES: u32 = 2_000;

/// How many leaves a pipeline has that does not end.
const LONG_LEAVES: u32 = 20;
/// How many leaves the broad pipeline has, as plain processes; its first fails once.
pub(crate) const BROAD_LEAVES: usize = 10_000;

pub(crate) struct World {
    pub(crate) github: GitHub,
    pub(crate) git: GitServer,
    wide: Repository,
    broad: Repository,
    single: Repository,
    long: Repository,
    pristine: Repository,
    loud: Repository,
    idle: Repository,
    _folder: TempDir,
}

struct Repository {
    facts: RepositoryFacts,
    sha: String,
}

impl World {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let github = GitHub::start(listener().await, TOKEN)?;
        let git = GitServer::start(folder.path().to_owned(), true).await;
        let mut leaves = format!("image = \"{}\"\n[\"/\"]\ntype = \"parallel\"\n", Image::NAME);
        leaves.extend((1..=LEAVES).map(|number| format!("[\"/n{number}\"]\nexec = \"true\"\n")));
        let mut broad =
            "[\"/\"]\ntype = \"parallel\"\n[\"/first\"]\nexec = \"test $CONDUCTO_ATTEMPT -gt 1\"\n".to_owned();
        broad.extend((1..BROAD_LEAVES).map(|number| format!("[\"/n{number}\"]\nexec = \"true\"\n")));
        let single =
            format!("image = \"{}\"\n[\"/\"]\ntype = \"serial\"\n[\"/first\"]\nexec = \"echo first\"\n", Image::NAME);
        let repository = |id: u64, name: &str, definition: &str| -> anyhow::Result<Repository> {
            let full_name = format!("bench/{name}");
            let sample = SampleRepository::init(&folder.path().join(format!("{full_name}.git")))?;
            let cfg = SampleFile::plain("conducto.cfg", "[push]\npipeline = \"pipeline.toml\"\n");
            let sha = sample.commit("main", "All there is", &[cfg, SampleFile::plain("pipeline.toml", definition)])?;
            github.add_repository(id, &full_name);
            let clone_url = format!("{}/{full_name}.git", git.url);
            Ok(Repository { facts: RepositoryFacts { id, full_name, clone_url, default_branch: "main".into() }, sha })
        };
        // So little that the number of workers is what bounds how many run.
        let mut long = "[\"/\"]\ntype = \"parallel\"\ncpu = 0.1\nmem = 0.1\n".to_owned();
        long.extend((1..=LONG_LEAVES).map(|number| format!("[\"/n{number}\"]\nexec = \"exec sleep 900\"\n")));
        let pristine = leaves.replace("[\"/\"]\n", "[\"/\"]\nisolation = \"pristine\"\n");
        let loud = single.replace("echo first", &format!("head -c {LOUD} /dev/zero"));
        let (wide, single) = (repository(1, "wide", &leaves)?, repository(2, "single", &single)?);
        let (long, broad) = (repository(3, "long", &long)?, repository(4, "broad", &broad)?);
        let (pristine, loud) = (repository(5, "pristine", &pristine)?, repository(6, "loud", &loud)?);
        let idle = repository(7, "idle", "[\"/\"]\ntype = \"serial\"\n[\"/noop\"]\nexec = \"true\"\n")?;
        Ok(Self { github, git, wide, broad, single, long, pristine, loud, idle, _folder: folder })
    }

    /// Returns a push that starts a parallel node with all the leaves.
    pub(crate) fn push_wide(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.wide))
    }

    /// Returns a push that starts a parallel node with five times as many, of which the first fails once.
    pub(crate) fn push_broad(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.broad))
    }

    /// Returns the first with a throw-away layer for each of the leaves.
    pub(crate) fn push_pristine(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.pristine))
    }

    /// Returns a push that starts one leaf which prints much.
    pub(crate) fn push_loud(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.loud))
    }

    /// Returns a push that starts one leaf.
    pub(crate) fn push_single(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.single))
    }

    /// Returns a push that starts one leaf which does nothing.
    pub(crate) fn push_nothing_to_do(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.idle))
    }

    /// Returns a push that starts a parallel node with a few leaves that do not end.
    pub(crate) fn push_long(&self) -> Delivery {
        Delivery::sign(SECRET, "push", &fresh_push(&self.long))
    }

    /// Returns a push of so many bytes that starts nothing, and for which nothing is looked up: it is to no branch or tag.
    pub(crate) fn push_nothing(&self, bytes: usize) -> Delivery {
        let gone = Push { branch: "gone", before: Some(&self.single.sha), after: None, message: "", sender: "ada" };
        let mut payload = push(&self.single.facts, &gone);
        let commit = &push(&self.single.facts, &Push { after: Some(&self.single.sha), ..gone })["head_commit"];
        payload["ref"] = json!("refs/notes/gone");
        let missing = bytes.saturating_sub(payload.to_string().len());
        payload["commits"] = Value::from(vec![commit.clone(); missing / (commit.to_string().len() + 1)]);
        payload["padding"] = json!("x".repeat(bytes.saturating_sub(payload.to_string().len() + 13)));
        Delivery::sign(SECRET, "push", &payload)
    }
}

/// The commit is always the same, so a mirror that has it is warm; the branch is new, so it is another push.
fn fresh_push(repository: &Repository) -> Value {
    let branch = format!("bench-{}", clock::new_uuid());
    let (sha, message) = (repository.sha.as_str(), "All there is");
    push(&repository.facts, &Push { branch: &branch, before: None, after: Some(sha), message, sender: "ada" })
}

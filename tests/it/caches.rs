//! User data and caches between pipelines: of one owner's repositories, of another owner's, and of a fork. And the recipe of the
//! documents, as it stands there.

use std::{os::unix::fs::symlink, path::PathBuf, process::Command};

use conducto::standin::{Delivery, Push, RepositoryFacts, SampleFile, SampleRepository, push};
use nix::{sys::stat::Mode, unistd::mkfifo};
use rstest::rstest;
use serde_json::json;

use crate::house::{House, Plan, SECRET};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n[pr]\npipeline = \"ci.toml\"\n";

/// Another repository of the same forge.
struct Beside {
    repository: SampleRepository,
    facts: RepositoryFacts,
}

impl Beside {
    fn build(house: &House, id: u64, name: &str) -> Self {
        let folder = house.root().join("git").join(format!("{name}.git"));
        let repository = SampleRepository::init(&folder).unwrap();
        let facts = RepositoryFacts {
            id,
            full_name: name.to_owned(),
            clone_url: format!("file://{}", folder.display()),
            default_branch: "main".into(),
        };
        house.github.add_repository(id, name.to_owned());
        Self { repository, facts }
    }

    async fn push(&self, house: &House, files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<SampleFile<'_>> = files.iter().map(|(path, text)| SampleFile::plain(path, text)).collect();
        let sha = self.repository.commit("main", "a change", &files).unwrap();
        let event = Push { branch: "main", before: None, after: Some(&sha), message: "a change", sender: "kim" };
        let delivery = Delivery::sign(SECRET, "push", &push(&self.facts, &event));
        assert_eq!(house.send(&delivery).await, 202);
        house.concluded(&delivery.guid).await.pipelines
    }
}

async fn own(house: &House, repository: &str, owner: &str) {
    let address = format!("{}/api/v1/repositories/{repository}/owner", house.url());
    let request = reqwest::Client::new().put(address).bearer_auth(house.token()).json(&json!({ "owner": owner }));
    assert_eq!(request.send().await.unwrap().status(), 204);
}

fn profile(house: &House) -> PathBuf {
    let folders = std::fs::read_dir(house.base()).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("pipelines").is_dir()).last().unwrap()
}

const WRITER: &str = r#"
["/keeps"]
cpu = 0.25
mem = 0.25
cache = { name = "deps", paths = ["modules", "~/.store"], key = ["lock"] }
exec = '''
set -eu
test ! -e modules
mkdir -p modules/lib "$HOME/.store"
echo built > modules/lib/x && ln -s lib/x modules/link
echo stored > "$HOME/.store/y"
printf 'of the owner' | conducto data user puts reports/today
printf 'of pipeline 1' | conducto data pipeline puts own
'''
"#;

const READER: &str = r#"
["/reads"]
cpu = 0.25
mem = 0.25
cache = [{ name = "deps", paths = ["modules", "~/.store"], key = ["lock"] }]
exec = '''
echo "report: $(conducto data user gets reports/today 2> /dev/null)"
echo "module: $(cat modules/link 2> /dev/null)"
echo "store: $(cat "$HOME/.store/y" 2> /dev/null)"
echo "own: $(conducto data pipeline gets own 2> /dev/null)"
echo "caches: $(conducto data user list conducto-cache/deps 2>&1 | tail -n 1)"
for name in link/secret link pipe up/today ../reports/today "$(head -c 4096 /dev/zero | tr '\0' x)"; do
    conducto data user gets "$name" > stolen 2> told && echo "steals $name: $(cat stolen)"
done
printf spoilt | conducto data user puts spoilt 2> /dev/null
printf mine | conducto data pipeline puts mine
echo "mine: $(conducto data pipeline gets mine)"
true
'''
"#;

async fn fork(house: &House, base: &str) -> String {
    house.approved_fork(&[("ci.toml", READER), ("lock", "1")], base).await
}

/// What a node printed, without what Conducto said, and that.
async fn told(house: &House, id: &str, path: &str) -> (String, String) {
    house.ended(id).await;
    (house.log(id, path, "stream=stdout").await, house.log(id, path, "stream=notice").await)
}

#[rstest]
#[case::with_folders("")]
#[case::through_the_worker("[data]\nmount = false\n")]
#[tokio::test]
async fn pipelines_of_one_owner_share_user_data_and_caches_and_others_and_forks_see_neither(
    #[case] more: &'static str,
) {
    let house = House::build(Plan { more, slots: 8, ..Plan::docker() }).await;
    let (base, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", WRITER), ("lock", "1")]).await;
    let (_, notices) = told(&house, &ids[0], "/keeps").await;
    assert!(notices.contains("cache deps: there is none for this key yet"), "{notices}");
    assert!(notices.contains("cache deps: saved "), "{notices}");
    // What somebody who may write there could put into the way.
    let user = profile(&house).join("data");
    std::fs::write(house.root().join("secret"), "of the server").unwrap();
    symlink(house.root(), user.join("link")).unwrap();
    symlink("reports", user.join("up")).unwrap();
    mkfifo(&user.join("pipe"), Mode::S_IRWXU | Mode::S_IRWXO).unwrap();

    let files = [("conducto.cfg", CFG), ("ci.toml", READER), ("lock", "1")];
    let same = Beside::build(&house, 4712, "acme/other");
    let ids = same.push(&house, &files).await;
    let (out, notices) = told(&house, &ids[0], "/reads").await;
    for line in ["report: of the owner", "module: built", "store: stored", "own: ", "mine: mine"] {
        assert!(out.lines().any(|said| said == line), "{line}: {out}\n{notices}");
    }
    assert!(out.contains("caches: [\"conducto-cache/deps/") && !out.contains("steals"), "{out}");
    assert!(notices.contains("cache deps: restored "), "{notices}");
    let (out, notices) =
        told(&house, &same.push(&house, &[files[0], files[1], ("lock", "2")]).await[0], "/reads").await;
    assert!(out.contains("module: \n") && notices.contains("there is none for this key yet"), "{out}\n{notices}");
    assert!(notices.contains("not saved: there is nothing at its paths"), "{notices}");

    let other = Beside::build(&house, 4713, "bob/tool");
    assert!(other.push(&house, &[("README", "not yet")]).await.is_empty());
    own(&house, "bob/tool", "bob").await;
    let (out, notices) = told(&house, &other.push(&house, &files).await[0], "/reads").await;
    let fork = fork(&house, &base).await;
    let (forked, refused) = told(&house, &fork, "/reads").await;
    for (out, notices) in [(&out, &notices), (&forked, &refused)] {
        for line in ["report: ", "module: ", "store: ", "own: ", "mine: mine"] {
            assert!(out.lines().any(|said| said == line), "{line}: {out}\n{notices}");
        }
        assert!(!out.contains("steals") && !out.contains("conducto-cache/deps/"), "{out}");
        assert!(!notices.contains("restored"), "{notices}");
    }
    assert!(refused.contains("the code of a fork neither reads nor writes any"), "{refused}");
    assert!(refused.lines().all(|line| !line.contains("cache deps")), "{refused}");
    // What the others wrote is not there: only the second repository of the same owner has spoilt anything.
    let caches = std::fs::read_dir(user.join("conducto-cache/deps")).unwrap().count();
    assert_eq!(caches, 1);
    assert_eq!(std::fs::read_to_string(house.root().join("secret")).unwrap(), "of the server");
    let owners = std::fs::read_dir(house.base()).unwrap().map(|entry| entry.unwrap().path());
    let bobs: Vec<PathBuf> =
        owners.filter(|folder| folder.join("data").is_dir() && *folder != profile(&house)).collect();
    assert_eq!(bobs.len(), 1);
    assert_eq!(std::fs::read_to_string(bobs[0].join("data/spoilt")).unwrap(), "spoilt");
    assert!(!bobs[0].join("data/reports").exists());
}

#[rstest]
#[case::failed("exit 3", "/fails", "error")]
#[case::signalled("kill -TERM $$", "/fails", "error")]
#[tokio::test]
async fn a_failed_node_ends_as_its_command_does_and_saves_nothing(
    #[case] end: &str,
    #[case] path: &str,
    #[case] state: &str,
) {
    let house = House::build(Plan::default()).await;
    let tree = format!(
        "[\"{path}\"]\ncache = {{ name = \"x\", paths = [\"made\"], key = \"v1\" }}\n\
         exec = '''\nmkdir made; echo out; echo oh >&2\n{end}\n'''\n"
    );
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &tree)]).await;
    let view = house.ended(&ids[0]).await;
    let node = view.nodes.iter().find(|node| node.path == path).unwrap();
    assert_eq!(node.state.word(), state);
    assert_eq!(house.log(&ids[0], path, "stream=stdout").await, "out\n");
    assert_eq!(house.log(&ids[0], path, "stream=stderr").await.lines().next(), Some("oh"));
    let notices = house.log(&ids[0], path, "stream=notice").await;
    assert!(notices.contains("there is none for this key yet") && !notices.contains("saved"), "{notices}");
}

/// The blocks of code of a document, each with the file name that stands in its first line as a comment.
fn blocks(document: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(document)).unwrap();
    let mut found = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (_, code) = block.split_once('\n').unwrap();
        let first = code.lines().next().unwrap_or_default();
        if let Some(name) = first.strip_prefix("# ").filter(|name| name.ends_with(".toml") || *name == "conducto.cfg") {
            found.push((name.to_owned(), code.to_owned()));
        }
    }
    found
}

#[rstest]
#[case::processes("process")]
#[case::containers("docker")]
#[tokio::test]
async fn the_recipe_of_a_daily_writer_and_a_monthly_reader_works_as_it_is_written(#[case] executor: &str) {
    let plan = if executor == "docker" { Plan::docker() } else { Plan::default() };
    let house = House::build(Plan { slots: 4, ..plan }).await;
    let files = blocks("data.md");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["conducto.cfg", "daily.toml", "monthly.toml"], "the recipe's files");
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    house.push("main", &files).await;
    let launch = async |section: &str| -> String {
        let mut command: Command = house.command();
        let launched = command.args(["launch", "acme/api", section, "--json"]).output().unwrap();
        assert!(launched.status.success(), "{}", String::from_utf8_lossy(&launched.stderr));
        let delivery: serde_json::Value = serde_json::from_slice(&launched.stdout).unwrap();
        let guid = delivery["guid"].as_str().unwrap().to_owned();
        let id = house.concluded(&guid).await.pipelines.remove(0);
        assert_eq!(house.ended(&id).await.summary.state.word(), "done", "{section}");
        id
    };
    launch("manual.daily").await;
    launch("manual.daily").await;
    let id = launch("manual.monthly").await;
    let said = house.log(&id, "/summary", "stream=stdout").await;
    assert!(said.starts_with("1 days, ") && said.contains(" in all"), "{said}");
}

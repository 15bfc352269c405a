//! Secrets in the whole service: given to nodes of a repository, and to nobody else; shown by nothing.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use conducto::dispatch::view::{NodeView, SecretView};
use serde_json::{Value, json};

use crate::house::{House, Plan};

const VALUE: &str = "s3cret/value & \"more\"";

const PIPELINE: &str = r#"
["/"]
type = "serial"
["/shows"]
exec = "sh show.sh"
"#;

/// Prints a secret in every way, then fails, so that the end of its log goes to Slack.
const SHOW: &str = r#"
echo "plain $DEPLOY"
printf 's3cret/val' ; sleep 0.2 ; echo 'ue & "more" in two'
printf '%s' "$DEPLOY" | base64 | sed 's/^/base64 /'
echo 'url s3cret%2Fvalue%20%26%20%22more%22'
echo 'json "s3cret/value & \"more\""'
env | grep -c "^DEPLOY=" | sed 's/^/variables /'
tr '\0' '\n' < /proc/1/environ 2>/dev/null | grep -c s3cret | sed 's/^/in the worker /'
exit 3
"#;

const CFG: &str = "[push]\npipeline = \"ci.toml\"\nslack_channel = \"#builds\"\n[pr]\npipeline = \"ci.toml\"\n";

fn files() -> [(&'static str, &'static str); 3] {
    [("conducto.cfg", CFG), ("ci.toml", PIPELINE), ("show.sh", SHOW)]
}

/// Runs a command line with something on its standard input.
fn run(house: &House, arguments: &[&str], input: &str) -> (i32, String) {
    use std::io::Write as _;
    let mut command = house.command();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn set(house: &House, more: &[&str], value: &str) {
    let (code, said) = run(house, &[&["secret", "set"], more].concat(), value);
    assert_eq!(code, 0, "{said}");
}

fn node<'a>(nodes: &'a [NodeView], path: &str) -> &'a NodeView {
    nodes.iter().find(|node| node.path == path).unwrap()
}

/// Files below a folder that hold these bytes.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path, bytes));
        } else if kind.is_file()
            && std::fs::read(&path).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes)
        {
            found.push(path.display().to_string());
        }
    }
    found
}

/// A server that says all it can.
fn talkative(plan: Plan) -> Plan {
    let server = |house: &House| -> Command {
        let mut command = house.command();
        command.env("CONDUCTO_LOG_FILTER", "trace").env("RUST_LOG", "trace");
        command
    };
    Plan { server: Box::new(server), ..plan }
}

async fn shown_masked_everywhere(plan: Plan) {
    let house = House::build(talkative(plan)).await;
    set(&house, &["DEPLOY", "--repository", "Acme/API"], VALUE);
    set(&house, &["DEPLOY"], "that of the organisation");
    let (sha, ids) = house.push("main", &files()).await;
    let view = house.ended(&ids[0]).await;
    let log = house.log(&ids[0], "/shows", "").await;
    let base64 = log.lines().find(|line| line.starts_with("base64 ")).unwrap();
    assert!(base64.starts_with("base64 ***") && base64.len() <= "base64 ***x==".len(), "{base64}");
    for line in ["plain ***", "*** in two", "url ***", "json \"***\"", "variables 1"] {
        assert!(log.lines().any(|other| other == line), "{line} in {log}");
    }
    assert!(!log.contains("in the worker 1"), "{log}");
    assert_eq!(node(&view.nodes, "/shows").state.word(), "error");
    house.statuses(&sha, "conducto/push").await;
    let is_told = |slack: &conducto::standin::Slack| !slack.messages().is_empty();
    assert!(house.slack.wait_for(crate::house::PATIENCE, is_told).await);
    let told = format!("{:?} {:?}", house.slack.requests(), house.github.all_statuses());
    let events = house.get::<Value>(&format!("/pipelines/{}", ids[0])).await.unwrap().to_string();
    for form in ["s3cret/value", "czNjcmV0L3Zhb", "s3cret%2F", "s3cret/val"] {
        assert!(!told.contains(form) && !events.contains(form), "{form}");
        assert_eq!(outside_sources(&house, form), [""; 0], "{form}");
        assert!(!house.whole_server_log().contains(form), "{form} is in the server's log");
    }
    assert!(house.whole_server_log().contains("TRACE"), "the log is as talkative as can be");
}

/// The test's own script spells parts of the value: it is found in working copies, until these go.
fn outside_sources(house: &House, form: &str) -> Vec<String> {
    let found = holding(&house.base(), form.as_bytes());
    found.into_iter().filter(|path| !path.ends_with("/show.sh")).collect()
}

#[tokio::test]
async fn a_secret_is_masked_in_the_log_the_api_the_messages_and_written_nowhere() {
    shown_masked_everywhere(Plan::default()).await;
}

#[tokio::test]
async fn so_it_is_in_containers() {
    shown_masked_everywhere(Plan::docker()).await;
}

#[tokio::test]
async fn the_code_of_a_fork_gets_no_secret_whatever_it_asks_for() {
    let house = House::build(Plan::docker()).await;
    set(&house, &["DEPLOY", "--no-mask"], VALUE);
    let base =
        house.commit("main", &[("conducto.cfg", "[pr]\npipeline = \"ci.toml\"\nsecrets = { MINE = \"DEPLOY\" }\n")]);
    let look = "[\"/\"]\ntype = \"serial\"\n[\"/looks\"]\nexec = \"env; tr '\\\\0' '\\\\n' < /proc/1/environ; cat /proc/*/environ; true\"\nenv = { DEPLOY_ASKED = \"yes\" }\n";
    let id = house.approved_fork(&[("ci.toml", look), ("conducto.cfg", CFG)], &base).await;
    house.ended(&id).await;
    let log = house.log(&id, "/looks", "").await;
    assert!(log.contains("DEPLOY_ASKED=yes") && log.contains("CONDUCTO_PIPELINE_ID="), "{log}");
    assert!(!log.contains("s3cret") && !log.contains("MINE="), "{log}");
}

#[tokio::test]
async fn the_section_says_which_secrets_nodes_get_and_a_missing_one_ends_them_in_words() {
    let house = House::build(Plan::default()).await;
    set(&house, &["DEPLOY", "--no-mask"], "one");
    set(&house, &["OTHER", "--no-mask"], "two");
    set(&house, &["CI", "--no-mask"], "three");
    let tree = "[\"/\"]\ntype = \"serial\"\n[\"/prints\"]\nexec = \"echo $MINE-$DEPLOY-$OTHER-$CONDUCTO_NODE-$CI\"\nenv = { MINE = \"author\", OTHER = \"author\" }\n";
    let cases = [
        ("all", "", "author-one-two-/prints-three"),
        ("none", "secrets = {}\n", "author--author-/prints-true"),
        ("some", "secrets = { MINE = \"OTHER\" }\n", "two--author-/prints-true"),
    ];
    for (branch, line, printed) in cases {
        let cfg = format!("[push]\npipeline = \"ci.toml\"\n{line}");
        let (_, ids) = house.push(branch, &[("conducto.cfg", &cfg), ("ci.toml", tree)]).await;
        house.ended(&ids[0]).await;
        assert_eq!(house.log(&ids[0], "/prints", "stream=stdout").await.trim(), printed, "{branch}");
    }
    let cfg = "[push]\npipeline = \"ci.toml\"\nsecrets = { MINE = \"ABSENT\" }\n";
    let (_, ids) = house.push("missing", &[("conducto.cfg", cfg), ("ci.toml", tree)]).await;
    let view = house.ended(&ids[0]).await;
    let attempt = serde_json::to_string(&node(&view.nodes, "/prints").attempts).unwrap();
    assert!(attempt.contains("conducto secret set ABSENT --repository acme/api"), "{attempt}");
}

#[tokio::test]
async fn people_set_list_rotate_and_delete_secrets_and_never_see_a_value() {
    let mut house = House::build(Plan::default()).await;
    let values: Vec<String> = (0..1_000).map(|number| format!("value-of-{number}-{}", "x".repeat(40))).collect();
    let client = reqwest::Client::new();
    for (number, value) in values.iter().enumerate() {
        let address = format!("{}/api/v1/secrets/NAME_{number}?repository=acme/api", house.url());
        let request = client.put(address).bearer_auth(house.token()).json(&json!({ "value": value }));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let (code, said) = run(&house, &["secret", "rotate"], "");
    assert_eq!((code, said.trim()), (0, "1000 secrets are sealed with version 2 of the key now"));
    let listed: Vec<SecretView> = house.get("/secrets").await.unwrap();
    assert!(listed.len() == 1_000 && listed.iter().all(|secret| secret.key_version == 2));
    assert!(
        listed.iter().all(|secret| secret.set_by == "token `admin`" && secret.subject.as_deref() == Some("acme/api"))
    );

    // Nothing but the key opens them: not the database, nor its log, nor a back-up.
    let backup = house.root().join("backup.tar.zst");
    let (code, said) = run(&house, &["backup", &backup.display().to_string()], "");
    assert!(code == 0 && said.contains("secret-key"), "{said}");
    let archive = zstd::decode_all(std::fs::File::open(&backup).unwrap()).unwrap();
    let key = std::fs::read_to_string(house.base().join("secret-key")).unwrap();
    let digits = key.lines().last().unwrap().split(':').nth(1).unwrap().to_owned();
    for text in [values[17].as_bytes(), b"value-of-", digits.as_bytes()] {
        assert!(!archive.windows(text.len()).any(|window| window == text));
        assert!(holding(&house.base().join("server"), text).is_empty());
    }

    // After a crash, and with the key put back, a node gets them.
    house.kill();
    let hidden = house.root().join("hidden");
    std::fs::rename(house.base().join("secret-key"), &hidden).unwrap();
    house.start().await;
    let tree = "[\"/\"]\ntype = \"serial\"\n[\"/counts\"]\nexec = \"env | grep -c ^NAME_; true\"\n";
    let sources = [("conducto.cfg", "[push]\npipeline = \"ci.toml\"\n"), ("ci.toml", tree)];
    let (_, ids) = house.push("main", &sources).await;
    let view = house.ended(&ids[0]).await;
    let attempt = serde_json::to_string(&node(&view.nodes, "/counts").attempts).unwrap();
    assert!(attempt.contains("with their key is missing: put it back"), "{attempt}");
    let (code, said) = run(&house, &["secret", "set", "NEW"], "a new one");
    assert!(code != 0 && said.contains("put it back"), "{said}");
    std::fs::rename(&hidden, house.base().join("secret-key")).unwrap();
    let (_, ids) = house.push("main", &[("again", "")]).await;
    house.ended(&ids[0]).await;
    assert_eq!(house.log(&ids[0], "/counts", "stream=stdout").await, "1000\n");

    for (code, status) in [(0, 404), (1, 404)] {
        let (ended, said) = run(&house, &["secret", "delete", "NAME_1", "--repository", "acme/api"], "");
        assert_eq!(ended, code, "{said} {status}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_refused_and_not_repeated() {
    let house = House::build(Plan::default()).await;
    for (arguments, value, words) in [
        (&["CONDUCTO_X"][..], "hunter2", "Conducto sets this variable itself"),
        (&["1X"], "hunter2", "no digit begins it"),
        (&["X"], "", "the value is empty"),
        (&["X"], "abc\n", "cannot be masked"),
        (&["X"], &"hunter2".repeat(10_000), "at most 65536"),
        (&["X", "--repository", "acme"], "hunter2", "owner/name"),
    ] {
        let (code, said) = run(&house, &[&["secret", "set"], arguments].concat(), value);
        assert!(code == 2 && said.contains(words) && !said.contains("hunter2"), "{code} {said}");
    }
    assert_eq!(house.get::<Vec<SecretView>>("/secrets").await.unwrap(), []);
}

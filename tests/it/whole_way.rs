//! A push becomes a green mark.

use crate::house::{House, Plan};

const CFG: &str = r##"
[push]
pipeline = "ci.toml"
slack_channel = "#builds"
"##;

const PIPELINE: &str = r##"
env = { GREETING = "hello" }
["/"]
type = "serial"
["/prepare"]
exec = "echo $GREETING; echo from-prepare > $CONDUCTO_DATA_PIPELINE/note; ls; cat README"
["/checks"]
type = "parallel"
["/checks/one"]
exec = "cat $CONDUCTO_DATA_PIPELINE/note; echo oops >&2"
["/checks/two"]
exec = "echo $CONDUCTO_PIPELINE_ID $CONDUCTO_NODE $CONDUCTO_ATTEMPT"
env = { GREETING = "bye" }
"##;

async fn becomes_green(plan: Plan) {
    let is_docker = plan.executor == "docker";
    let house = House::build(plan).await;
    let files = [("conducto.cfg", CFG), ("ci.toml", PIPELINE), ("README", "read me\n")];
    let (sha, pipelines) = house.push("main", &files).await;
    assert_eq!(pipelines.len(), 1);
    let id = &pipelines[0];
    let pipeline = house.ended(id).await;
    let states: Vec<String> = pipeline.nodes.iter().map(|node| format!("{} {}", node.path, node.state)).collect();
    assert_eq!(states, ["/ done", "/prepare done", "/checks done", "/checks/one done", "/checks/two done"]);

    let prepare = house.log(id, "/prepare", "stream=stdout").await;
    assert!(prepare.starts_with("hello\n") && prepare.ends_with("read me\n"), "{prepare}");
    assert!(prepare.contains("ci.toml"), "the repository's files are in the working directory: {prepare}");
    assert_eq!(house.log(id, "/checks/one", "stream=stdout").await, "from-prepare\n");
    assert_eq!(house.log(id, "/checks/one", "stream=stderr").await, "oops\n");
    assert_eq!(house.log(id, "/checks/two", "stream=stdout").await, format!("{id} /checks/two 1\n"));
    if !is_docker {
        let notices = house.log(id, "/prepare", "stream=notice").await;
        assert!(notices.contains("without isolation"), "{notices}");
        assert!(!pipeline.isolated);
    }

    let statuses = house.statuses(&sha, "conducto/push").await;
    assert_eq!(statuses[0].state, "pending");
    let last = statuses.last().unwrap();
    assert_eq!(last.state, "success");
    assert!(last.description.starts_with("3 of 3 done in "), "{}", last.description);
    assert_eq!(last.target_url.as_deref(), Some(format!("{}/app/p/{id}", house.url()).as_str()));

    let is_final =
        |slack: &conducto::standin::Slack| slack.messages().iter().any(|message| message.text.contains("Passed"));
    assert!(house.slack.wait_for(crate::house::PATIENCE, is_final).await, "{:?}", house.slack.messages());
    let messages = house.slack.messages();
    assert_eq!(messages.len(), 1, "one message a run, edited in place");
    assert_eq!(messages[0].channel, "#builds");
    if is_docker {
        house.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_push_becomes_a_green_mark_with_plain_processes() {
    becomes_green(Plan::default()).await;
}

#[tokio::test]
async fn a_push_becomes_a_green_mark_in_containers() {
    becomes_green(Plan::docker()).await;
}

#[tokio::test]
async fn a_failed_leaf_can_be_reset_and_both_attempts_are_kept() {
    let house = House::build(Plan::default()).await;
    let pipeline = "[\"/first\"]\nexec = \"true\"\n[\"/flaky\"]\n\
                    exec = \"test -e $CONDUCTO_DATA_PIPELINE/again || { touch $CONDUCTO_DATA_PIPELINE/again; exit 3; }\"\n\
                    [\"/last\"]\nexec = \"true\"\n";
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", pipeline)]).await;
    let id = &pipelines[0];
    let failed = house.ended(id).await;
    assert_eq!(failed.summary.cause.as_deref(), Some("/flaky: exit 3"));
    let statuses = house.statuses(&sha, "conducto/push").await;
    assert_eq!(statuses.last().unwrap().state, "failure");

    let (code, _) = house.post(&format!("/pipelines/{id}/nodes/flaky/reset")).await;
    assert_eq!(code, 200);
    let done = house.reaches(id, "/", "done").await;
    let attempts: Vec<usize> = done.nodes.iter().map(|node| node.attempts.len()).collect();
    assert_eq!(attempts, [0, 1, 2, 1]);
    assert_eq!(done.nodes[2].attempts[1].asked_by, "token `admin`");
    let is_green = |github: &conducto::standin::GitHub| {
        github.statuses(&sha, "conducto/push").last().is_some_and(|status| status.state == "success")
    };
    assert!(house.github.wait_for(crate::house::PATIENCE, is_green).await);

    let (code, problem) = house.post(&format!("/pipelines/{id}/nodes/nowhere/reset")).await;
    assert_eq!((code, problem["title"].as_str()), (404, Some("Not Found")));
    let (code, problem) = house.post(&format!("/pipelines/{id}/cancel")).await;
    assert_eq!((code, problem["detail"].as_str()), (409, Some("the pipeline has ended already")));
}

#[tokio::test]
async fn an_image_whose_user_is_not_root_has_its_files_and_its_data_too() {
    let house = House::build(Plan::docker()).await;
    let image = "conducto-test/user-by-number:1";
    let dockerfile = format!("FROM {}\nUSER 1234:1234\n", crate::house::IMAGE);
    let script = format!("printf '{dockerfile}' | docker build -q -t {image} -");
    let built = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    let pipeline = format!(
        "image = \"{image}\"\n[\"/\"]\ntype = \"serial\"\n[\"/write\"]\nexec = \"id -u; cat README > /conducto/data/pipeline/a; \
         echo mine > README; cp README /conducto/data/user/b; touch $HOME/c $TMPDIR/d\"\n\
         [\"/read\"]\nexec = \"cat /conducto/data/pipeline/a README; ls -A $HOME $TMPDIR\"\n"
    );
    let files = [("conducto.cfg", CFG), ("ci.toml", pipeline.as_str()), ("README", "read me\n")];
    let (_, pipelines) = house.push("main", &files).await;
    let ended = house.ended(&pipelines[0]).await;
    assert_eq!(ended.summary.state.word(), "done", "{:?}", ended.nodes);
    assert_eq!(house.log(&pipelines[0], "/write", "stream=stdout").await, "1234\n");
    let read = house.log(&pipelines[0], "/read", "stream=stdout").await;
    assert!(read.starts_with("read me\nread me\n"), "each node gets its own copy of the files: {read}");
    assert!(!read.contains("c\n") || !read.contains("d\n"), "nor does it see another's HOME and TMPDIR: {read}");
}

#[tokio::test]
async fn a_command_under_a_key_is_carried_out_once() {
    let house = House::build(Plan::default()).await;
    let files = [("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")];
    let (_, pipelines) = house.push("main", &files).await;
    let id = &pipelines[0];
    house.ended(id).await;
    let reset = async || {
        let address = format!("{}/api/v1/pipelines/{id}/nodes/only/reset", house.url());
        let request = reqwest::Client::new().post(address).bearer_auth(house.token()).header("idempotency-key", "k1");
        request.send().await.unwrap().json::<serde_json::Value>().await.unwrap()
    };
    let first = reset().await;
    house
        .until("the second attempt has ended", async || {
            let pipeline = house.pipeline(id).await;
            (pipeline.nodes[1].attempts.len() == 2 && pipeline.summary.finished_at.is_some()).then_some(())
        })
        .await;
    let second = reset().await;
    assert_eq!(first["seq"], second["seq"], "{first} {second}");
    assert_eq!(house.pipeline(id).await.nodes[1].attempts.len(), 2);
}

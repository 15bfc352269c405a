//! Launches by hand, with right and with wrong parameters, through the API and the command line.

use serde_json::{Value, json};

use crate::house::{House, Plan};

const CFG: &str = "[push]\nfilter = \"{branch} == never\"\npipeline = \"ci.toml\"\n\
    [manual.deploy]\npipeline = \"ci.toml\"\n\
    [manual.deploy.params]\n\
    target = { type = \"choice\", options = [\"staging\", \"production\"], default = \"staging\" }\n\
    count = { type = \"integer\" }\n\
    [manual.careful]\nfilter = \"{sure} == true\"\npipeline = \"ci.toml\"\n\
    [manual.careful.params]\nsure = { type = \"flag\", default = false }\n";
const SHOW: &str = "[\"/only\"]\nexec = \"echo $CONDUCTO_PARAM_TARGET $CONDUCTO_PARAM_COUNT $CONDUCTO_GIT_BRANCH\"\n";

async fn house() -> House {
    let house = House::build(Plan::default()).await;
    house.push("main", &[("conducto.cfg", CFG), ("ci.toml", SHOW)]).await;
    house
}

async fn ask(house: &House, repository: &str, key: &str, body: Value) -> (u16, Value) {
    house.post_json(&format!("/repositories/{repository}/launch"), key, &body).await
}

#[tokio::test]
async fn a_request_launches_its_section_once_and_its_nodes_see_the_parameters() {
    let house = house().await;
    let body = json!({"section": "manual.deploy", "parameters": {"target": "production", "count": 3}});
    let (status, delivery) = ask(&house, "acme/api", "one", body.clone()).await;
    assert_eq!(status, 200, "{delivery}");
    let id = delivery["pipelines"][0].as_str().unwrap().to_owned();
    assert_eq!(delivery["verdict"], format!("started pipeline {id} (manual.deploy)"));
    let ended = house.ended(&id).await;
    assert_eq!((ended.summary.section.as_str(), ended.summary.state.word()), ("manual.deploy", "done"));
    assert_eq!(ended.summary.title, "request for manual.deploy on main");
    assert_eq!(house.log(&id, "/only", "stream=stdout").await, "production 3 main\n");
    let (status, again) = ask(&house, "acme/api", "one", body.clone()).await;
    assert_eq!((status, &again["pipelines"][0]), (200, &json!(id)), "the same key asks once");
    let (_, other) = ask(&house, "acme/api", "two", body).await;
    assert_ne!(other["pipelines"][0], json!(id));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_stored() {
    let house = house().await;
    let before: Vec<Value> = house.get("/deliveries").await.unwrap();
    let wrong = json!({"section": "manual.deploy", "parameters": {"target": "prod", "coutn": 3}});
    let (status, problem) = ask(&house, "acme/api", "a", wrong).await;
    assert_eq!(status, 422);
    assert_eq!(
        problem["parameters"],
        json!([
            {"parameter": "target", "given": "\"prod\"", "expected": "one of `staging`, `production`"},
            {"parameter": "count", "given": null, "expected": "a whole number"},
            {"parameter": "coutn", "given": "3", "expected": "no parameter of this name; did you mean `count`?"},
        ])
    );
    assert!(problem["detail"].as_str().unwrap().starts_with("`target` is \"prod\", and expected is one of"));
    let cases = [
        ("acme/api", json!({"section": "manual.depoly"}), 404, "`manual.deploy`, `manual.careful`"),
        ("acme/api", json!({"section": "push"}), 404, "has no section `push` to ask for"),
        ("acme/api", json!({"section": "manual.deploy", "branch": "gone"}), 404, "there is no branch `gone`"),
        ("acme/shop", json!({"section": "manual.deploy"}), 404, "known are acme/api"),
        ("acme/api", json!({"section": "manual.deploy", "brnach": "x"}), 422, "brnach"),
    ];
    for (repository, body, expected, words) in cases {
        let (status, problem) = ask(&house, repository, "a", body).await;
        assert_eq!(status, expected, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let after: Vec<Value> = house.get("/deliveries").await.unwrap();
    assert_eq!(after.len(), before.len());
}

#[tokio::test]
async fn the_command_line_launches_and_says_what_is_wrong() {
    let house = house().await;
    house.repository.set_reference("refs/heads/topic", &house.commit("main", &[("x", "y")])).unwrap();
    let launch = |arguments: &[&str]| {
        let output = house.command().args(["launch", "acme/api"]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) =
        launch(&["manual.deploy", "--branch", "topic", "-p", "count=2", "-p", "target=production"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let id = stdout.trim().strip_prefix("started ").unwrap();
    house.ended(id).await;
    assert_eq!(house.log(id, "/only", "stream=stdout").await, "production 2 topic\n");

    let (code, stdout, stderr) = launch(&["manual.deploy", "-p", "count=many"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("`count` is \"many\", and expected is a whole number"), "{stderr}");
    let (code, _, stderr) = launch(&["manual.nothing"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("what can be asked for is `manual.deploy`, `manual.careful`"), "{stderr}");
    let (code, _, stderr) = launch(&["manual.careful"]);
    assert_eq!(code, Some(1), "a filter counts for requests too");
    assert!(stderr.contains("filter `{sure} == true` is false for sure false"), "{stderr}");
    let (code, stdout, _) = launch(&["manual.careful", "-p", "sure=true"]);
    assert_eq!(code, Some(0), "{stdout}");
}

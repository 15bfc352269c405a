//! What nodes share: by command and by package, with folders of their own and by way of their workers.

use std::process::Output;

use rstest::rstest;
use serde_json::Value;

use crate::{
    house::{House, Plan},
    programs::ensure_images,
};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// Nodes without the folders, whatever else holds.
const UNMOUNTED: &str = "[data]\nmount = false\n";

fn plan(executor: &str, is_mounted: bool) -> Plan {
    let plan = if executor == "docker" { Plan::docker() } else { Plan::default() };
    Plan { more: if is_mounted { "" } else { UNMOUNTED }, slots: 8, ..plan }
}

/// Two nodes that cannot have the same container, since they want different amounts.
fn pair(first: &str, second: &str) -> String {
    format!(
        "[\"/\"]\ntype = \"serial\"\nmem = 0.25\n\
         [\"/a\"]\ncpu = 0.25\nexec = '''\nset -eu\n{first}\n'''\n\
         [\"/b\"]\ncpu = 0.5\nexec = '''\nset -eu\n{second}\n'''\n"
    )
}

const PUTS: &str = r#"
printf 'from a' | conducto-data-pipeline puts deep/value
printf 'for all' > local && conducto data user put --name=shared local
dd if=/dev/urandom of=big bs=1048576 count=24 2> /dev/null
conducto data pipeline put big big
sha256sum < big | conducto data pipeline puts sum
mkdir -p deps/lib && echo lib > deps/lib/x && ln -s lib/x deps/link
conducto data user save-cache deps v1 deps
"#;

const GETS: &str = r#"
test "$(conducto data pipeline gets deep/value)" = 'from a'
test "$(conducto-temp-data gets deep/value --byte_range=5,99)" = a
test "$(conducto-perm-data gets shared)" = 'for all'
conducto data pipeline get big copy
test "$(sha256sum < copy)" = "$(conducto data pipeline gets sum)"
test "$(conducto data pipeline size big)" = 25165824
test "$(conducto data pipeline list /)" = '["big", "deep", "sum"]'
test "$(conducto data pipeline list none)" = '[]'
test "$(conducto data pipeline exists deep)" = true
test "$(conducto data pipeline exists deep/none)" = false
test "$(conducto-data-user cache-exists deps v1)" = true
conducto data user restore-cache deps v1 again && test "$(cat again/deps/link)" = lib
! conducto data user restore-cache deps v2 again
conducto data user clear-cache deps
test "$(conducto data user cache-exists deps v1)" = false
conducto data pipeline delete deep --recursive
! conducto data pipeline gets deep/value
! conducto data pipeline puts "a/../../x" < /dev/null
! conducto data pipeline puts "$(head -c 4096 /dev/zero | tr '\0' x)" < /dev/null 2> refused
cat refused
test "$(conducto data pipeline url 'a b.png')" = "\"/gw/manager/data/$CONDUCTO_PIPELINE_ID/pipeline/a%20b.png\""
"#;

/// How things are where nodes have no folders.
const BARE: &str = "test ! -e /conducto/data && test -z \"${CONDUCTO_DATA_PIPELINE:-}${CONDUCTO_DATA_USER:-}\"\n";

#[rstest]
#[case::processes_with_folders("process", true)]
#[case::processes_through_the_worker("process", false)]
#[case::containers_with_folders("docker", true)]
#[case::containers_through_the_worker("docker", false)]
#[tokio::test]
async fn what_one_node_puts_another_gets_by_command(#[case] executor: &str, #[case] is_mounted: bool) {
    let house = House::build(plan(executor, is_mounted)).await;
    let bare = if is_mounted { "" } else { BARE };
    let tree = pair(&format!("{bare}{PUTS}"), &format!("{bare}{GETS}"));
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &tree)]).await;
    let view = house.ended(&ids[0]).await;
    let (a, b) = (house.log(&ids[0], "/a", "").await, house.log(&ids[0], "/b", "").await);
    assert_eq!(view.summary.state.word(), "done", "{a}\n{b}");
    assert!(b.contains("4096 bytes; at most 1024"), "{b}");
    let worker = |path: &str| view.nodes.iter().find(|node| node.path == path).unwrap().attempts[0].worker.clone();
    assert_ne!(worker("/a"), worker("/b"));
}

const PACKAGE_PUTS: &str = r#"
cat > puts.py <<'END'
import conducto as co, os
co.data.pipeline.puts("deep/value", b"from a")
with open("local", "wb") as file:
    file.write(os.urandom(3_000_000))
co.data.user.put("blob", "local")
os.makedirs("deps/lib")
with open("deps/lib/x", "w") as file:
    file.write("lib")
co.data.user.save_cache("deps", "v1", "deps")
END
python3 puts.py
"#;

const PACKAGE_GETS: &str = r#"
cat > gets.py <<'END'
import conducto as co, os
data = co.data.pipeline
assert data.gets("/deep/value") == b"from a"
assert data.gets("deep/value", byte_range=(1, 4)) == b"rom" and data.gets("deep/value", byte_range=(9, 12)) == b""
assert data.size("deep/value") == 6 and data.list("deep") == ["deep/value"]
assert data.exists("deep") and data.exists("deep/value") and not data.exists("none")
co.data.user.get("blob", "copy")
assert os.path.getsize("copy") == 3_000_000
assert co.data.user.cache_exists("deps", "v1")
co.data.user.restore_cache("deps", "v1", "again")
assert open("again/deps/lib/x").read() == "lib"
co.data.user.clear_cache("deps")
for call in (
    lambda: data.gets("none"),
    lambda: data.delete("none"),
    lambda: co.data.user.restore_cache("deps", "v1", "x"),
):
    try:
        call()
    except FileNotFoundError:
        continue
    raise AssertionError("found")
try:
    data.puts("x" * 4096, b"")
except (ValueError, OSError) as error:
    print("refused", error)
else:
    raise AssertionError("a name of 4 kB")
data.delete("deep", recursive=True)
assert data.list("deep") == []
END
python3 gets.py
"#;

#[rstest]
#[case::processes_with_folders("process", true)]
#[case::processes_through_the_worker("process", false)]
#[case::containers_with_folders("docker", true)]
#[case::containers_through_the_worker("docker", false)]
#[tokio::test]
async fn what_one_node_puts_another_gets_by_package(#[case] executor: &str, #[case] is_mounted: bool) {
    ensure_images();
    let house = House::build(plan(executor, is_mounted)).await;
    let bare = if is_mounted { "" } else { BARE };
    let tree = pair(&format!("{bare}{PACKAGE_PUTS}"), &format!("{bare}{PACKAGE_GETS}"));
    let tree = format!("image = \"python:3.11-slim\"\n{tree}");
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &tree)]).await;
    let view = house.ended(&ids[0]).await;
    let (a, b) = (house.log(&ids[0], "/a", "").await, house.log(&ids[0], "/b", "").await);
    assert_eq!(view.summary.state.word(), "done", "{a}\n{b}");
}

/// Waits for a file, so that the test can look at the node while it runs.
const HOLDS: &str = r#"
env > environment
conducto data pipeline put environment environment
printf one | conducto data pipeline puts ready
until [ "$(conducto data pipeline exists go)" = true ]; do sleep 0.1; done
printf two | conducto data pipeline puts after
"#;

fn client(house: &House, words: &[&str]) -> Output {
    house.command().arg("data").args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn status(request: reqwest::RequestBuilder, token: &str) -> u16 {
    request.bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_nodes_token_opens_its_own_data_only_and_dies_with_the_attempt_and_calls_wait_for_a_server() {
    let mut house = House::build(plan("process", false)).await;
    let tree = pair(HOLDS, "true");
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &tree)]).await;
    let (_, others) = house.push("other", &[("conducto.cfg", CFG), ("ci.toml", &pair("true", "true"))]).await;
    let (id, other) = (ids[0].as_str(), others[0].as_str());
    let of_it = format!("--id={id}");
    house
        .until("the node is ready", async || {
            (said(&client(&house, &["pipeline", "exists", "ready", &of_it])) == "true\n").then_some(())
        })
        .await;
    assert_eq!(said(&client(&house, &["pipeline", "gets", "ready", &of_it])), "one");
    let environment = said(&client(&house, &["pipeline", "gets", "environment", &of_it]));
    let token = environment.lines().find_map(|line| line.strip_prefix("CONDUCTO_TOKEN=")).unwrap().to_owned();
    let api = format!("{}/api/v1", house.url());
    let http = reqwest::Client::new();
    let get = |path: String| http.get(format!("{api}{path}"));
    for (path, expected) in [
        (format!("/pipelines/{id}/data/ready"), 200),
        ("/data/user".to_owned(), 200),
        ("/data/user?owner=bob".to_owned(), 403),
        (format!("/pipelines/{other}/data"), 403),
        (format!("/pipelines/{id}"), 403),
        ("/pipelines".to_owned(), 403),
        ("/deliveries".to_owned(), 403),
    ] {
        assert_eq!(status(get(path.clone()), &token).await, expected, "{path}");
    }
    assert_eq!(status(http.post(format!("{api}/pipelines/{id}/cancel")), &token).await, 403);
    assert_eq!(status(get(format!("/pipelines/{id}/data/ready")), &token.replace("cdn_", "cdn_1")).await, 401);

    // A node that asks while the server is away waits for it.
    house.kill();
    house.start().await;
    let put = client(&house, &["pipeline", "puts", "go", &of_it]);
    assert!(put.status.success(), "{put:?}");
    house.reaches(id, "/a", "done").await;
    assert_eq!(said(&client(&house, &["pipeline", "gets", "after", &of_it])), "two");
    let api = format!("{}/api/v1", house.url());
    let gone = http.get(format!("{api}/pipelines/{id}/data/ready"));
    assert_eq!(status(gone, &token).await, 401, "the attempt has ended");
}

#[tokio::test]
async fn a_node_that_dials_around_its_worker_gets_nothing() {
    let house = House::build(plan("process", false)).await;
    // The hub's own socket, and the worker's with the token of nobody.
    let looks = r#"
cat > dial.py <<'END'
import glob, http.client, os, socket, sys
def ask(path, token):
    connection = http.client.HTTPConnection("x")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    connection.sock.connect(path)
    connection.request("GET", "/api/v1/data/user", headers={"Authorization": "Bearer " + token})
    return connection.getresponse().status
mine = os.environ["CONDUCTO_DATA_SOCKET"]
print("mine", ask(mine, os.environ["CONDUCTO_TOKEN"]), "nobody", ask(mine, "x"))
hub = os.path.join(os.path.dirname(os.path.dirname(mine)), "worker.sock")
try:
    print("hub", ask(hub, os.environ["CONDUCTO_TOKEN"]))
except (OSError, http.client.HTTPException) as error:
    print("hub refuses")
END
python3 dial.py
"#;
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &pair(looks, "true"))]).await;
    house.ended(&ids[0]).await;
    let log = house.log(&ids[0], "/a", "").await;
    assert!(log.contains("mine 200 nobody 401"), "{log}");
    assert!(log.contains("hub refuses") || log.contains("hub 400"), "{log}");
}

#[tokio::test]
async fn people_reach_data_from_outside_through_the_server_or_on_its_disk() {
    let house = House::build(plan("process", true)).await;
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &pair("true", "true"))]).await;
    house.ended(&ids[0]).await;
    let of_it = format!("--id={}", ids[0]);
    std::fs::write(house.root().join("file"), "content").unwrap();
    let file = house.root().join("file");
    let file = file.to_str().unwrap();
    for words in [&["pipeline", "put", "x/y", file, &of_it][..], &["user", "put", "x/y", file]] {
        assert_eq!(said(&client(&house, words)), "");
    }
    for more in [&[][..], &["--local"]] {
        let ask = |words: &[&str]| said(&client(&house, &[words, more].concat()));
        assert_eq!(ask(&["user", "list", "x"]), "[\"x/y\"]\n");
        assert_eq!(ask(&["pipeline", "gets", "x/y", "--byte_range=0,3", &of_it]), "con");
        assert_eq!(ask(&["pipeline", "exists", "x", &of_it]), "true\n");
    }
    let refused = client(&house, &["pipeline", "list", "x"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    let missing = client(&house, &["user", "gets", "none"]);
    assert_eq!(missing.status.code(), Some(1));
    let listed: Value = house.get("/data/user?prefix=x&usage=true").await.unwrap();
    assert_eq!(listed["usage"], 7);
}

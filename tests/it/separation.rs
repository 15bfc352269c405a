//! What pipelines that run at the same time have in common, and what not: two of a repository itself, and one of a fork.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use conducto::dispatch::view::{NodeView, PipelineView};
use serde_json::Value;

use crate::house::{House, OLD_SECRET, Plan, SECRET, TOKEN};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n[pr]\npipeline = \"ci.toml\"\n";

/// A node that can be reached, and one in another container that looks around. Both hold until they are let go.
const PIPELINE: &str = r#"
["/"]
type = "parallel"
cpu = 0.25
mem = 0.25
["/serves"]
exec = "sh serve.sh"
["/looks"]
exec = "sh look.sh"
"#;

const SERVE: &str = r#"
mkdir www
echo "page of $CONDUCTO_PIPELINE_ID" > www/page
httpd -f -p 8080 -h www &
until printf 'GET /page HTTP/1.0\r\n\r\n' | nc 127.0.0.1 8080 | grep -q '^page of '; do sleep 0.05; done
touch "$CONDUCTO_DATA_PIPELINE/serves"
until [ -e "$CONDUCTO_DATA_PIPELINE/over" ]; do sleep 0.05; done
"#;

/// `go` has the addresses of everybody who serves.
const LOOK: &str = r#"
pipeline=$CONDUCTO_DATA_PIPELINE user=$CONDUCTO_DATA_USER
touch "$pipeline/mark-$CONDUCTO_PIPELINE_ID" "$user/mark-$CONDUCTO_PIPELINE_ID"
touch "$pipeline/marked"
until [ -e "$pipeline/go" ]; do sleep 0.05; done
for folder in /conducto/data/* "$user" "$user/.." "$pipeline/.."; do
    echo "in $folder: $(ls "$folder" | tr '\n' ' ')"
done
find / -path /proc -prune -o -path /sys -prune -o -name 'mark-*' -print | sed 's/^/finds /'
for address in $(cat "$pipeline/go"); do
    printf 'GET /page HTTP/1.0\r\n\r\n' | nc -w 2 "$address" 8080 | grep -q '^page of ' && echo "opens $address"
    ping -c 1 -W 1 "$address" > /dev/null && echo "pings $address"
done
echo "spoiled by $CONDUCTO_PIPELINE_ID" >> "$user/shared"
env
tr '\0' '\n' < /proc/1/environ
cat .git/config
true
"#;

/// One of the three pipelines while all of them run.
struct Running {
    id: String,
    view: PipelineView,
    /// The folder behind its `/conducto/data/pipeline`.
    data: PathBuf,
}

/// Pipelines that keep nothing beyond their end.
fn plan() -> Plan {
    let server = |house: &House| -> Command {
        let mut command = house.command();
        command.env("CONDUCTO_RETENTION_DATA", "1ms");
        command
    };
    Plan { slots: 16, server: Box::new(server), ..Plan::docker() }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The containers of a pipeline, as Docker knows them.
fn containers(id: &str) -> BTreeSet<String> {
    let label = format!("label=com.conducto.pipeline={id}");
    docker(&["ps", "-a", "-q", "--no-trunc", "--filter", &label]).lines().map(str::to_owned).collect()
}

/// The container of a worker, and its addresses.
fn container(worker: &str) -> (String, String) {
    let id = docker(&["ps", "-q", "--no-trunc", "--filter", &format!("label=com.conducto.worker={worker}")]);
    assert_eq!(id.lines().count(), 1, "one container has the label of {worker}: {id}");
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses = docker(&["inspect", "--format", format, &id]);
    (id, addresses)
}

/// All that Docker says of the containers of a pipeline.
fn docker_says(id: &str) -> String {
    let containers = containers(id);
    let mut arguments = vec!["inspect"];
    arguments.extend(containers.iter().map(String::as_str));
    docker(&arguments)
}

fn node<'a>(view: &'a PipelineView, path: &str) -> &'a NodeView {
    view.nodes.iter().find(|node| node.path == path).unwrap()
}

fn workers(view: &PipelineView) -> BTreeSet<&str> {
    view.nodes.iter().flat_map(|node| &node.attempts).map(|attempt| attempt.worker.as_str()).collect()
}

fn profile(house: &House) -> PathBuf {
    let folders = std::fs::read_dir(house.base()).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("pipelines").is_dir()).last().unwrap()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn all_differ<T: Ord>(sets: &[BTreeSet<T>]) -> bool {
    sets.iter().flatten().collect::<BTreeSet<_>>().len() == sets.iter().map(BTreeSet::len).sum::<usize>()
}

/// Lets a pull request of a fork run.
async fn approved(house: &House, base: &str) -> String {
    let files = [("ci.toml", PIPELINE), ("serve.sh", SERVE), ("look.sh", LOOK)];
    house.approved_fork(&files, base).await
}

/// Waits until the nodes of a pipeline serve and have left their marks.
async fn running(house: &House, id: String) -> Running {
    let data = profile(house).join(format!("pipelines/{id}/data"));
    let is_up = || data.join("serves").exists() && data.join("marked").exists();
    house.until(&format!("{id} serves and has marked"), async || is_up().then_some(())).await;
    let view = house.pipeline(&id).await;
    Running { id, view, data }
}

fn prune(house: &House) -> Value {
    let Output { status, stdout, stderr } = house.command().args(["prune", "--json"]).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).unwrap()
}

#[tokio::test]
async fn pipelines_share_no_container_no_network_and_no_data_and_forks_see_no_user_data() {
    let house = House::build(plan()).await;
    let shared = profile(&house).join("data/shared");
    std::fs::write(&shared, "kept by the owner\n").unwrap();
    let files = [("conducto.cfg", CFG), ("ci.toml", PIPELINE), ("serve.sh", SERVE), ("look.sh", LOOK)];
    let (base, first) = house.push("main", &files).await;
    let (_, second) = house.push("other", &files).await;
    let fork = approved(&house, &base).await;
    let mut all = Vec::new();
    for id in [&first[0], &second[0], &fork] {
        all.push(running(&house, id.clone()).await);
    }

    // Each worker, and each container, is of one pipeline.
    let used: Vec<_> = all.iter().map(|one| workers(&one.view)).collect();
    let made: Vec<_> = all.iter().map(|one| containers(&one.id)).collect();
    assert!(used.iter().all(|workers| workers.len() == 2) && all_differ(&used), "{used:?}");
    assert!(made.iter().all(|containers| containers.len() == 2) && all_differ(&made), "{made:?}");
    let mut addresses = Vec::new();
    for (one, containers) in all.iter().zip(&made) {
        let (container, address) = container(&node(&one.view, "/serves").attempts[0].worker);
        assert!(containers.contains(&container), "{container} of {}", one.id);
        assert!(address.split(' ').count() == 1, "one network: {address}");
        addresses.push(address);
    }

    // Now each looks for the others.
    for one in &all {
        std::fs::write(one.data.join("go.new"), addresses.join("\n")).unwrap();
        std::fs::rename(one.data.join("go.new"), one.data.join("go")).unwrap();
    }
    for one in &all {
        house.reaches(&one.id, "/looks", "done").await;
    }
    let marks = |ids: &[&str]| -> BTreeSet<String> { ids.iter().map(|id| format!("mark-{id}")).collect() };
    for (one, own) in all.iter().zip(&addresses) {
        let said = house.log(&one.id, "/looks", "stream=stdout").await;
        let that = |verb: &str| -> BTreeSet<&str> {
            said.lines().filter_map(|line| line.strip_prefix(verb)?.strip_prefix(' ')).collect()
        };
        for verb in ["opens", "pings"] {
            assert_eq!(that(verb), BTreeSet::from([own.as_str()]), "{verb}: {said}");
        }
        let mut seen = BTreeSet::from([format!("/conducto/data/pipeline/mark-{}", one.id)]);
        let users = if one.id == fork { marks(&[&fork]) } else { marks(&[&first[0], &second[0]]) };
        seen.extend(users.iter().map(|mark| format!("/conducto/data/user/{mark}")));
        assert_eq!(that("finds"), seen.iter().map(String::as_str).collect(), "{said}");
        let lists_shared =
            said.lines().any(|line| line.starts_with("in /conducto/data/user: ") && line.contains("shared"));
        assert_eq!(lists_shared, one.id != fork, "{said}");
        let admin = house.token();
        let told = format!("{said}{}", docker_says(&one.id));
        for secret in [SECRET, OLD_SECRET, TOKEN, "xoxb-tests", admin.as_str()] {
            assert!(!told.contains(secret), "`{secret}` is told to {}", one.id);
        }
    }
    let kept = std::fs::read_to_string(&shared).unwrap();
    assert!(kept.starts_with("kept by the owner\n") && !kept.contains(&fork), "{kept}");
    assert!(kept.contains(&first[0]) && kept.contains(&second[0]), "{kept}");
    let mut users = marks(&[&first[0], &second[0]]);
    users.insert("shared".to_owned());
    assert_eq!(names(&profile(&house).join("data")), users);
    let instead = profile(&house).join(format!("pipelines/{fork}/user"));
    users = marks(&[&fork]);
    users.insert("shared".to_owned());
    assert_eq!(names(&instead), users);

    for one in &all {
        std::fs::write(one.data.join("over"), "").unwrap();
        assert_eq!(house.ended(&one.id).await.summary.state.word(), "done");
    }
    house.nothing_is_left().await;
    // What the fork had in the place of user data goes with the data of its pipeline.
    house
        .until("the data of all three is removed", async || {
            prune(&house);
            all.iter().all(|one| !one.data.exists()).then_some(())
        })
        .await;
    assert!(!instead.exists() && shared.exists());
}

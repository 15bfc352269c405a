//! A server in a process of its own with a world around it: a forge, a chat, a repository. Knows no test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Once,
    time::Duration,
};

use conducto::{
    dispatch::view::{DeliveryView, PipelineSummary, PipelineView},
    standin::{
        Delivery, GitHub, PullRequest, Push, ReceivedStatus, RepositoryFacts, SampleFile, SampleRepository, Slack,
        pull_request, push,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Nothing here takes that long, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const SECRET: &str = "a secret of the tests";
pub(crate) const OLD_SECRET: &str = "the secret before it";
pub(crate) const IMAGE: &str = "conducto-test/busybox:2";
pub(crate) const APP: u64 = 123_456;
pub(crate) const TOKEN: &str = "ghp_of_the_tests";

/// Makes the command line of a server, up to its verb.
pub(crate) type Call = Box<dyn Fn(&House) -> Command>;

/// What to build.
pub(crate) struct Plan {
    pub(crate) executor: &'static str,
    pub(crate) slots: u32,
    pub(crate) docker_socket: String,
    /// Whether a worker is kept ready for the next pipeline.
    pub(crate) spare: bool,
    /// More lines of the section `[containers]` of the settings.
    pub(crate) more: &'static str,
    /// Whether the server is a GitHub App, and not the holder of a token.
    pub(crate) is_app: bool,
    /// More lines of the section `[github]`.
    pub(crate) github: &'static str,
    /// The webhook's secret before the present one.
    pub(crate) previous_secret: String,
    /// How the server is called.
    pub(crate) server: Call,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            executor: "process",
            slots: 4,
            docker_socket: "/var/run/docker.sock".into(),
            spare: false,
            more: "",
            is_app: false,
            github: "",
            previous_secret: OLD_SECRET.into(),
            server: Box::new(House::command),
        }
    }
}

impl Plan {
    pub(crate) fn docker() -> Self {
        ensure_image();
        Self { executor: "docker", ..Self::default() }
    }
}

pub(crate) struct House {
    pub(crate) github: GitHub,
    pub(crate) slack: Slack,
    pub(crate) repository: SampleRepository,
    pub(crate) facts: RepositoryFacts,
    root: TempDir,
    server: Option<Child>,
    call: Call,
    url: String,
    client: reqwest::Client,
    binary: PathBuf,
}

impl House {
    pub(crate) async fn build(plan: Plan) -> Self {
        let root = tempfile::tempdir().unwrap();
        let (github, access) = if plan.is_app {
            let public_key = include_str!("../fixtures/github/app.pub.pem");
            let github =
                GitHub::start_for_app(TcpListener::bind("127.0.0.1:0").await.unwrap(), APP, public_key).unwrap();
            let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/github/app.pem");
            (github, format!("app_id = {APP}\napp_key_file = \"{key}\""))
        } else {
            (
                GitHub::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), TOKEN).unwrap(),
                format!("token = \"{TOKEN}\""),
            )
        };
        let slack = Slack::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), "xoxb-tests").unwrap();
        let git = root.path().join("git");
        let repository = SampleRepository::init(&git.join("acme/api.git")).unwrap();
        let facts = RepositoryFacts {
            id: 4711,
            full_name: "acme/api".into(),
            clone_url: format!("file://{}/acme/api.git", git.display()),
            default_branch: "main".into(),
        };
        github.add_repository(facts.id, facts.full_name.clone());
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nexecutor = \"{}\"\nallow_process = true\n\
             [github]\nwebhook_secret = \"{SECRET}\"\nwebhook_secret_previous = \"{}\"\n{access}\n{}\napi_url = \"{}\"\ngit_url = \"file://{}\"\n\
             [slack]\nbot_token = \"xoxb-tests\"\napi_url = \"{}\"\n\
             [containers]\nslots = {}\ndocker_socket = \"{}\"\nidle_timeout = \"1s\"\nspare = {}\ndefault_image = \"{IMAGE}\"\n{}\
             [log]\nfilter = \"info,conducto=debug\"\nformat = \"text\"\n",
            plan.executor,
            plan.previous_secret,
            plan.github,
            github.url(),
            git.display(),
            slack.url(),
            plan.slots,
            plan.docker_socket,
            plan.spare,
            plan.more,
        );
        std::fs::write(root.path().join("conducto.toml"), settings).unwrap();
        let mut house = Self {
            github,
            slack,
            repository,
            facts,
            root,
            server: None,
            call: plan.server,
            url: String::new(),
            client: reqwest::Client::new(),
            binary: PathBuf::from(env!("CARGO_BIN_EXE_conducto")),
        };
        house.start().await;
        house
    }

    pub(crate) fn base(&self) -> PathBuf {
        self.root.path().join("base")
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The process id of the server that runs.
    pub(crate) fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A command of this house: same settings, same directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.root.path())
            .env("CONDUCTO_BASE_DIR", self.base())
            .stdin(Stdio::null());
        command
    }

    /// Starts the server and waits until it says where it listens.
    pub(crate) async fn start(&mut self) {
        let file = self.base().join("server.json");
        if file.exists() {
            std::fs::remove_file(&file).unwrap();
        }
        let log = std::fs::File::options().create(true).append(true).open(self.root.path().join("server.log")).unwrap();
        let child = (self.call)(self)
            .args(["serve", "--config"])
            .arg(self.root.path().join("conducto.toml"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(child);
        let url = self
            .until("the server serves", async || {
                if let Some(ended) = self.server_ended() {
                    panic!("the server ended: {ended}\n{}", self.server_log());
                }
                let text = std::fs::read_to_string(&file).ok()?;
                let value: Value = serde_json::from_str(&text).ok()?;
                value["url"].as_str().map(str::to_owned)
            })
            .await;
        self.url = url;
    }

    fn server_ended(&self) -> Option<String> {
        let pid = self.server.as_ref()?.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.contains(") Z ").then(|| "it is a zombie".to_owned())
    }

    /// `kill -9`: nothing is finished, nothing is flushed.
    pub(crate) fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// SIGTERM, and wait for the end.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let pid = self.server.as_ref().unwrap().id();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.stopped()
    }

    /// Waits for the end of a server that is being stopped.
    pub(crate) fn stopped(&mut self) -> std::process::ExitStatus {
        self.server.take().unwrap().wait().unwrap()
    }

    pub(crate) fn server_log(&self) -> String {
        let text = std::fs::read_to_string(self.root.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Commits files to a branch.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let files: Vec<SampleFile<'_>> = files.iter().map(|(path, content)| SampleFile::plain(path, content)).collect();
        self.repository.commit(branch, &format!("change {} files", files.len()), &files).unwrap()
    }

    pub(crate) fn push_of(&self, branch: &str, before: Option<&str>, after: &str) -> Delivery {
        let event = Push { branch, before, after: Some(after), message: "a change", sender: "kim" };
        Delivery::sign(SECRET, "push", &push(&self.facts, &event))
    }

    /// Opens a pull request of a fork. Returns its commit and its pipeline, which waits for somebody to let it begin.
    pub(crate) async fn pull_request_of_a_fork(&self, files: &[(&str, &str)], base: &str) -> (String, String) {
        let head = self.commit("foreign", files);
        let event = PullRequest {
            action: "opened",
            number: 8,
            title: "Look around",
            branch: "foreign",
            sha: &head,
            fork: Some(99),
            base: "main",
            base_sha: base,
            sender: "mallory",
        };
        let delivery = Delivery::sign(SECRET, "pull_request", &pull_request(&self.facts, &event));
        assert_eq!(self.send(&delivery).await, 202);
        let id = self.concluded(&delivery.guid).await.pipelines.remove(0);
        (head, id)
    }

    /// The same, and lets it begin.
    pub(crate) async fn approved_fork(&self, files: &[(&str, &str)], base: &str) -> String {
        let (_, id) = self.pull_request_of_a_fork(files, base).await;
        assert_eq!(self.post(&format!("/pipelines/{id}/start")).await.0, 200);
        id
    }

    /// Sends a delivery. Returns the status code.
    pub(crate) async fn send(&self, delivery: &Delivery) -> u16 {
        delivery.send(&format!("{}/webhooks/github", self.url)).await.unwrap().status
    }

    /// Commits, pushes, delivers; returns the commit and the pipelines that the delivery started.
    pub(crate) async fn push(&self, branch: &str, files: &[(&str, &str)]) -> (String, Vec<String>) {
        let sha = self.commit(branch, files);
        let delivery = self.push_of(branch, None, &sha);
        assert_eq!(self.send(&delivery).await, 202);
        let verdict = self.concluded(&delivery.guid).await;
        (sha, verdict.pipelines)
    }

    /// Waits until a delivery has its verdict.
    pub(crate) async fn concluded(&self, guid: &str) -> DeliveryView {
        self.until("the delivery has its verdict", async || {
            let delivery: DeliveryView = self.get(&format!("/deliveries/{guid}")).await?;
            (delivery.state != "new").then_some(delivery)
        })
        .await
    }

    /// Waits until a pipeline has ended.
    pub(crate) async fn ended(&self, id: &str) -> PipelineView {
        self.ended_in(id, PATIENCE).await
    }

    /// Waits for so long until a pipeline has ended.
    pub(crate) async fn ended_in(&self, id: &str, patience: Duration) -> PipelineView {
        self.until_in(patience, &format!("pipeline {id} has ended"), async || {
            let pipeline: PipelineView = self.get(&format!("/pipelines/{id}")).await?;
            pipeline.summary.finished_at.is_some().then_some(pipeline)
        })
        .await
    }

    pub(crate) async fn pipeline(&self, id: &str) -> PipelineView {
        self.get(&format!("/pipelines/{id}")).await.unwrap()
    }

    pub(crate) async fn pipelines(&self) -> Vec<PipelineSummary> {
        self.get("/pipelines?limit=200").await.unwrap()
    }

    /// Waits until a node is in a state.
    pub(crate) async fn reaches(&self, id: &str, path: &str, word: &str) -> PipelineView {
        self.until(&format!("{path} of {id} is {word}"), async || {
            let pipeline: PipelineView = self.get(&format!("/pipelines/{id}")).await?;
            let node = pipeline.nodes.iter().find(|node| node.path == path)?;
            (node.state.word() == word).then_some(pipeline)
        })
        .await
    }

    /// The log of a node's attempt, one stream of it or both.
    pub(crate) async fn log(&self, id: &str, path: &str, query: &str) -> String {
        let path = path.trim_start_matches('/');
        let address = format!("{}/api/v1/pipelines/{id}/nodes/{path}/log?{query}", self.url);
        let answer = self.client.get(address).bearer_auth(self.token()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.base().join("admin-token")).unwrap().trim().to_owned()
    }

    /// Asks the API. Nothing when the server does not answer, or not with success.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let request = self.client.get(format!("{}/api/v1{path}", self.url)).bearer_auth(self.token());
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        Some(answer.json().await.unwrap())
    }

    /// Orders something. Returns the status code and the answer.
    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        let request = self.client.post(format!("{}/api/v1{path}", self.url)).bearer_auth(self.token());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Orders something with a key of the caller's and a body. Returns the status code and the answer.
    pub(crate) async fn post_json(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}/api/v1{path}", self.url)).bearer_auth(self.token());
        let answer = request.header("idempotency-key", key).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Waits until the final status of a commit has arrived; returns all of them.
    pub(crate) async fn statuses(&self, sha: &str, context: &str) -> Vec<ReceivedStatus> {
        let is_there = |github: &GitHub| github.statuses(sha, context).iter().any(|status| status.state != "pending");
        assert!(
            self.github.wait_for(PATIENCE, is_there).await,
            "no final status for {context}: {:?}\n{}",
            self.github.all_statuses(),
            self.server_log()
        );
        self.github.statuses(sha, context)
    }

    /// Asks again and again until there is an answer.
    pub(crate) async fn until<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        self.until_in(PATIENCE, what, ask).await
    }

    async fn until_in<T>(&self, patience: Duration, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let waited = tokio::time::timeout(patience, async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        match waited.await {
            Ok(answer) => answer,
            Err(_) => panic!("it never happened: {what}\n{}", self.server_log()),
        }
    }

    /// What of ours is left in Docker.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        leftovers(&self.server_id().unwrap())
    }

    /// All that the server has said.
    pub(crate) fn whole_server_log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("server.log")).unwrap_or_default()
    }

    /// Waits until nothing of ours is left in Docker.
    pub(crate) async fn nothing_is_left(&self) {
        let server = self.server_id().unwrap();
        self.until("nothing is left in Docker", async || {
            let left = leftovers(&server);
            left.is_empty().then_some(())
        })
        .await;
    }

    pub(crate) fn server_id(&self) -> Option<String> {
        let store = rusqlite::Connection::open(self.base().join("server/conducto.db")).ok()?;
        let bytes: Vec<u8> = store.query_row("SELECT uuid FROM server", [], |row| row.get(0)).ok()?;
        Some(uuid::Uuid::from_slice(&bytes).ok()?.to_string())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().ok();
            server.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.server_log());
        }
        // Whatever a failed test left running is ours to end.
        if let Some(server) = self.server_id() {
            remove_leftovers(&server);
        }
        for record in std::fs::read_dir(self.base().join("run/processes")).into_iter().flatten().flatten() {
            end_worker(&record.path());
        }
    }
}

/// Ends a worker process that outlives its test, by the marker in its environment.
fn end_worker(record: &Path) {
    let Some(name) = record.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { return };
    let marker = format!("CONDUCTO_WORKER={}", name.split('.').next().unwrap_or_default());
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|pair| pair == marker.as_bytes()) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).ok();
        }
    }
}

fn leftovers(server: &str) -> Vec<String> {
    let filter = format!("label=com.conducto.server={server}");
    let list = |kind: &str, arguments: &[&str]| -> Vec<String> {
        let output = Command::new("docker").args(arguments).args(["--filter", &filter]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().map(|line| format!("{kind} {line}")).collect()
    };
    let mut found = list("container", &["ps", "-a", "--format", "{{.Names}}"]);
    found.extend(list("network", &["network", "ls", "--format", "{{.Name}}"]));
    found
}

fn remove_leftovers(server: &str) {
    // A container that is being removed already keeps its network for a while; each round takes the engine's own time.
    for _ in 0..100 {
        let left = leftovers(server);
        if left.is_empty() {
            return;
        }
        for line in left {
            let (kind, name) = line.split_once(' ').unwrap();
            let arguments: &[&str] = if kind == "container" { &["rm", "-f", name] } else { &["network", "rm", name] };
            Command::new("docker").args(arguments).output().ok();
        }
    }
}

/// Makes the image of the tests from a static busybox; no registry is asked.
pub(crate) fn ensure_image() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/busybox.sh");
        let made = Command::new("sh").arg(script).output().unwrap();
        assert!(made.status.success(), "no Docker engine, or no static busybox; run .ci/engine.sh: {made:?}");
    });
}

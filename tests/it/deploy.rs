//! The server as `deploy/` runs it: the image made from nothing, with the host's Docker, without rights it does not need.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";
const PIPELINE: &str = "[\"/\"]\ntype = \"serial\"\n\
                        [\"/write\"]\nexec = \"echo kept > $CONDUCTO_DATA_PIPELINE/note; cat README\"\n\
                        [\"/read\"]\nexec = \"cat $CONDUCTO_DATA_PIPELINE/note\"\n";

/// As in `deploy/compose.yaml`.
const HARDENING: [&str; 10] = [
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--cap-add=DAC_OVERRIDE",
    "--cap-add=FOWNER",
    "--cap-add=CHOWN",
    "--security-opt=no-new-privileges:true",
    "--volume=/var/run/docker.sock:/var/run/docker.sock",
    "--network=host",
    "--rm",
];

/// The image of the server, and what runs of it; both go with this value.
struct Image {
    name: String,
}

impl Image {
    fn build() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("conducto-test/server:{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/image.sh");
        let built = Command::new(script).args([env!("CARGO_BIN_EXE_conducto"), &name]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { name }
    }

    /// A house whose server runs in a container; settings and repositories are read-only, all paths the same as outside.
    fn plan(&self) -> Plan {
        let (image, container, label) = (self.name.clone(), self.container(), self.label());
        let call = move |house: &House| {
            std::fs::create_dir_all(house.base()).unwrap();
            let same = |path: PathBuf, mode: &str| format!("--volume={0}:{0}:{mode}", path.display());
            let mut command = Command::new("docker");
            command.arg("run").args(HARDENING).args(["--name", &container, "--label", &label]);
            command.arg(same(house.base(), "rw"));
            command.args(["git", "conducto.toml"].map(|name| same(house.root().join(name), "ro")));
            command.arg(format!("--env=CONDUCTO_BASE_DIR={}", house.base().display()));
            command.arg("--env=CONDUCTO_LISTEN=127.0.0.1:0").arg(&image);
            command
        };
        Plan { server: Box::new(call), ..Plan::docker() }
    }

    /// Marks the containers of this value. Their image does not: images of the same content are one image.
    fn label(&self) -> String {
        format!("conducto.test={}", self.name)
    }

    fn container(&self) -> String {
        self.name.replace(['/', ':'], "-")
    }

    /// Runs a server on a directory that has the name `inside` in the container.
    fn serve(&self, host: &Path, inside: &Path, more: &[&str]) -> Output {
        let mut command = Command::new("docker");
        command.arg("run").args(HARDENING).args(["--label", &self.label()]).args(more);
        command.arg(format!("--volume={}:{}", host.display(), inside.display()));
        command.arg(format!("--env=CONDUCTO_BASE_DIR={}", inside.display()));
        command.arg("--env=CONDUCTO_LISTEN=127.0.0.1:0").arg(&self.name).output().unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let filter = format!("label={}", self.label());
        for container in docker(&["ps", "-aq", "--filter", &filter]).lines() {
            docker(&["rm", "-fv", container]);
        }
        docker(&["rmi", "-f", &self.name]);
    }
}

fn docker(arguments: &[&str]) -> String {
    String::from_utf8(Command::new("docker").args(arguments).output().unwrap().stdout).unwrap()
}

#[tokio::test]
async fn the_image_serves_a_push_and_stops_when_told() {
    let image = Image::build();
    let mut house = House::build(image.plan()).await;
    let container = image.container();
    let files = [("conducto.cfg", CFG), ("ci.toml", PIPELINE), ("README", "read me\n")];
    let (sha, pipelines) = house.push("main", &files).await;
    let ended = house.ended(&pipelines[0]).await;
    let states: Vec<String> = ended.nodes.iter().map(|node| format!("{} {}", node.path, node.state)).collect();
    assert_eq!(states, ["/ done", "/write done", "/read done"]);
    assert_eq!(house.log(&pipelines[0], "/write", "stream=stdout").await, "read me\n");
    assert_eq!(house.log(&pipelines[0], "/read", "stream=stdout").await, "kept\n");
    assert_eq!(house.statuses(&sha, "conducto/push").await.last().unwrap().state, "success");

    // The image's own check of its health.
    let health = Command::new("docker").args(["exec", &container, "/conducto", "health"]).output().unwrap();
    assert!(health.status.success(), "{health:?}");
    assert_eq!(String::from_utf8(health.stdout).unwrap(), format!("{} is ready\n", house.url()));

    house.nothing_is_left().await;
    // Docker kills what does not stop within this time, and then the code is 137.
    docker(&["stop", "--time", "20", &container]);
    assert_eq!(house.stopped().code(), Some(0), "{}", house.server_log());
    assert_eq!(docker(&["ps", "-aq", "--filter", &format!("name={container}")]), "");
}

#[test]
fn a_base_directory_under_another_name_is_refused_with_the_line_to_use() {
    let image = Image::build();
    let base = tempfile::tempdir().unwrap();
    let refused = image.serve(base.path(), Path::new("/state"), &[]);
    let (words, host) = (String::from_utf8(refused.stderr).unwrap(), base.path().display());
    assert_eq!(refused.status.code(), Some(2), "{words}");
    let cause = "caused by: Docker does not find the base directory `/state` where this server has it\n";
    let help = format!(
        "help: the folder needs one path on both sides; start the container with \
         `-v {host}:{host} -e CONDUCTO_BASE_DIR={host}` instead of `-v {host}:/state`\n"
    );
    assert!(words.contains(cause) && words.ends_with(&help), "{words}");
    assert_eq!(std::fs::read_dir(base.path().join("run")).unwrap().count(), 0, "nothing is left of the look");
}

#[test]
fn without_certificates_the_server_says_what_is_missing() {
    let image = Image::build();
    let base = tempfile::tempdir().unwrap();
    let refused = image.serve(base.path(), base.path(), &["--env=CONDUCTO_GITHUB_TOKEN=ghp_of_the_tests"]);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{words}");
    assert!(words.contains("no HTTPS client can be made"), "{words}");
    assert!(words.ends_with("a container gets the host's with `-v /etc/ssl/certs:/etc/ssl/certs:ro`\n"), "{words}");
}

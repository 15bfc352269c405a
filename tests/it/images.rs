//! Images that are made, by the whole service and a true Docker engine: once for the same inputs, visible, and not for forks.

use std::process::Command;

use conducto::{
    dispatch::view::{ImageView, PipelineView},
    standin::SampleFile,
};

use crate::house::{House, IMAGE, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lets a commit with these files be pushed, and returns how its pipeline ended.
async fn pushed(house: &House, files: &[(&str, &str)]) -> PipelineView {
    let mut samples = vec![SampleFile::plain("conducto.cfg", CFG)];
    samples.extend(files.iter().map(|(path, text)| SampleFile::plain(path, text)));
    let sha = house.repository.commit("main", "Images", &samples).unwrap();
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let concluded = house.concluded(&delivery.guid).await;
    assert_eq!(concluded.pipelines.len(), 1, "{:?} {}", concluded.verdict, concluded.diagnostics);
    house.ended(&concluded.pipelines[0]).await
}

fn cause(view: &PipelineView, path: &str) -> String {
    view.nodes.iter().find(|node| node.path == path).and_then(|node| node.cause.clone()).unwrap_or_default()
}

/// Twenty leaves, each in a queue of its own: all ask for the image at once.
fn twenty(image: &str) -> String {
    let mut text = format!("image = {image}\n[\"/\"]\ntype = \"parallel\"\n");
    for number in 0..20 {
        text += &format!("[\"/n{number}\"]\nexec = \"cat /made /word\"\nmem = 0.{:02}\n", number + 10);
    }
    text
}

#[tokio::test]
async fn an_image_is_made_once_for_all_who_ask_at_once_or_later() {
    let house = House::build(Plan { slots: 4, ..Plan::docker() }).await;
    // Whatever is carried out, is carried out in this file's own words: nothing of another run is in the engine's cache.
    let salt = conducto::clock::new_uuid();
    let dockerfile =
        format!("FROM {IMAGE}\nCOPY word /word\nRUN echo {salt} && cat /proc/sys/kernel/random/uuid > /made\n");
    let image = "{ dockerfile = \"docker/Dockerfile\" }";
    let ci = twenty(image);
    let files = [
        ("ci.toml", ci.as_str()),
        ("docker/Dockerfile", dockerfile.as_str()),
        ("docker/word", "one\n"),
        ("docker/.dockerignore", "ignored\n"),
        ("docker/ignored", "1"),
        ("source", "1"),
    ];
    let first = pushed(&house, &files).await;
    assert_eq!(first.summary.state.word(), "done", "{}", cause(&first, "/n0"));
    // What each of them read is drawn by chance where the image is made.
    let log = async |view: &PipelineView, node: &str| house.log(view.summary.id.as_str(), node, "stream=stdout").await;
    let made = log(&first, "/n0").await;
    for number in 1..20 {
        assert_eq!(log(&first, &format!("/n{number}")).await, made);
    }
    assert!(made.ends_with("one\n"), "{made}");

    // Another pipeline, in which other files have changed.
    let mut changed = files;
    (changed[4].1, changed[5].1) = ("2", "2");
    let second = pushed(&house, &changed).await;
    assert_eq!(log(&second, "/n7").await, made);
    let images: Vec<ImageView> = house.get("/images").await.unwrap();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!((image.state.as_str(), image.title.as_str()), ("done", "docker/Dockerfile"));
    let words = image.stages.iter().map(|stage| stage.stage.words()).collect::<Vec<_>>();
    assert_eq!(image.stages.len(), 1, "the second making found it: {words:?}");

    // What is copied into it makes it another.
    changed[2].1 = "two\n";
    let third = pushed(&house, &changed).await;
    let other = log(&third, "/n3").await;
    assert!(other.ends_with("two\n") && other != made, "{other}");
    let images: Vec<ImageView> = house.get("/images").await.unwrap();
    assert_eq!(images.len(), 2);
    for image in images {
        docker(&["rmi", "-f", image.reference.as_deref().unwrap()]);
    }
}

#[tokio::test]
async fn a_build_that_fails_says_which_line_it_was() {
    let house = House::build(Plan::docker()).await;
    let text = format!("FROM {IMAGE}\\n\\nRUN echo before && \\\\\\n    false\\n");
    let ci = format!(
        "image = {{ dockerfile_text = \"{text}\" }}\n[\"/\"]\ntype = \"parallel\"\n[\"/a\"]\nexec = \"true\"\n[\"/b\"]\nexec = \"true\"\n"
    );
    let ended = pushed(&house, &[("ci.toml", &ci)]).await;
    assert_eq!(ended.summary.state.word(), "error");
    for node in ["/a", "/b"] {
        let cause = cause(&ended, node);
        assert!(cause.contains("dockerfile_text line 3, `RUN echo before &&  false`"), "{node}: {cause}");
    }
    let images: Vec<ImageView> = house.get("/images").await.unwrap();
    let [image] = images.as_slice() else { panic!("{images:?}") };
    assert_eq!(image.state, "failed");
    assert_eq!(image.stages.last().map(|stage| stage.state.as_str()), Some("failed"));
    let shown = house.command().args(["images", &image.key[..12]]).output().unwrap();
    let log = String::from_utf8(shown.stdout).unwrap();
    assert!(log.contains("before\n") && log.contains("non-zero code") && log.contains("failed  building"), "{log}");
}

#[tokio::test]
async fn what_lies_outside_of_the_commit_is_never_sent_to_a_build() {
    let house = House::build(Plan::docker()).await;
    let ci = "[\"/\"]\nexec = \"true\"\nimage = { dockerfile = \"docker/Dockerfile\", context = \"leaves\" }\n";
    let text = format!("FROM {IMAGE}\nCOPY passwd /stolen\n");
    let files = [
        SampleFile::plain("conducto.cfg", CFG),
        SampleFile::plain("ci.toml", ci),
        SampleFile::plain("docker/Dockerfile", &text),
        SampleFile::symlink("leaves", "/etc"),
    ];
    let sha = house.repository.commit("main", "Images", &files).unwrap();
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let concluded = house.concluded(&delivery.guid).await;
    let ended = house.ended(&concluded.pipelines[0]).await;
    let cause = cause(&ended, "/");
    assert!(cause.contains("a symbolic link that leaves the repository"), "{cause}");
}

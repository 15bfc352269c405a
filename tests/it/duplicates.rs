//! What `duplicate` of a section does, as who pushes several times in a row sees it.

use std::{collections::BTreeMap, path::PathBuf};

use conducto::{
    dispatch::view::{DeliveryView, PipelineView},
    model::Hold,
    standin::{Delivery, PullRequest, pull_request},
};

use crate::house::{House, Plan, SECRET};

/// A node that writes down outside when it begins and ends, and goes on until it is let go. Who stops it waits a little.
const PIPELINE: &str = r#"cpu = 0.1
mem = 0.05
["/work"]
exec = '''
cd OUTSIDE
trap 'sleep 0.5; echo "stopped $CONDUCTO_PIPELINE_ID" >> ran; exit 1' TERM
echo "begin $CONDUCTO_PIPELINE_ID" >> ran
until [ -e go-$CONDUCTO_PIPELINE_ID ]; do sleep 0.05; done
echo "end $CONDUCTO_PIPELINE_ID" >> ran
'''
"#;

/// A house, and the folder in which its pipelines leave their marks.
struct Site {
    house: House,
    cfg: (&'static str, String),
    pushes: usize,
}

impl Site {
    async fn build(section: &str, duplicate: &str) -> Self {
        let cfg = format!("[{section}]\npipeline = \"ci.toml\"\nduplicate = \"{duplicate}\"\n");
        Self::with(("conducto.cfg", cfg)).await
    }

    async fn with(cfg: (&'static str, String)) -> Self {
        let site = Self { house: House::build(Plan::default()).await, cfg, pushes: 0 };
        std::fs::create_dir(site.outside()).unwrap();
        site
    }

    fn outside(&self) -> PathBuf {
        self.house.root().join("outside")
    }

    fn commit(&mut self, branch: &str) -> String {
        self.pushes += 1;
        let pipeline = PIPELINE.replace("OUTSIDE", &self.outside().display().to_string());
        let count = self.pushes.to_string();
        self.house.commit(branch, &[(self.cfg.0, &self.cfg.1), ("ci.toml", &pipeline), ("count", &count)])
    }

    /// Pushes, and waits for the verdict.
    async fn push(&mut self, branch: &str) -> (String, DeliveryView) {
        let sha = self.commit(branch);
        let delivery = self.house.push_of(branch, None, &sha);
        (sha, self.deliver(&delivery).await)
    }

    async fn deliver(&self, delivery: &Delivery) -> DeliveryView {
        assert_eq!(self.house.send(delivery).await, 202);
        self.house.concluded(&delivery.guid).await
    }

    /// Lets a pipeline end.
    fn release(&self, id: &str) {
        std::fs::write(self.outside().join(format!("go-{id}")), "").unwrap();
    }

    /// Waits until a pipeline has left this mark.
    async fn marks(&self, mark: &str, id: &str) {
        let line = format!("{mark} {id}");
        self.house.until(&line, async || self.ran().contains(&line).then_some(())).await;
    }

    fn ran(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.outside().join("ran")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the last word about a commit begins so.
    async fn told(&self, sha: &str, state: &str, words: &str) {
        self.house
            .until(&format!("{sha} is told `{words}`"), async || {
                let last = self.house.github.statuses(sha, &self.context()).pop()?;
                (last.state == state && last.description.starts_with(words)).then_some(())
            })
            .await;
    }

    fn context(&self) -> String {
        let section = self.cfg.1.trim_start_matches('[').split(']').next().unwrap();
        format!("conducto/{section}")
    }
}

fn only(delivery: &DeliveryView) -> String {
    let [id] = delivery.pipelines.as_slice() else { panic!("not one pipeline: {delivery:?}") };
    id.clone()
}

fn waits_for(view: &PipelineView) -> Option<&str> {
    view.waits_for.as_deref()
}

/// The order of marks when each pipeline ended before the next began.
fn one_after_the_other(ids: &[String]) -> Vec<String> {
    ids.iter().flat_map(|id| [format!("begin {id}"), format!("end {id}")]).collect()
}

#[tokio::test]
async fn three_pushes_in_a_row_queue_and_never_two_run_at_once() {
    let mut site = Site::build("push", "queue").await;
    let (mut ids, mut shas) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (sha, delivery) = site.push("main").await;
        let id = only(&delivery);
        let before = ids.last().map(|before| format!(", which waits for pipeline {before} (duplicate = \"queue\")"));
        let words = format!("started pipeline {id} (push){}", before.unwrap_or_default());
        assert_eq!((delivery.state.as_str(), delivery.verdict), ("done", Some(words)));
        ids.push(id);
        shas.push(sha);
    }
    site.marks("begin", &ids[0]).await;
    let words = |before: &str| format!("waits for pipeline {before} (duplicate = \"queue\")");
    for (earlier, later) in [(0, 1), (1, 2)] {
        let view = site.house.pipeline(&ids[later]).await;
        assert_eq!((view.hold, waits_for(&view)), (Some(Hold::Turn), Some(words(&ids[earlier]).as_str())));
        assert!(view.nodes.iter().all(|node| node.waits_for == view.waits_for), "{:?}", view.nodes);
        site.told(&shas[later], "pending", &format!("deferred: {}", words(&ids[earlier]))).await;
    }
    let shown = site.house.command().args(["show", &ids[2]]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = format!("it {}; `conducto start {}` lets it go ahead", words(&ids[1]), ids[2]);
    assert!(shown.contains(&line), "{shown}");

    for id in &ids {
        site.marks("begin", id).await;
        site.release(id);
        assert_eq!(site.house.ended(id).await.summary.state.word(), "done");
    }
    assert_eq!(site.ran(), one_after_the_other(&ids));
    for sha in &shas {
        assert_eq!(site.house.statuses(sha, "conducto/push").await.last().unwrap().state, "success");
    }
}

#[tokio::test]
async fn in_a_queue_the_next_moves_up_when_one_is_cancelled_sleeps_or_is_let_go_ahead() {
    let mut site = Site::build("push", "queue").await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(only(&site.push("main").await.1));
    }
    site.marks("begin", &ids[0]).await;
    // The last goes ahead of all; the second never runs; the third is then behind the first and the last.
    assert_eq!(site.house.post(&format!("/pipelines/{}/start", ids[4])).await.0, 200);
    site.marks("begin", &ids[4]).await;
    assert_eq!(site.house.post(&format!("/pipelines/{}/cancel", ids[1])).await.0, 200);
    let moved_up = format!("waits for pipeline {} (duplicate = \"queue\")", ids[0]);
    site.house
        .until("the third has moved up", async || {
            (waits_for(&site.house.pipeline(&ids[2]).await) == Some(moved_up.as_str())).then_some(())
        })
        .await;
    site.release(&ids[4]);
    site.house.ended(&ids[4]).await;
    assert_eq!(site.house.post(&format!("/pipelines/{}/sleep", ids[0])).await.0, 200);
    // Nothing of the first runs any more when the third begins.
    site.marks("begin", &ids[2]).await;
    let ran = site.ran();
    assert_eq!(ran[ran.len() - 2..], [format!("stopped {}", ids[0]), format!("begin {}", ids[2])]);
    // Woken, it goes on at once: somebody has said so. The fourth waits for both.
    assert_eq!(site.house.post(&format!("/pipelines/{}/wake", ids[0])).await.0, 200);
    site.release(&ids[2]);
    site.house.ended(&ids[2]).await;
    assert_eq!(site.house.pipeline(&ids[3]).await.hold, Some(Hold::Turn));
    site.release(&ids[0]);
    site.marks("begin", &ids[3]).await;
    site.release(&ids[3]);
    assert_eq!(site.house.ended(&ids[3]).await.summary.state.word(), "done");
}

#[tokio::test]
async fn of_three_pushes_in_a_row_with_cancel_old_the_last_runs_to_green() {
    let mut site = Site::build("push", "cancel-old").await;
    let (mut ids, mut shas) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (sha, delivery) = site.push("main").await;
        let id = only(&delivery);
        site.marks("begin", &id).await;
        ids.push(id);
        shas.push(sha);
    }
    site.release(&ids[2]);
    assert_eq!(site.house.ended(&ids[2]).await.summary.state.word(), "done");
    let marks = |mark: &'static str| move |id: &String| [format!("begin {id}"), format!("{mark} {id}")];
    let expected: Vec<String> =
        ids[..2].iter().flat_map(marks("stopped")).chain(ids[2..].iter().flat_map(marks("end"))).collect();
    assert_eq!(site.ran(), expected, "what runs of an earlier one is over before the next begins");
    for (id, sha) in ids[..2].iter().zip(&shas) {
        let view = site.house.pipeline(id).await;
        assert_eq!((view.asleep, view.summary.finished_at), (true, None));
        let why = view.nodes[1].waits_for.as_deref();
        assert_eq!(why, Some("the pipeline sleeps: a newer one took its place"));
        site.told(sha, "error", "put to sleep: a newer commit of the same branch took its place").await;
    }
    site.told(&shas[2], "success", "1 of 1 done").await;

    // Who wakes an old one has it run, and told, to its end.
    assert_eq!(site.house.post(&format!("/pipelines/{}/wake", ids[0])).await.0, 200);
    site.release(&ids[0]);
    site.house.ended(&ids[0]).await;
    site.told(&shas[0], "success", "1 of 1 done").await;
}

#[tokio::test]
async fn with_suppress_one_runs_and_the_others_are_told_why_they_do_not() {
    let mut site = Site::build("push", "suppress").await;
    let (first, delivery) = site.push("main").await;
    let id = only(&delivery);
    let mut suppressed = Vec::new();
    for _ in 0..2 {
        let (sha, delivery) = site.push("main").await;
        assert_eq!((delivery.state.as_str(), delivery.pipelines.len()), ("ignored", 0));
        let words = format!("push is suppressed: pipeline {id} of the same section and branch is still at work");
        assert_eq!(delivery.verdict, Some(words));
        suppressed.push(sha);
    }
    for sha in &suppressed {
        site.told(sha, "error", &format!("suppressed (conducto.cfg): {id} is still at work")).await;
    }
    site.release(&id);
    site.house.ended(&id).await;
    site.told(&first, "success", "1 of 1 done").await;
    let (_, delivery) = site.push("main").await;
    site.release(&only(&delivery));
    assert_eq!(site.house.ended(&only(&delivery)).await.summary.state.word(), "done");
}

#[tokio::test]
async fn with_allow_all_run_at_once() {
    let mut site = Site::build("push", "allow").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(only(&site.push("main").await.1));
    }
    for id in &ids {
        site.marks("begin", id).await;
    }
    assert!(site.ran().iter().all(|mark| mark.starts_with("begin")), "{:?}", site.ran());
    for id in &ids {
        site.release(id);
        site.house.ended(id).await;
    }
}

#[tokio::test]
async fn branches_and_pull_requests_wait_for_their_own_only_and_an_approval_is_not_waited_for() {
    let mut site = Site::build("push", "queue").await;
    let base = site.commit("main");
    site.house.repository.set_reference("refs/heads/topic", &base).unwrap();
    let delivery = site.house.push_of("main", None, &base);
    let main = only(&site.deliver(&delivery).await);
    let topic = only(&site.push("topic").await.1);
    site.marks("begin", &main).await;
    site.marks("begin", &topic).await;

    site.cfg.1 = site.cfg.1.replace("[push]", "[pr]");
    let base = site.commit("main");
    site.house.repository.set_reference("refs/heads/topic", &base).unwrap();
    let mut launched = BTreeMap::<u64, Vec<DeliveryView>>::new();
    for (number, fork) in [(7, None), (7, None), (8, None), (9, Some(99)), (9, Some(99))] {
        let head = site.commit("topic");
        let event = PullRequest {
            action: "synchronize",
            number,
            title: "Count on",
            branch: "topic",
            sha: &head,
            fork,
            base: "main",
            base_sha: &base,
            sender: "kim",
        };
        let delivery = Delivery::sign(SECRET, "pull_request", &pull_request(&site.house.facts, &event));
        launched.entry(number).or_default().push(site.deliver(&delivery).await);
    }
    let seven: Vec<String> = launched[&7].iter().map(only).collect();
    let words =
        format!("started pipeline {} (pr), which waits for pipeline {} (duplicate = \"queue\")", seven[1], seven[0]);
    assert_eq!(launched[&7][1].verdict, Some(words));
    site.marks("begin", &seven[0]).await;
    site.marks("begin", &only(&launched[&8][0])).await;
    for fork in &launched[&9] {
        let view = site.house.pipeline(&only(fork)).await;
        assert_eq!((view.hold, view.waits_for), (Some(Hold::Approval), None));
    }
    // Approved, it takes its turn, which has come. (Code of forks does not run without containers.)
    let fork = only(&launched[&9][1]);
    assert_eq!(site.house.post(&format!("/pipelines/{fork}/start")).await.0, 200);
    let ended = site.house.ended(&fork).await;
    assert_eq!((ended.hold, ended.summary.state.word()), (None, "error"));
}

#[tokio::test]
async fn a_twin_of_a_delivery_neither_puts_to_sleep_nor_suppresses() {
    for duplicate in ["cancel-old", "suppress", "queue"] {
        let mut site = Site::build("push", duplicate).await;
        let sha = site.commit("main");
        let delivery = site.house.push_of("main", None, &sha);
        let id = only(&site.deliver(&delivery).await);
        site.marks("begin", &id).await;
        let twin = site.deliver(&site.house.push_of("main", None, &sha)).await;
        assert_eq!(twin.verdict, Some(format!("the same event as delivery {}", delivery.guid)));
        site.release(&id);
        assert_eq!(site.house.ended(&id).await.summary.state.word(), "done");
        assert_eq!(site.ran(), one_after_the_other(&[id]));
        site.told(&sha, "success", "1 of 1 done").await;
    }
}

#[tokio::test]
async fn a_push_that_is_held_up_does_not_put_a_newer_one_to_sleep() {
    let mut site = Site::build("push", "cancel-old").await;
    let old = site.commit("main");
    let late = site.house.push_of("main", None, &old);
    // No mirror can be made.
    let (mirrors, away) = (site.house.base().join("mirrors"), site.house.base().join("away"));
    std::fs::rename(&mirrors, &away).ok();
    std::fs::write(&mirrors, "in the way").unwrap();
    assert_eq!(site.house.send(&late).await, 202);
    site.house
        .until("it is put off", async || {
            let delivery: DeliveryView = site.house.get(&format!("/deliveries/{}", late.guid)).await?;
            delivery.verdict.filter(|words| words.starts_with("will be tried again")).map(drop)
        })
        .await;
    due(&site, &late, NEVER);
    std::fs::remove_file(&mirrors).unwrap();
    std::fs::rename(&away, &mirrors).ok();

    let newer = only(&site.push("main").await.1);
    site.marks("begin", &newer).await;
    due(&site, &late, 0);
    // Whatever comes has the inbox looked at.
    let star = Delivery::sign(SECRET, "star", &serde_json::json!({"action": "created"}));
    site.deliver(&star).await;
    let delivery = site.house.concluded(&late.guid).await;
    let words = format!("push is suppressed: newer pipeline {newer} of the same section and branch is still at work");
    assert_eq!((delivery.verdict, delivery.pipelines.len()), (Some(words), 0));
    site.told(&old, "error", &format!("suppressed (conducto.cfg): {newer} is newer, and still at work")).await;
    site.release(&newer);
    assert_eq!(site.house.ended(&newer).await.summary.state.word(), "done");
}

/// Far away, in microseconds since 1970.
const NEVER: i64 = 4_000_000_000_000_000;

/// Sets when a delivery that was put off is due.
fn due(site: &Site, delivery: &Delivery, at: i64) {
    let store = rusqlite::Connection::open(site.house.base().join("server/conducto.db")).unwrap();
    store.execute("UPDATE inbox SET next_at = ?2 WHERE guid = ?1", (&delivery.guid, at)).unwrap();
}

#[tokio::test]
async fn many_pushes_at_the_same_time_queue_as_well() {
    let mut site = Site::build("push", "queue").await;
    let mut deliveries = Vec::new();
    for _ in 0..8 {
        let sha = site.commit("main");
        deliveries.push(site.house.push_of("main", None, &sha));
    }
    let sent = futures_util::future::join_all(deliveries.iter().map(|delivery| site.house.send(delivery))).await;
    assert_eq!(sent, [202; 8]);
    let mut ids = Vec::new();
    for delivery in &deliveries {
        let id = only(&site.house.concluded(&delivery.guid).await);
        site.release(&id);
        ids.push(id);
    }
    for id in &ids {
        site.house.ended(id).await;
    }
    let ran = site.ran();
    assert_eq!(ran.len(), 16);
    for pair in ran.chunks(2) {
        assert_eq!(pair[0].replace("begin", "end"), pair[1], "{ran:?}");
    }
}

#[tokio::test]
async fn a_killed_server_forgets_nobody_who_waits() {
    let mut site = Site::build("push", "queue").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(only(&site.push("main").await.1));
    }
    site.marks("begin", &ids[0]).await;
    site.house.kill();
    // The first ends while no server looks.
    site.release(&ids[0]);
    site.marks("end", &ids[0]).await;
    site.house.start().await;
    site.marks("begin", &ids[1]).await;
    site.house.kill();
    site.house.start().await;
    assert_eq!(site.house.pipeline(&ids[2]).await.hold, Some(Hold::Turn));
    for id in &ids[1..] {
        site.marks("begin", id).await;
        site.release(id);
    }
    for id in &ids {
        assert_eq!(site.house.ended(id).await.summary.state.word(), "done");
    }
    assert_eq!(site.ran(), one_after_the_other(&ids));
}

#[tokio::test]
async fn a_server_killed_while_an_old_one_stops_runs_the_new_one_when_it_has() {
    let mut site = Site::build("push", "cancel-old").await;
    let old = only(&site.push("main").await.1);
    site.marks("begin", &old).await;
    let (_, delivery) = site.push("main").await;
    let new = only(&delivery);
    let words =
        format!("started pipeline {new} (push), which waits for pipeline {old} to stop (duplicate = \"cancel-old\")");
    assert_eq!(delivery.verdict, Some(words));
    site.house.kill();
    site.house.start().await;
    site.release(&new);
    assert_eq!(site.house.ended(&new).await.summary.state.word(), "done");
    let expected = [("begin", &old), ("stopped", &old), ("begin", &new), ("end", &new)];
    assert_eq!(site.ran(), expected.map(|(mark, id)| format!("{mark} {id}")));
}

#[tokio::test]
async fn the_old_words_of_the_old_dialect_mean_the_same() {
    let command = "printf '<__conducto_serialization>'; cat generated.json; printf '</__conducto_serialization>'";
    let cfg = format!("[push]\ncommand = {command}\nduplicate = DEFER\n\n[DEFAULT]\nenv = {{\"OLD\": \"yes\"}}\n");
    let mut site = Site::with((".conducto.cfg", cfg)).await;
    let outside = site.outside().display().to_string();
    let work = format!(
        "cd {outside}; echo \"begin $CONDUCTO_PIPELINE_ID\" >> ran; \
         until [ -e go-$CONDUCTO_PIPELINE_ID ]; do sleep 0.05; done; echo \"end $CONDUCTO_PIPELINE_ID\" >> ran"
    );
    let tree = serde_json::json!({"/": {"type": "serial", "cpu": 0.1, "mem": 0.05}, "/work": {"exec": work}});
    site.house.commit("main", &[("generated.json", &tree.to_string())]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(only(&site.push("main").await.1));
    }
    let view = site.house.pipeline(&ids[2]).await;
    assert_eq!(waits_for(&view), Some(format!("waits for pipeline {} (duplicate = \"queue\")", ids[1]).as_str()));
    for id in &ids {
        site.marks("begin", id).await;
        site.release(id);
        assert_eq!(site.house.ended(id).await.summary.state.word(), "done");
    }
    assert_eq!(site.ran(), one_after_the_other(&ids));

    // The section of the new commit decides.
    site.cfg.1 = site.cfg.1.replace("DEFER", "SLEEP_OLD");
    let old = only(&site.push("main").await.1);
    site.marks("begin", &old).await;
    let new = only(&site.push("main").await.1);
    site.marks("begin", &new).await;
    assert!(site.house.pipeline(&old).await.asleep);
    site.cfg.1 = site.cfg.1.replace("SLEEP_OLD", "SUPPRESS_NEW");
    let (_, delivery) = site.push("main").await;
    let words = format!("push is suppressed: pipeline {new} of the same section and branch is still at work");
    assert_eq!(delivery.verdict, Some(words));
    site.release(&new);
    assert_eq!(site.house.ended(&new).await.summary.state.word(), "done");
}

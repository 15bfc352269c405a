//! Secrets as they come to a node, and what comes back of them.

use conducto::worker::{Secret, protocol::Start};

use super::{rig::order, *};

const VALUE: &str = "hunter2 & \"more\"";

fn with_secrets(fence: u64, command: &str) -> Start {
    Start { secrets: true, ..order(fence, command) }
}

fn secrets(fence: u64) -> ToWorker {
    let masked = Secret::new("PASSWORD".into(), VALUE, true);
    let shown = Secret::new("GREETING".into(), "good evening", false);
    ToWorker::Secrets { fence: Fence(fence), secrets: vec![masked, shown] }
}

/// Takes reports until the worker asks.
async fn asked(rig: &mut Rig) -> u64 {
    loop {
        if let Report::Wants { fence } = rig.next().await {
            return fence.0;
        }
    }
}

#[tokio::test]
async fn a_node_gets_its_secrets_and_shows_none_of_them_in_any_form_or_cut() {
    let (_root, mut rig, worker) = set_up();
    let command = r#"
        echo "$GREETING, $PASSWORD!"
        printf 'hunter2 &' ; sleep 0.2 ; echo ' "more".'
        printf '%s' "$PASSWORD" | base64
        echo 'hunter2%20%26%20%22more%22 hunter2+%26+%22more%22'
        echo '{"a":"hunter2 & \"more\""}'
        echo "$PASSWORD" >&2
        printf 'end hunter2'
    "#;
    rig.order(with_secrets(1, command));
    assert_eq!(asked(&mut rig).await, 1);
    rig.hub.answer(&rig.worker, secrets(1));
    let seen = rig.ended(1).await;
    let base64 = seen.out().lines().nth(2).unwrap().to_owned();
    assert_eq!(seen.out().replace(&base64, "…"), "good evening, ***!\n***.\n…\n*** ***\n{\"a\":\"***\"}\nend hunter2");
    assert!(base64.starts_with("***") && base64.len() <= "***x==".len(), "{base64}");
    assert_eq!(seen.err(), "***\n");
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 0 }));
    let environ = fs::read(format!("/proc/{}/environ", worker.0.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&environ).contains("hunter2"));
}

#[tokio::test]
async fn secrets_are_asked_for_only_when_the_node_is_about_to_begin_and_again_after_a_lost_line() {
    let (root, mut rig, _worker) = set_up();
    let go = root.path().join("go");
    rig.start(1, &format!("until [ -e {} ]; do sleep 0.01; done", go.display()));
    rig.order(with_secrets(2, "echo $PASSWORD"));
    rig.until(1, |seen| seen.pid.is_some()).await;
    fs::write(&go, "").unwrap();
    // Until its turn there is no question: the first report of it is that the one before has ended.
    loop {
        match rig.next().await {
            Report::Wants { .. } => panic!("asked too early"),
            Report::Finished { fence: Fence(1), .. } => break,
            _ => {}
        }
    }
    assert_eq!(asked(&mut rig).await, 2);
    rig.crash().await;
    rig.restart();
    rig.order(with_secrets(2, "echo $PASSWORD"));
    assert_eq!(asked(&mut rig).await, 2);
    rig.hub.answer(&rig.worker, secrets(2));
    assert_eq!(rig.ended(2).await.out(), "***\n");
}

#[tokio::test]
async fn a_node_without_its_secrets_does_not_begin() {
    let (root, mut rig, _worker) = set_up();
    let mark = root.path().join("ran");
    let touch = format!("touch {}", mark.display());
    rig.order(with_secrets(1, &touch));
    assert_eq!(asked(&mut rig).await, 1);
    rig.hub.answer(&rig.worker, ToWorker::NoSecrets { fence: Fence(1), message: "the key is lost".into() });
    let outcome = Outcome::Infrastructure { message: "the key is lost".into() };
    assert_eq!(rig.ended(1).await.outcome, Some(outcome));

    rig.order(with_secrets(2, &touch));
    assert_eq!(asked(&mut rig).await, 2);
    rig.hub.send(&rig.worker, ToWorker::Recall { fence: Fence(2) });
    rig.until(2, |seen| seen.is_returned).await;
    // What comes too late is nobody's.
    rig.hub.answer(&rig.worker, secrets(2));
    assert_eq!(rig.run(3, "echo [$PASSWORD] $GREETING").await.out(), "[] hello\n");
    assert!(!mark.exists());
}

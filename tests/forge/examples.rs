//! Every example that GitHub publishes of an event we read, signed as GitHub signs: each has its line in
//! `tests/fixtures/github/verdicts.txt`.

use std::fmt::Write as _;

use axum::body::Bytes;
use conducto::{
    forge::{Parsed, Refused, WebhookSecrets, json_text, parse},
    model::TriggerKind,
    standin::Delivery,
};

use crate::oracles::{Examples, examples};

fn secrets(examples: &Examples) -> WebhookSecrets {
    WebhookSecrets::build([examples.secret.as_str().into()]).unwrap()
}

fn words(parsed: &Parsed) -> String {
    let (trigger, source) = match parsed {
        Parsed::Trigger(trigger, source) => (trigger, source),
        Parsed::Ping { .. } => return "ping".into(),
        Parsed::Asked(ask) => return format!("{} asks at {}: {:?}", ask.sender, ask.repository.full_name, ask.what),
        Parsed::Changed(change) => return format!("{change:?}"),
        Parsed::Ignored { reason } => return format!("ignored: {reason}"),
    };
    let commit = if trigger.sha.is_empty() { "the tip" } else { &trigger.sha[..7] };
    let mut words = format!("{}: {} at {commit} ", trigger.repository.full_name, trigger.describe());
    match &trigger.kind {
        TriggerKind::Push { before, .. } => {
            write!(words, "(before {})", before.as_deref().map_or("new", |sha| &sha[..7]))
        }
        TriggerKind::Tag { .. } => write!(words, "(tag)"),
        TriggerKind::PullRequest { branch, base_sha, from_fork, action, .. } => {
            write!(words, "({action}, from {branch}, base {}, fork {from_fork})", &base_sha[..7])
        }
        TriggerKind::TagDeleted { mark, .. } | TriggerKind::BranchDeleted { mark, .. } => {
            write!(words, "(mark {mark})")
        }
        TriggerKind::MergeGroup { branch, base_sha, .. } => write!(words, "(from {branch}, base {})", &base_sha[..7]),
        TriggerKind::Release { prerelease, .. } => write!(words, "(prerelease {prerelease})"),
        other => write!(words, "{other:?}"),
    }
    .unwrap();
    write!(words, " by {}, {:?}, to be had at {}", trigger.sender, trigger.title, source.reference).unwrap();
    words
}

#[test]
fn every_example_gets_the_verdict_of_the_table() {
    let examples = examples();
    let secrets = secrets(&examples);
    let mut table = String::new();
    for example in &examples.deliveries {
        let body = Bytes::from(example.body.clone());
        let verified = secrets.verify(Some(&example.signature), body).unwrap();
        let verified = json_text(Some("application/json"), verified).unwrap();
        let (envelope, parsed) = parse("github.com", &example.event, &verified).unwrap();
        writeln!(table, "{} => {}", example.key, words(&parsed)).unwrap();
        if let Parsed::Trigger(trigger, _) = parsed {
            assert_eq!(envelope.repository, Some(trigger.repository.full_name));
        }
    }
    let expected = include_str!("../fixtures/github/verdicts.txt");
    let expected: Vec<_> = expected.lines().filter(|line| !line.starts_with('#')).collect();
    similar(&expected, &table.lines().collect::<Vec<_>>());
}

/// Compares line by line, so that a difference names its payload.
fn similar(expected: &[&str], found: &[&str]) {
    for line in found {
        assert!(expected.contains(line), "the table expects something else than:\n{line}");
    }
    assert_eq!(expected.len(), found.len(), "the table holds payloads that are not there");
}

#[test]
fn one_changed_byte_anywhere_is_refused() {
    let examples = examples();
    let secrets = secrets(&examples);
    for example in &examples.deliveries {
        for at in [0, example.body.len() / 2, example.body.len() - 1] {
            let mut body = example.body.clone().into_bytes();
            body[at] ^= 1;
            assert_eq!(secrets.verify(Some(&example.signature), Bytes::from(body)), Err(Refused::Mismatch));
        }
    }
}

#[test]
fn the_stand_in_signs_as_githubs_own_library_does() {
    let examples = examples();
    for example in &examples.deliveries {
        let delivery = Delivery::sign_bytes(&examples.secret, &example.event, example.body.clone().into_bytes());
        assert_eq!(delivery.signature, example.signature, "{}", example.key);
    }
}

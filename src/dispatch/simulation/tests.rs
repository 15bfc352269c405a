//! Many seeds; and whether anybody would notice if something were broken.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rstest::rstest;

use super::{chaos::Sabotage, judge::Verdict, world};

/// How many seeds `make test` runs.
const SEEDS: u64 = 5_000;

/// How many seeds may pass before something broken must have been noticed.
const SOON: u64 = 200;

/// Runs seeds on as many threads as there are processors. Returns the first verdict by each law; of something that is broken
/// on purpose one is enough.
fn search(seeds: Range<u64>, sabotage: Option<Sabotage>) -> BTreeMap<&'static str, Verdict> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(BTreeMap::<&'static str, Verdict>::new());
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let is_enough = sabotage.is_some() && !found.lock().unwrap().is_empty();
        if seed >= seeds.end || is_enough {
            return;
        }
        if let Err(verdict) = world::run(seed, sabotage) {
            let mut found = found.lock().unwrap();
            if found.get(verdict.law).is_none_or(|earlier| seed < earlier.seed) {
                found.insert(verdict.law, verdict);
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    found.into_inner().unwrap()
}

/// The seeds to run: others than usual where `CONDUCTO_SEEDS` says so, as `first..end`.
#[expect(
    clippy::disallowed_methods,
    reason = "`make soak`, and whoever looks at one seed, have no other way to say which"
)]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("CONDUCTO_SEEDS") else { return 0..SEEDS };
    let (first, end) = text.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn five_thousand_seeds() {
    let found = search(seeds(), None);
    let words: Vec<String> = found.values().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", words.join("\n\n"));
}

#[rstest]
#[case::no_fence(Sabotage::NoFence)]
#[case::ack_before_commit(Sabotage::AckBeforeCommit)]
#[case::no_ack(Sabotage::NoAck)]
#[case::act_before_commit(Sabotage::ActBeforeCommit)]
#[case::settle_before_removal(Sabotage::SettleBeforeRemoval)]
fn what_is_broken_on_purpose_is_noticed(#[case] sabotage: Sabotage) {
    let found = search(0..SOON, Some(sabotage));
    assert!(!found.is_empty(), "{sabotage:?} goes unnoticed");
    for Verdict { seed, law, words, .. } in found.values() {
        println!("{sabotage:?}: seed {seed} breaks the law of {law}: {words}");
    }
}

#[test]
fn a_seed_is_the_same_every_time() {
    for seed in 0..20 {
        assert_eq!(world::story(seed), world::story(seed), "seed {seed}");
    }
}

//! The worker that is kept ready for a pipeline to come.

use super::desk::{Desk, pipeline, queue, queue_of};
use crate::{
    dispatch::pool::{book::Wish, spare::queue_for, workers::Gone},
    model::WorkerId,
};

const SPARE: [u8; 6] = [200; 6];

fn spare() -> WorkerId {
    WorkerId::from_random(SPARE)
}

/// A desk where pipeline `a` has run a leaf and is over, and a spare for pipeline `b` is up.
fn with_spare() -> Desk {
    let mut desk = Desk::new(1.0);
    desk.offer(&queue('a'), 0..1);
    let given = desk.go_on();
    desk.start(&given[0]);
    assert_eq!(desk.book.wants_spare(desk.now), None, "what has just come up goes first");
    desk.pass(600);
    let kind = desk.book.wants_spare(desk.now).unwrap();
    assert_eq!(kind, *queue('a'));
    desk.book.keep_spare(spare(), queue_for(pipeline('b'), kind), desk.now);
    assert_eq!(desk.book.take_spare(desk.now), None, "it is not up yet");
    desk.book.connected(&spare(), desk.now);
    assert_eq!(desk.book.wants_spare(desk.now), None, "one is enough");
    desk.finish(&given[0]);
    desk.book.release(pipeline('a'));
    desk.pass(10_000);
    desk.go_on();
    desk.removed();
    desk.go_on();
    desk.wished();
    desk
}

#[test]
fn a_spare_serves_the_pipeline_that_takes_it_and_no_other() {
    let mut desk = with_spare();
    desk.offer(&queue('c'), 0..1);
    let given = desk.go_on();
    assert_ne!(given[0].worker, spare(), "nobody has taken it; and it holds nothing of the machine");
    desk.finish(&given[0]);
    desk.book.release(pipeline('c'));
    desk.go_on();
    desk.removed();
    desk.go_on();

    assert_eq!(desk.book.take_spare(desk.now), Some(pipeline('b')));
    assert_eq!(desk.book.take_spare(desk.now), None, "there was one");
    desk.is_quick = false;
    desk.offer(&queue('b'), 0..2);
    let given = desk.go_on();
    assert_eq!((given.len(), &given[0].worker), (1, &spare()));
    desk.book.launched(&spare(), desk.now);
    desk.finish(&given[0]);
    let given = desk.go_on();
    assert_eq!((given.len(), &given[0].worker), (1, &spare()), "from then on it is like any other");
}

#[test]
fn a_spare_of_another_kind_than_needed_goes() {
    let mut desk = with_spare();
    assert_eq!(desk.book.take_spare(desk.now), Some(pipeline('b')));
    desk.offer(&queue_of('b', 0.5, 1.0), 0..1);
    let given = desk.go_on();
    assert_ne!(given[0].worker, spare());
    desk.pass(3_000);
    desk.go_on();
    assert!(desk.wished().iter().any(|wish| matches!(wish, Wish::Remove { worker, .. } if *worker == spare())));
}

#[test]
fn a_spare_whose_pipeline_is_not_launched_goes_with_all_it_had() {
    let mut desk = with_spare();
    assert_eq!(desk.book.take_spare(desk.now), Some(pipeline('b')));
    desk.book.drop_spare(pipeline('b'));
    desk.go_on();
    assert_eq!(desk.removed(), 1);
    desk.go_on();
    assert_eq!(desk.wished(), [Wish::Release { pipeline: pipeline('b') }]);
}

#[test]
fn a_spare_that_is_lost_is_cleared_away_and_not_made_again_for_ever() {
    let mut desk = with_spare();
    desk.book.disconnected(&spare(), desk.now);
    assert_eq!(desk.book.take_spare(desk.now), None, "nobody knows whether it is there");
    let gone = Gone { evidence: "its worker is gone".into(), out_of_memory: false };
    desk.book.checked(&spare(), Some(&gone), desk.now);
    desk.go_on();
    assert_eq!(desk.removed(), 1);
    desk.go_on();
    assert_eq!(desk.wished(), [Wish::Release { pipeline: pipeline('b') }]);
    assert_eq!(desk.book.wants_spare(desk.now), None, "not before another worker has come up");
}

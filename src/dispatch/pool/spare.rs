//! The spare: a worker that has come up before anybody needs it, for a pipeline that does not exist yet. The next one launched
//! gets its name, and with it network and container: its first node begins in the time of a checkout instead of that of a
//! container. It is nobody's before, and never anybody else's after.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    book::{Book, End},
    queue::{Queue, QueueKey},
    tempo::passed,
    worker::{Phase, Standby, Worker},
};
use crate::model::{PipelineId, Trust, WorkerId};

/// How long no worker may have been begun before a spare is made: whoever waits for a container now goes first.
const QUIET: Duration = Duration::from_millis(500);

impl Book {
    /// Says whether another spare should be made, and like which kind of worker.
    pub(super) fn wants_spare(&self, now: Timestamp) -> Option<QueueKey> {
        let is_moving = |worker: &Worker| {
            worker.standby.is_some()
                || worker.phase == Phase::Promised
                || (worker.phase == Phase::Starting && worker.silent_since.is_none())
                || !passed(worker.born_at, QUIET, now)
        };
        if self.is_resting || self.is_disk_short || self.workers.values().any(is_moving) {
            return None;
        }
        self.latest_kind.clone()
    }

    /// A spare is being made.
    pub(super) fn keep_spare(&mut self, id: WorkerId, queue: Queue, now: Timestamp) {
        let mut worker = Worker::promised(queue, now);
        worker.phase = Phase::Starting;
        worker.standby = Some(Standby::Spare);
        self.workers.insert(id, worker);
    }

    /// Gives the spare to a pipeline that is about to be launched: it takes this id. Nothing when there is none that is ready.
    pub(super) fn take_spare(&mut self, now: Timestamp) -> Option<PipelineId> {
        let is_ready = |worker: &&mut Worker| {
            worker.standby == Some(Standby::Spare) && worker.phase == Phase::Ready && worker.silent_since.is_none()
        };
        let worker = self.workers.values_mut().find(is_ready)?;
        worker.standby = Some(Standby::Taken);
        worker.phase = Phase::Promised;
        worker.turned_at = now;
        Some(worker.queue.pipeline.clone())
    }

    /// The pipeline that took the spare is not launched after all: nothing is to be left of it.
    pub(super) fn drop_spare(&mut self, pipeline: PipelineId) {
        if self.workers.values().any(|worker| worker.queue.pipeline == pipeline && worker.stands_by()) {
            self.release(pipeline);
        }
    }

    /// Remembers what kind of worker came up last: the next pipeline most likely wants the same.
    pub(super) fn note_kind(&mut self, queue: &Queue) {
        let is_plain = queue.trust == Trust::Trusted
            && queue.owner.is_none()
            && queue.image.reference().is_some()
            && queue.group.is_none()
            && queue.amounts.gpu == 0
            && !queue.requires_docker
            && queue.docker_run_args.is_empty();
        if is_plain {
            self.latest_kind = Some((**queue).clone());
        }
    }

    /// A spare was lost or could not be made: another of the kind would fare no better. Says whether it was one.
    pub(super) fn lose_spare(&mut self, id: &WorkerId, evidence: &str) -> bool {
        let Some(worker) = self.workers.get(id).filter(|worker| worker.standby == Some(Standby::Spare)) else {
            return false;
        };
        let pipeline = worker.queue.pipeline.clone();
        self.latest_kind = None;
        self.let_go(id, End::Failed(evidence.to_owned()), evidence);
        self.release(pipeline);
        true
    }

    /// Returns the spares there are, with what their pipelines would be.
    pub(super) fn spares(&self) -> Vec<(PipelineId, WorkerId)> {
        let spares = self.workers.iter().filter(|(_, worker)| worker.standby == Some(Standby::Spare));
        spares.map(|(id, worker)| (worker.queue.pipeline.clone(), id.clone())).collect()
    }
}

/// Returns the same kind of queue for another pipeline.
pub(super) fn queue_for(pipeline: PipelineId, kind: QueueKey) -> Queue {
    Arc::new(QueueKey { pipeline, ..kind })
}

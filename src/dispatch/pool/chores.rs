//! What takes time and is neither the start nor the end of a worker: asking pipelines and the runtime. Each reports back to
//! the pool.

use std::{sync::Arc, time::Duration};

use super::{
    queue::Queue,
    room::{Lease, Message},
    workers::Gone,
};
use crate::{
    dispatch::{error::Error, live, shared::Shared},
    executor::{self, WorkerStatus},
    model::{Actor, Command, NodeIndex, PipelineId, WorkerId},
};

/// A store that fails is not asked again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a runtime that does not answer is asked again.
const PROBE: Duration = Duration::from_secs(2);

/// Asks the pipeline to lease leaves of one queue, all in one commit. Its yes comes back as an effect of its own, its no as
/// a message.
pub(super) async fn lease(shared: Arc<Shared>, queue: Queue, leases: Vec<Lease>) {
    let pipeline = queue.pipeline.clone();
    let asked = live::Message::Lease { queue, leases: leases.clone() };
    if let Err(error) = shared.send(&pipeline, asked).await {
        tracing::warn!(pipeline = %pipeline, error = %error, "a lease failed");
        refuse(shared, leases).await;
    }
}

/// Lets leaves wait again whose pipeline could not answer.
pub(in crate::dispatch) async fn refuse(shared: Arc<Shared>, leases: Vec<Lease>) {
    if !rest(&shared).await {
        return;
    }
    for Lease { worker, fence, .. } in leases {
        shared.tell_pool(Message::LeaseRefused { worker, fence, again: true }).await;
    }
}

/// Waits until the runtime answers again. Meanwhile leaves stay in their queues: a try a second would only fill their history.
pub(super) async fn await_runtime(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(PROBE) => {}
            () = shared.stop.cancelled() => return,
        }
        if shared.parts.executor.owned().await.is_ok() {
            tracing::info!("the container runtime answers again");
            shared.set_problem("executor", None);
            return shared.tell_pool(Message::RuntimeBack).await;
        }
    }
}

/// Asks the runtime about a worker that has no connection.
pub(super) async fn check(shared: Arc<Shared>, pipeline: PipelineId, worker: WorkerId) {
    let status = shared.parts.executor.status(&pipeline, &worker).await;
    shared.set_problem("executor", status.as_ref().err().map(ToString::to_string));
    let gone = match status {
        Ok(WorkerStatus::Running) => None,
        Ok(WorkerStatus::Exited { code, out_of_memory }) => {
            let code = code.map_or_else(|| "an unknown code".to_owned(), |code| format!("code {code}"));
            Some(Gone { evidence: format!("its worker ended with {code}"), out_of_memory })
        }
        Ok(WorkerStatus::Gone) => Some(Gone { evidence: "its worker is gone".to_owned(), out_of_memory: false }),
        Err(executor::Error::Unavailable { .. }) => {
            shared.tell_pool(Message::RuntimeAway).await;
            None
        }
        // It answers, though not to this; it is asked again.
        Err(_) => None,
    };
    shared.tell_pool(Message::Checked { worker, gone }).await;
}

/// Tells the pipeline that these leaves cannot run.
pub(super) async fn cannot_run(shared: Arc<Shared>, pipeline: PipelineId, nodes: Vec<NodeIndex>, message: String) {
    for node in nodes {
        tell(&shared, &pipeline, Command::CannotRun { node, message: message.clone() }).await;
    }
}

/// Tells a pipeline something that nobody else will tell it: again and again while the store fails. Returns whether the
/// pipeline went on by it; not if that was no news, or the server stops.
pub(super) async fn tell(shared: &Arc<Shared>, pipeline: &PipelineId, command: Command) -> bool {
    loop {
        match shared.ask(pipeline, command.clone().by(Actor::Server), None).await {
            Ok(_) => return true,
            Err(Error::Unavailable(error)) => {
                tracing::warn!(pipeline = %pipeline, error = %error, "a pipeline cannot go on yet; it is told again");
            }
            Err(_) => return false,
        }
        if !rest(shared).await {
            return false;
        }
    }
}

/// Lets a store that fails recover. Returns false when the server stops.
pub(super) async fn rest(shared: &Shared) -> bool {
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => true,
        () = shared.stop.cancelled() => false,
    }
}

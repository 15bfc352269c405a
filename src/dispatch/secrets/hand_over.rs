//! The moment in which a worker gets the secrets of a node. Nothing of it is kept here.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::claim::{Claim, Withheld};
use crate::{
    dispatch::{error::Error, live, shared::Shared},
    model::{Fence, PipelineId, WorkerId},
    worker::protocol::ToWorker,
};

/// Answers a worker that is about to begin a node. Returns whether it is answered, or need not be; if not, it will ask again.
pub(in crate::dispatch) async fn hand_over(
    shared: &Arc<Shared>,
    pipeline: &PipelineId,
    worker: &WorkerId,
    fence: Fence,
) -> bool {
    let claim = match ask(shared, pipeline, (fence, worker.clone())).await {
        Ok(claim) => claim,
        Err(Error::Unavailable(_) | Error::Stopping) => return false,
        Err(_) => None,
    };
    let fetched = match claim {
        Some(claim) => claim.fetch(shared).await,
        // It was ended or given to another meanwhile; it hears of that, and gets nothing.
        None => Err(Withheld::Because("it is no attempt that this worker may begin".to_owned())),
    };
    let answer = match fetched {
        Ok(secrets) => ToWorker::Secrets { fence, secrets },
        Err(Withheld::Because(message)) => ToWorker::NoSecrets { fence, message },
        Err(Withheld::Unavailable(error)) => {
            tracing::warn!(pipeline = %pipeline, error = %error, "secrets cannot be read; the worker will ask again");
            return false;
        }
    };
    shared.parts.hub.answer(worker, answer);
    true
}

/// Asks a pipeline what one attempt of it can have.
async fn ask(shared: &Arc<Shared>, pipeline: &PipelineId, attempt: (Fence, WorkerId)) -> Result<Option<Claim>, Error> {
    let (reply, answer) = oneshot::channel();
    shared.send(pipeline, live::Message::Claim { attempt, reply }).await?;
    answer.await.map_err(|_| Error::Stopping)
}

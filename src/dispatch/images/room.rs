//! Who waits for which image: asked for by many at once, it is made once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{
    flight::{self, Flight},
    order,
};
use crate::{
    clock,
    dispatch::{pool::QueueKey, shared::Shared},
    executor::{Error, Progress},
    model::{Base, Image, PipelineId},
    store::{self, images},
};

/// What is being made now.
#[derive(Default)]
pub(in crate::dispatch) struct Images {
    flights: Mutex<HashMap<String, Weak<Flight>>>,
    waiting: Mutex<HashMap<(PipelineId, Image), Arc<Flight>>>,
}

impl Images {
    /// Says what the nodes of a queue wait for, in words; nothing when their image is there, or not yet looked for.
    pub(in crate::dispatch) fn words(&self, queue: &QueueKey) -> Option<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = waiting.get(&(queue.pipeline.clone(), queue.image.clone()))?;
        let stage = flight.status.borrow().stage;
        Some(match stage {
            Some((stage, since)) => {
                let seconds = clock::now().duration_since(since).as_secs().max(0);
                format!("waits for its image: {} ({seconds} s)", stage.words())
            }
            None => "waits for its image".to_owned(),
        })
    }

    fn join(&self, key: &str, begin: impl FnOnce() -> Flight) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.strong_count() > 0);
        // One that has ended is over, though somebody may still be reading its end.
        let running = flights.get(key).and_then(Weak::upgrade).filter(|flight| flight.status.borrow().end.is_none());
        running.unwrap_or_else(|| {
            let flight = Arc::new(begin());
            flights.insert(key.to_owned(), Arc::downgrade(&flight));
            flight
        })
    }
}

/// Notes that the nodes of a queue wait, as long as it lives.
struct Waiting<'a> {
    images: &'a Images,
    place: (PipelineId, Image),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.images.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.place);
    }
}

/// Returns the name of the image that workers of a queue run, after having it made if need be.
pub(in crate::dispatch) async fn have(
    shared: &Arc<Shared>,
    queue: &QueueKey,
    progress: Progress<'_>,
) -> Result<String, Error> {
    let recipe = match &queue.image {
        Image::Ready(reference) => return Ok(reference.clone()),
        Image::Made(recipe) => recipe,
    };
    match &recipe.base {
        Base::Reference(reference) if !recipe.is_made() => return Ok(reference.clone()),
        Base::Default if !recipe.is_made() => return Ok(shared.options.default_image.clone()),
        _ if !shared.parts.executor.isolates() => {
            progress(&format!("runs without the image {recipe}: plain processes have none"));
            return Ok(String::new());
        }
        _ => {}
    }
    let order = order::gather(shared, &queue.pipeline, queue.trust, recipe, &queue.folder).await?;
    let key = order.key();
    progress(&format!("image {recipe}: `conducto images {}` shows how it is made", &key[..12]));
    let own_key = key.clone();
    let flight = shared.images.join(&key, || flight::begin(shared, own_key, order));
    let place = (queue.pipeline.clone(), queue.image.clone());
    shared.images.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), Arc::clone(&flight));
    let _waiting = Waiting { images: &shared.images, place };
    let mut status = flight.status.clone();
    let mut shown = None;
    loop {
        let seen = status.borrow_and_update().clone();
        if let Some(end) = seen.end {
            return end;
        }
        if let Some((stage, _)) = seen.stage.filter(|(stage, _)| shown != Some(*stage)) {
            progress(&format!("image {recipe}: {}", stage.words()));
            shown = Some(stage);
        }
        if status.changed().await.is_err() && status.borrow().end.is_none() {
            return Err(Error::Refused { message: "the making of its image ended without a result".into() });
        }
    }
}

/// After a start: what was being made is made anew when a node needs it.
pub(in crate::dispatch) async fn recover(shared: &Arc<Shared>) -> Result<(), store::Error> {
    let now = clock::now();
    let interrupted = shared.store.write(move |connection| images::end_interrupted(connection, now)).await?;
    if interrupted > 0 {
        tracing::info!(interrupted, "images were being made when the server ended");
    }
    Ok(())
}

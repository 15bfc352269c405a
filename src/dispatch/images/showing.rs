//! What is shown of images that were made.

use crate::{
    dispatch::{
        error::Error,
        follow::{self, LogStream},
        shared::Shared,
        view::ImageView,
    },
    store::images::{self, Kept},
};

/// Lists images, the one that was needed last first.
pub(in crate::dispatch) async fn list(shared: &Shared, limit: u32) -> Result<Vec<ImageView>, Error> {
    let kept = shared.store.read(move |connection| images::list(connection, limit)).await?;
    Ok(kept.into_iter().map(view).collect())
}

/// Shows one image, by its key or the beginning of it.
pub(in crate::dispatch) async fn one(shared: &Shared, key: &str) -> Result<ImageView, Error> {
    find(shared, key).await.map(view)
}

/// Opens the log of the last making of an image.
pub(in crate::dispatch) async fn log(shared: &Shared, key: &str, follow: bool) -> Result<LogStream, Error> {
    let kept = find(shared, key).await?;
    let path = shared.options.layout.image_log(&kept.log);
    // Listening begins before it is looked at again: an end between the two is noticed.
    let follower = shared.logs().read(&path, true);
    let is_over = !follow || find(shared, &kept.key).await?.state != "making";
    Ok(follow::log(if is_over { shared.logs().read(&path, false) } else { follower }))
}

async fn find(shared: &Shared, key: &str) -> Result<Kept, Error> {
    let key = key.to_owned();
    let found = shared.store.read(move |connection| images::find(connection, &key)).await?;
    found.ok_or(Error::NotFound("image"))
}

fn view(kept: Kept) -> ImageView {
    let Kept { key, title, trust, state, reference, stages, error, asked_at, finished_at, used_at, .. } = kept;
    let stages = serde_json::from_str(&stages).unwrap_or_default();
    ImageView { key, title, trust, state, reference, stages, error, asked_at, finished_at, used_at }
}

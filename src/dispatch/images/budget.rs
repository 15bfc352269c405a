//! Removes images of this server's making when they take more of the disk than they may, the least recently used first.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    clock,
    dispatch::{error::Error, shared::Shared},
    store::images,
};

/// What was needed so lately may be needed by a container that is being made.
const FRESH: Duration = Duration::from_secs(600);

/// Removes images until the rest fits into the budget; what a container uses stays. Returns how many went, and their bytes. A
/// rehearsal removes nothing and says what would go.
pub(in crate::dispatch) async fn keep_within(shared: &Arc<Shared>, is_rehearsal: bool) -> Result<(u64, u64), Error> {
    let Some(budget) = shared.options.image_budget else { return Ok((0, 0)) };
    let owned = match shared.parts.executor.owned_images().await {
        Ok(owned) => owned,
        Err(error) => {
            tracing::debug!(%error, "images are not counted now");
            return Ok((0, 0));
        }
    };
    let mut total: u64 = owned.iter().map(|image| image.bytes).sum();
    if total <= budget {
        return Ok((0, 0));
    }
    let mut dated = Vec::with_capacity(owned.len());
    for image in owned {
        let reference = image.reference.clone();
        let used = shared.store.read(move |connection| images::used_at(connection, &reference)).await?;
        // What only others are made of goes last: they cannot be there without it.
        dated.push((used.unwrap_or(Timestamp::MAX), image));
    }
    dated.sort_by_key(|(used, _)| *used);
    let fresh = clock::now().checked_sub(FRESH).unwrap_or(Timestamp::MIN);
    let (mut count, mut bytes) = (0, 0);
    for (used, image) in dated {
        if total <= budget {
            break;
        }
        if used > fresh && used != Timestamp::MAX {
            continue;
        }
        let is_gone = is_rehearsal || shared.parts.executor.remove_image(&image.reference).await.unwrap_or_default();
        if is_gone {
            total = total.saturating_sub(image.bytes);
            count += 1;
            bytes += image.bytes;
        }
    }
    if count > 0 && !is_rehearsal {
        tracing::info!(count, bytes, "images beyond the budget are removed");
    }
    Ok((count, bytes))
}

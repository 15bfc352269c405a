//! Finds what GitHub could not deliver: its own list of deliveries is gone through, and what never arrived is put into the inbox.
//! Deals with no delivery.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::shared::Shared;
use crate::{
    clock,
    forge::Attempted,
    model::SendError,
    store::{self, Packed, inbox, sweeps},
};

/// GitHub forgets deliveries after three days.
const REMEMBERED: Duration = Duration::from_secs(3 * 24 * 3_600);

/// So far before the last sweep the next one looks back: what was being delivered then may not have been in the list yet.
const OVERLAP: Duration = Duration::from_secs(3_600);

/// How long after a delivery that could not be stored GitHub has it in its list, and the disk may be well again.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);

/// No list is longer than this many pages.
const PAGES: usize = 500;

/// Why a sweep came to nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    GitHub(#[from] SendError),
    #[error("{0}")]
    Store(#[from] store::Error),
}

/// Sweeps at the start, and again and again until the server stops. Without an App there is no list.
pub(super) async fn run(shared: Arc<Shared>) {
    if shared.parts.github.app_id().is_none() {
        return;
    }
    loop {
        match sweep(&shared).await {
            Ok(0) => shared.set_problem("sweep", None),
            Ok(found) => {
                tracing::info!(deliveries = found, "deliveries that never arrived were fetched");
                shared.set_problem("sweep", None);
            }
            Err(Trouble::Store(store::Error::Closed)) => return,
            Err(error) => {
                tracing::warn!(error = %error, "deliveries that were missed cannot be looked for");
                let words = format!("deliveries that were missed cannot be looked for: {error}");
                shared.set_problem("sweep", Some(words));
            }
        }
        let pause = tokio::select! {
            () = tokio::time::sleep(shared.options.sweep) => Duration::ZERO,
            () = shared.has_refused.notified() => AFTER_TROUBLE,
            () = shared.stop.cancelled() => return,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Goes through the list once. Returns how many deliveries were put into the inbox.
async fn sweep(shared: &Shared) -> Result<usize, Trouble> {
    let begun = clock::now();
    let host = shared.options.forge_host.clone();
    let last = {
        let host = host.clone();
        shared.store.read(move |connection| sweeps::last(connection, &host)).await?
    };
    let missed = missed(shared, since(last, begun)).await?;
    let mut found = 0;
    for one in missed {
        let (event, payload) = match shared.parts.github.delivered(one.id).await {
            Ok(whole) => whole,
            // It has just been forgotten.
            Err(SendError::NoAccess { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let body = serde_json::to_vec(&payload).map_err(store::Error::from)?;
        let headers = r#"[["x-conducto-source","sweep"]]"#.to_owned();
        let delivery = inbox::NewDelivery { guid: one.guid, event, headers, body: Packed::of(&body)? };
        let put = shared.store.write_at_once(move |connection| inbox::put(connection, &delivery, clock::now()));
        if put.await? {
            found += 1;
            shared.door.has_stored();
        }
    }
    shared.store.write(move |connection| sweeps::note(connection, &host, begun)).await?;
    Ok(found)
}

/// Returns how far to look back. A server that never swept has missed nothing that it was there for.
fn since(last: Option<Timestamp>, now: Timestamp) -> Timestamp {
    (last.unwrap_or(now) - OVERLAP).max(now - REMEMBERED)
}

/// Returns deliveries of which no try went well and which are not in the inbox, oldest first; of each the latest try.
async fn missed(shared: &Shared, since: Timestamp) -> Result<Vec<Attempted>, Trouble> {
    let mut latest: HashMap<String, (Attempted, bool)> = HashMap::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let (page, next) = shared.parts.github.attempted(cursor.as_deref()).await?;
        let is_last = page.last().is_none_or(|oldest| oldest.delivered_at < since);
        for one in page.into_iter().filter(|one| one.delivered_at >= since) {
            let is_ok = one.status == "OK";
            let (_, went_well) = latest.entry(one.guid.clone()).or_insert((one, false));
            *went_well |= is_ok;
        }
        cursor = next.filter(|_| !is_last);
        if cursor.is_none() {
            break;
        }
    }
    let mut failed: Vec<Attempted> =
        latest.into_values().filter(|(_, went_well)| !went_well).map(|(one, _)| one).collect();
    failed.sort_by_key(|one| (one.delivered_at, one.id));
    let guids: Vec<String> = failed.iter().map(|one| one.guid.clone()).collect();
    let unknown = shared.store.read(move |connection| inbox::unknown(connection, &guids)).await?;
    failed.retain(|one| unknown.contains(&one.guid));
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_looks_back_to_the_last_one_and_never_beyond_what_github_remembers() {
        let at = |hours: i64| Timestamp::from_second(hours * 3_600).unwrap();
        assert_eq!(since(Some(at(99)), at(100)), at(98));
        assert_eq!(since(Some(at(1)), at(100)), at(28));
        assert_eq!(since(None, at(100)), at(99));
    }
}

//! What GitHub remembers of the App's own webhook: which deliveries there were, and what they said. Knows no inbox.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    github::GitHub,
    transport::{Call, shaped},
};
use crate::model::SendError;

/// One try of GitHub's to deliver something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attempted {
    /// Number of the try.
    pub id: u64,
    /// Names the delivery; the same for all tries of it.
    pub guid: String,
    /// When.
    pub delivered_at: Timestamp,
    /// `OK` when it was answered well.
    pub status: String,
    /// Name of the event.
    pub event: String,
}

#[derive(Deserialize)]
struct Whole {
    event: String,
    request: Sent,
}

#[derive(Deserialize)]
struct Sent {
    payload: Value,
}

impl GitHub {
    /// Returns a page of tries, newest first: the first one, or the one at a cursor; with the cursor of the next.
    ///
    /// # Errors
    /// By what the asker can do about it.
    pub async fn attempted(&self, cursor: Option<&str>) -> Result<(Vec<Attempted>, Option<String>), SendError> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let route = format!("/app/hook/deliveries?per_page=100{cursor}");
        let (found, next) = self.send_as_app_for_page(Call::get(&route, hint)).await?;
        // Only the cursor is taken from the address: whatever host it names, our key goes to the one we know.
        let next = next.and_then(|address| {
            let (_, query) = address.split_once('?')?;
            let (_, value) =
                query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == "cursor"))?;
            Some(value.to_owned())
        });
        Ok((shaped(found)?, next))
    }

    /// Returns the event and the payload of a delivery, by the number of one try of it.
    ///
    /// # Errors
    /// By what the asker can do about it.
    pub async fn delivered(&self, id: u64) -> Result<(String, Value), SendError> {
        let route = format!("/app/hook/deliveries/{id}");
        let Whole { event, request } = shaped(self.send_as_app(Call::get(&route, hint)).await?)?;
        Ok((event, request.payload))
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 => " (are `github.app_id` and `github.app_key_file` of one App, and is this machine's clock right?)",
        404 => " (the App has no webhook)",
        _ => "",
    }
}

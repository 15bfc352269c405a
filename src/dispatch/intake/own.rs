//! Deliveries that this server writes to itself: a time of a schedule, a request. Knows no forge's payload.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    forge::{Envelope, Malformed, Parsed, Source},
    model::{Repository, Trigger, TriggerKind},
    store::{Error, Packed, inbox::NewDelivery},
};

/// What such a delivery says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::dispatch) struct Own {
    /// Host name of the forge.
    pub(in crate::dispatch) host: String,
    pub(in crate::dispatch) repository: Repository,
    /// Section of conducto.cfg that is meant.
    pub(in crate::dispatch) section: String,
    /// Short name of the branch.
    pub(in crate::dispatch) branch: String,
    #[serde(flatten)]
    pub(in crate::dispatch) what: What,
}

/// What only one kind of them says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(in crate::dispatch) enum What {
    /// The clock reached a time.
    Cron { due: Timestamp },
    /// Somebody asked for it, at the commit for which the parameters were checked.
    Manual { sha: String, parameters: BTreeMap<String, String>, by: String },
}

impl Own {
    /// Makes the row for the inbox. `guid` tells it from all others of its kind.
    pub(in crate::dispatch) fn delivery(&self, guid: String) -> Result<NewDelivery, Error> {
        let event = match self.what {
            What::Cron { .. } => "conducto-cron",
            What::Manual { .. } => "conducto-manual",
        };
        let body = Packed::of(&serde_json::to_vec(self)?)?;
        Ok(NewDelivery { guid, event: event.to_owned(), headers: "[]".to_owned(), body })
    }

    fn parsed(self, guid: &str) -> Parsed {
        let Self { host, repository, section, branch, what } = self;
        let (kind, sha, sender) = match what {
            What::Cron { due } => (TriggerKind::Cron { branch, section, due }, String::new(), "cron".to_owned()),
            What::Manual { sha, parameters, by } => {
                (TriggerKind::Manual { branch, section, parameters, request: guid.to_owned() }, sha, by)
            }
        };
        let trigger = Trigger { host, repository, sha, kind, title: String::new(), sender };
        let source = Source { clone_url: None, reference: trigger.reference() };
        Parsed::Trigger(Box::new(trigger), source)
    }
}

/// Reads such a delivery.
pub(super) fn read(guid: &str, body: &[u8]) -> (Envelope, Result<Parsed, Malformed>) {
    match serde_json::from_slice::<Own>(body) {
        Ok(own) => {
            let about =
                Envelope { repository: Some(own.repository.full_name.clone()), action: None, installation: None };
            (about, Ok(own.parsed(guid)))
        }
        Err(error) => (Envelope::default(), Err(Malformed::NotJson(error.to_string()))),
    }
}

//! What goes on between the outbox and the services outside: paces, rests, repositories that do not let us write. Knows no
//! message.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use crate::forge::{Pace, Rates, Write};

/// Whose limits a message counts against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Name of the installation, the token or the chat.
    pub(super) name: String,
    /// The repository on the forge that it is for.
    pub(super) repository: Option<u64>,
}

/// The state of all of it.
#[derive(Default)]
pub(super) struct Traffic {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    paces: HashMap<String, Pace>,
    rests: HashMap<String, Timestamp>,
    /// Repositories that are left alone, until when, and why.
    parked: BTreeMap<u64, (Timestamp, String)>,
    /// Why the forge does not know us.
    locked_out: Option<String>,
}

impl Traffic {
    /// Lets a message pass.
    ///
    /// # Errors
    /// When it has to wait: until when.
    pub(super) fn admit(&self, budget: &Budget, write: Write, rates: Rates, now: Timestamp) -> Result<(), Timestamp> {
        let mut state = self.state();
        let Some(repository) = budget.repository else {
            return state.rests.get(&budget.name).filter(|until| now < **until).map_or(Ok(()), |until| Err(*until));
        };
        if let Some((until, _)) = state.parked.get(&repository).filter(|(until, _)| now < *until) {
            return Err(*until);
        }
        state.paces.entry(budget.name.clone()).or_insert_with(|| Pace::new(rates, now)).take(write, now)
    }

    /// Nothing of a budget is sent before this time.
    pub(super) fn rest(&self, budget: &Budget, until: Timestamp) {
        let mut state = self.state();
        match state.paces.get_mut(&budget.name) {
            Some(pace) => pace.rest(until),
            None => drop(state.rests.insert(budget.name.clone(), until)),
        }
    }

    /// Leaves a repository alone that does not let us write.
    pub(super) fn park(&self, budget: &Budget, reason: &str, until: Timestamp) {
        if let Some(repository) = budget.repository {
            self.state().parked.insert(repository, (until, reason.to_owned()));
        }
    }

    /// Tries a repository again at once: something about it was changed.
    pub(super) fn unpark(&self, repository: u64) {
        self.state().parked.remove(&repository);
    }

    /// Notes that the forge does not know us.
    pub(super) fn lock_out(&self, reason: &str) {
        self.state().locked_out = Some(reason.to_owned());
    }

    /// Notes that something was sent.
    pub(super) fn went_well(&self, budget: &Budget) {
        if let Some(repository) = budget.repository {
            let mut state = self.state();
            state.parked.remove(&repository);
            state.locked_out = None;
        }
    }

    /// Says what a person must do something about; `name` knows what repositories are called.
    pub(super) fn problems(&self, name: impl Fn(u64) -> String) -> Vec<String> {
        let state = self.state();
        let parked = state.parked.iter().map(|(id, (_, reason))| {
            format!("nothing can be told to {}, tried again every ten minutes: {reason}", name(*id))
        });
        parked
            .chain(state.locked_out.iter().map(|reason| format!("GitHub does not know this server: {reason}")))
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

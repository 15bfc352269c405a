//! Notes what became of repositories and of the App: names, installations, what is read no more. Starts nothing.

use super::writing::{Conclusion, Installed};
use crate::{
    dispatch::shared::Shared,
    forge::Change,
    store::{inbox::Verdict, repositories::Seen},
};

/// Deals with a change.
pub(super) fn note(shared: &Shared, change: &Change) -> Conclusion {
    let github = &shared.parts.github;
    let concluded = |words: String| Conclusion { verdict: Some((Verdict::Done, words)), ..Conclusion::default() };
    match change {
        Change::Uninstalled { installation } => {
            github.forget_installation(*installation);
            let installed = vec![Installed::Gone(*installation)];
            Conclusion { installed, ..concluded(format!("installation {installation} is noted as gone")) }
        }
        Change::Installed { installation, added, removed } => {
            // What it may do may have changed: old tokens would not know.
            github.forget_installation(*installation);
            for repository in added {
                github.note_installation(*repository, *installation);
                shared.traffic.unpark(*repository);
            }
            removed.iter().for_each(|repository| github.forget_repository(*repository));
            let here = added.iter().map(|repository| Installed::At(*repository, Some(*installation)));
            let gone = removed.iter().map(|repository| Installed::At(*repository, None));
            Conclusion { installed: here.chain(gone).collect(), ..concluded("the installation is noted".to_owned()) }
        }
        Change::Repository { repository, is_elsewhere, is_closed } => {
            shared.traffic.unpark(repository.id);
            let mut conclusion = concluded(format!("{} is noted as it is now", repository.full_name));
            if *is_elsewhere {
                github.forget_repository(repository.id);
                conclusion.installed.push(Installed::At(repository.id, None));
            }
            if *is_closed {
                // Its schedules would go on for ever.
                conclusion.schedules = Some(Vec::new());
            }
            conclusion.seen = Some(Seen { host: shared.options.forge_host.clone(), repository: repository.clone() });
            conclusion
        }
    }
}

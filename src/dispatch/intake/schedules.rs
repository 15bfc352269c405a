//! Which schedules a repository has: those of the conducto.cfg at the tip of its default branch. Waits for no time.

use super::{
    cfg_file::{self, CfgAtCommit},
    tip,
};
use crate::{
    clock,
    definition::Cfg,
    dispatch::shared::Shared,
    git::{self, Wanted},
    model::{Trigger, TriggerKind},
    store::{repositories, schedules::NewSchedule},
};

/// Says whether the commit of a trigger is the tip of the default branch, or was a moment ago.
pub(super) fn is_at_default_branch(trigger: &Trigger) -> bool {
    let is_branch = match &trigger.kind {
        TriggerKind::Push { .. }
        | TriggerKind::BranchCreated { .. }
        | TriggerKind::BranchDeleted { .. }
        | TriggerKind::TagDeleted { .. }
        | TriggerKind::Comment { .. }
        | TriggerKind::Cron { .. }
        | TriggerKind::Manual { .. } => true,
        // The branch of a fork may be called like ours.
        TriggerKind::PullRequest { .. }
        | TriggerKind::MergeGroup { .. }
        | TriggerKind::Tag { .. }
        | TriggerKind::Release { .. } => false,
    };
    is_branch && trigger.branch().is_some() && trigger.branch() == trigger.repository.default_branch.as_deref()
}

/// Returns the schedules of a conducto.cfg.
pub(super) fn of(cfg: &Cfg) -> Vec<NewSchedule> {
    let now = clock::now();
    let scheduled = cfg.sections.iter().filter_map(|section| Some((section.name(), section.schedule.as_ref()?)));
    scheduled
        .map(|(section, schedule)| NewSchedule {
            section,
            expression: schedule.expression().to_owned(),
            timezone: schedule.timezone().to_owned(),
            next_at: schedule.next_after(now),
        })
        .collect()
}

/// At the first event of a repository, whatever it is: looks at the default branch. Nothing where that is not possible now; the
/// next event is another chance.
pub(super) async fn first_look(shared: &Shared, trigger: &Trigger) -> Option<Vec<NewSchedule>> {
    let branch = trigger.repository.default_branch.as_deref()?;
    let (host, id) = (trigger.host.clone(), trigger.repository.id);
    let has_been_read =
        shared.store.read(move |connection| repositories::has_been_read(connection, &host, id)).await.unwrap_or(true);
    if has_been_read {
        return None;
    }
    match look(shared, trigger, branch).await {
        Ok(schedules) => schedules,
        Err(error) => {
            tracing::info!(%error, "the schedules of the default branch are not known yet");
            None
        }
    }
}

async fn look(shared: &Shared, trigger: &Trigger, branch: &str) -> Result<Option<Vec<NewSchedule>>, git::Error> {
    let remote = tip::remote(shared, &trigger.host, &trigger.repository).await?;
    let (mirrors, reference) = (&shared.parts.mirrors, format!("refs/heads/{branch}"));
    let sha = mirrors.tip(&remote, &reference).await?;
    mirrors.fetch(&remote, &[Wanted { sha: sha.clone(), reference: Some(reference) }]).await?;
    Ok(match cfg_file::read(shared, &remote.name, &sha).await? {
        CfgAtCommit::Found { cfg, .. } => cfg.as_ref().map(of),
        CfgAtCommit::Missing => Some(Vec::new()),
        CfgAtCommit::Unusable(_) => None,
    })
}

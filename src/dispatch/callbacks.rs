//! What an author asked for in advance, in words for people.

use crate::model::{Callback, Notice, On, Remedy, Watch};

/// Says when a callback acts, what it does, and for whom.
pub(super) fn words(callback: &Callback) -> String {
    let when = when(callback.on);
    let times = |count: u32| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let what = match &callback.remedy {
        Remedy::Retry { max_num_retries } => format!("retry at most {}", times(*max_num_retries)),
        Remedy::RetryThenSkip { max_num_retries } => format!("retry at most {}, then skip", times(*max_num_retries)),
        Remedy::RetryWithDoubleMem { max_num_retries } => {
            format!("retry with double memory at most {}", times(*max_num_retries))
        }
        Remedy::SkipSomeErrors { max_num_errors } => format!("skip what failed, if no more than {max_num_errors} did"),
        Remedy::HandleMemoryErrors { mem_limits: (_, most), .. } => {
            format!("after running out of memory retry with double memory, up to {most} GiB")
        }
        Remedy::DeserializeIntoNode { target } => format!("what it printed grows at {target}"),
    };
    let whom = if callback.inherited { "; for every Exec node below too" } else { "" };
    format!("{when}: {what}{whom}")
}

/// Says when somebody is told something, and whom.
pub(super) fn told(watch: &Watch) -> String {
    let what = match &watch.notice {
        Notice::Email { to, .. } if to.is_empty() => "e-mail to the usual addresses".to_owned(),
        Notice::Email { to, .. } => format!("e-mail to {}", to.join(", ")),
        Notice::SlackStatus { recipient, .. } => format!("message to {recipient} in Slack"),
        Notice::GithubStatus { .. } => "commit status".to_owned(),
        Notice::GithubPipelineStatus { .. } => "commit status of the whole pipeline".to_owned(),
    };
    let whom = if watch.inherited { "; for every node below too" } else { "" };
    format!("{}: {what}{whom}", when(watch.on))
}

fn when(on: On) -> &'static str {
    match on {
        On::Queued => "when queued",
        On::Running => "when running",
        On::Done => "when done",
        On::Error => "on error",
        On::WorkerError => "when killed",
        On::StateChange => "on every change",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Remedy::Retry { max_num_retries: 1 }, false, "on error: retry at most once")]
    #[case(
        Remedy::RetryThenSkip { max_num_retries: 2 },
        true,
        "on error: retry at most 2 times, then skip; for every Exec node below too"
    )]
    #[case(
        Remedy::HandleMemoryErrors { mem_limits: (8.0, 32.0), max_duration: 3_600.0 },
        false,
        "on error: after running out of memory retry with double memory, up to 32 GiB"
    )]
    fn callbacks_read_as_sentences(#[case] remedy: Remedy, #[case] inherited: bool, #[case] expected: &str) {
        assert_eq!(words(&Callback { on: On::Error, remedy, inherited }), expected);
    }
}

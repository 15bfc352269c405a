//! Which executor a server uses, decided once at its start (`decisions.md` 18).

use std::sync::Arc;

use super::{
    Executor,
    docker::{self, Docker},
    process::{self, Process},
};

/// What the settings say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Docker where it answers.
    #[default]
    Auto,
    /// Docker; nodes wait while it does not answer.
    Docker,
    /// Plain processes.
    Process,
}

/// Chooses. `auto` takes plain processes only if Docker does not answer now and `allow_process` says that they may be
/// taken; otherwise nodes wait for Docker and say so.
pub async fn resolve(
    choice: Choice,
    allow_process: bool,
    docker: docker::Options,
    process: process::Options,
) -> Arc<dyn Executor> {
    let docker = match choice {
        Choice::Process => return Arc::new(Process::new(process)),
        Choice::Docker | Choice::Auto => Docker::new(docker),
    };
    match docker.ping().await {
        Ok(()) => Arc::new(docker),
        Err(error) if choice == Choice::Auto && allow_process => {
            tracing::warn!(%error, "nodes run as plain processes: nothing keeps them apart from this machine");
            Arc::new(Process::new(process))
        }
        Err(error) => {
            tracing::warn!(%error, "Docker does not answer, nodes wait until it does");
            Arc::new(docker)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Choice::Auto, true, "process")]
    #[case(Choice::Auto, false, "docker")]
    #[case(Choice::Docker, true, "docker")]
    #[case(Choice::Process, false, "process")]
    #[tokio::test]
    async fn without_docker_only_who_allows_it_gets_plain_processes(
        #[case] choice: Choice,
        #[case] allow_process: bool,
        #[case] expected: &str,
    ) {
        let docker = docker::Options {
            server: "server".into(),
            binary: "/nonexistent".into(),
            socket: "/nonexistent/docker.sock".into(),
            networks: docker::Range::default(),
            access: docker::Access::default(),
        };
        let (binary, state) = ("/nonexistent".into(), "/nonexistent".into());
        let process = process::Options { binary, state, environment: Vec::new() };
        assert_eq!(resolve(choice, allow_process, docker, process).await.name(), expected);
    }
}

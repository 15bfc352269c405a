//! The ground that nodes run on, one after the other: cleaned between them, or kept as it is within a group. Knows no
//! server and no processes.

use tokio::task::JoinHandle;

use super::{node::Node, workspace::Workspace};

type Prepared = (Workspace, Result<(), String>);

/// Where the next node would run.
pub(crate) struct Ground(State);

enum State {
    /// What the first node will work on is not there yet.
    Bare(Workspace),
    /// As the last node left it.
    Used(Workspace),
    Preparing(JoinHandle<Prepared>),
    Ready(Workspace),
    /// As the last node of a group left it, for the next of the same group and for nobody else.
    Kept(Workspace),
    Unfit(Workspace, String),
    /// Something could not be killed: nothing more runs here.
    Dirty,
}

impl Ground {
    /// Begins to prepare the ground for the first node, if there is something to prepare it with.
    pub(crate) fn prepare(workspace: Workspace) -> Self {
        Self(if workspace.is_furnished() { State::preparing(workspace) } else { State::Bare(workspace) })
    }

    /// The first node has come: what it works on is there.
    pub(crate) fn furnish(&mut self) {
        if let State::Bare(_) = self.0
            && let State::Bare(workspace) = std::mem::replace(&mut self.0, State::Dirty)
        {
            self.0 = State::Used(workspace);
        }
    }

    /// Says whether it is known how the next node would fare.
    pub(crate) fn is_settled(&self) -> bool {
        !matches!(self.0, State::Bare(_) | State::Used(_) | State::Preparing(_))
    }

    /// Starts a node on it.
    ///
    /// # Errors
    /// With words for people, when no node can run here.
    pub(crate) fn begin(
        &mut self,
        keep: bool,
        start: impl FnOnce(&mut Workspace) -> Result<Node, String>,
    ) -> Result<Node, String> {
        match &mut self.0 {
            State::Ready(workspace) => start(workspace),
            State::Kept(workspace) if keep => start(workspace),
            State::Kept(_) => Err("this container belongs to a group of nodes that this one is not of".to_owned()),
            State::Unfit(_, message) => Err(message.clone()),
            State::Dirty => Err("a process of the node before could not be killed".to_owned()),
            State::Bare(_) | State::Used(_) | State::Preparing(_) => Err("the container is not ready yet".to_owned()),
        }
    }

    /// A node has ended, or could not be started.
    pub(crate) fn leave(&mut self, keep: bool) {
        self.0 = match std::mem::replace(&mut self.0, State::Dirty) {
            State::Ready(workspace) | State::Kept(workspace) if keep => State::Kept(workspace),
            State::Ready(workspace) | State::Unfit(workspace, _) => State::Used(workspace),
            other => other,
        };
    }

    /// A node has left something that cannot be killed.
    pub(crate) fn spoil(&mut self) {
        self.0 = State::Dirty;
    }

    /// Says whether cleaning up is due and quicker done than handed to another thread.
    pub(crate) fn is_quickly_cleaned(&self) -> bool {
        matches!(&self.0, State::Used(workspace) if workspace.is_small())
    }

    /// Cleans up after the last node, if that is due: now, where that is quick, or beside everything else.
    pub(crate) fn clean(&mut self) {
        self.0 = match std::mem::replace(&mut self.0, State::Dirty) {
            State::Used(workspace) if workspace.is_small() => State::settled(prepare(workspace)),
            State::Used(workspace) => State::preparing(workspace),
            other => other,
        };
    }

    /// Waits for the end of a preparation; for ever when there is none.
    pub(crate) async fn prepared(&mut self) {
        let State::Preparing(task) = &mut self.0 else { return std::future::pending().await };
        self.0 = match task.await {
            Ok(prepared) => State::settled(prepared),
            Err(error) => {
                tracing::error!(%error, "the preparation of a node ended");
                State::Dirty
            }
        };
    }

    /// Removes all that was made for nodes.
    pub(crate) async fn dissolve(self) {
        let workspace = match self.0 {
            State::Preparing(task) => task.await.ok().map(|(workspace, _)| workspace),
            State::Bare(workspace) | State::Used(workspace) | State::Ready(workspace) | State::Kept(workspace) => {
                Some(workspace)
            }
            State::Unfit(workspace, _) => Some(workspace),
            State::Dirty => None,
        };
        if let Some(mut workspace) = workspace {
            workspace.dissolve();
        }
    }
}

impl State {
    /// Cleaning up after a big node may take long; the server is still heard meanwhile.
    fn preparing(workspace: Workspace) -> Self {
        Self::Preparing(tokio::task::spawn_blocking(move || prepare(workspace)))
    }

    fn settled((workspace, result): Prepared) -> Self {
        match result {
            Ok(()) => Self::Ready(workspace),
            Err(message) => Self::Unfit(workspace, message),
        }
    }
}

fn prepare(mut workspace: Workspace) -> Prepared {
    let result = workspace.prepare().map_err(|error| error.to_string());
    (workspace, result)
}

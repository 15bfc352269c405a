//! What goes wrong in a seed and how often; and what somebody has broken on purpose, to see whether it would be noticed.

use super::{disk::Fortune, luck::Luck};

/// A part of the product that does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// Workers take every start for new, whatever its fence.
    NoFence,
    /// Workers forget what they have sent, as if it had been acknowledged.
    AckBeforeCommit,
    /// Acknowledgements never arrive.
    NoAck,
    /// The server acts on what it has not committed yet.
    ActBeforeCommit,
    /// An attempt is declared over before its worker is removed.
    SettleBeforeRemoval,
}

/// How bad it gets.
pub(super) struct Chaos {
    pub(super) sabotage: Option<Sabotage>,
    pub(super) servers_die: bool,
    pub(super) containers_die: bool,
    pub(super) runtime_stops: bool,
    pub(super) clock_jumps: bool,
    /// Per thousand writes.
    failing_writes: u64,
    /// Per thousand things that the server does.
    sudden_deaths: u64,
    /// Per thousand commands.
    pub(super) stubborn: u64,
    is_over: bool,
}

impl Chaos {
    pub(super) fn draw(luck: &mut Luck, sabotage: Option<Sabotage>) -> Self {
        Self {
            sabotage,
            servers_die: luck.happens(700),
            containers_die: luck.happens(500),
            runtime_stops: luck.happens(400),
            clock_jumps: luck.happens(200),
            failing_writes: if luck.happens(400) { 40 } else { 0 },
            sudden_deaths: if luck.happens(500) { 10 } else { 0 },
            stubborn: if luck.happens(300) { 100 } else { 0 },
            is_over: false,
        }
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) fn is_on(&self) -> bool {
        !self.is_over
    }

    pub(super) fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// How the next write of the server goes.
    pub(super) fn fortune(&self, luck: &mut Luck) -> Fortune {
        if self.is_over {
            Fortune::Well
        } else if luck.happens(self.failing_writes) {
            Fortune::Fails
        } else if luck.happens(self.sudden_deaths) {
            if luck.happens(500) { Fortune::DiesBefore } else { Fortune::DiesAfter }
        } else {
            Fortune::Well
        }
    }

    /// Whether the server dies at this very moment.
    pub(super) fn strikes(&self, luck: &mut Luck) -> bool {
        !self.is_over && luck.happens(self.sudden_deaths)
    }

    /// Whether something small fails: a piece of log, a message to the forge.
    pub(super) fn hinders(&self, luck: &mut Luck) -> bool {
        !self.is_over && luck.happens(self.failing_writes)
    }
}

//! What the machine gives to workers, and what a worker takes of it. Plain numbers; knows no workers.

/// An amount of each thing that the workers share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    /// Thousandths of a processor.
    pub milli_cpu: u64,
    /// Bytes of memory.
    pub mem: u64,
    /// Graphics processors.
    pub gpu: u32,
}

/// What all workers together may have of the machine, and what one of them may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// All together.
    pub whole: Amounts,
    /// The largest worker. Less than the whole where the settings promise more processors than there are.
    pub largest: Amounts,
    /// How many workers there may be at once, however small they are.
    pub workers: usize,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dispatch) enum Lack {
    /// So many thousandths of a processor.
    Cpu(u64),
    /// So many bytes of memory.
    Mem(u64),
    /// So many graphics processors.
    Gpu(u32),
    /// As many workers as there may be are there.
    Workers,
}

const GIB: f64 = 1_073_741_824.0;

impl Amounts {
    /// Reads what people write: processors, GiB, graphics processors.
    pub fn of(cpu: f64, gib: f64, gpu: u32) -> Self {
        Self { milli_cpu: whole(cpu * 1_000.0), mem: whole(gib * GIB), gpu }
    }

    /// Returns the memory in GiB.
    #[expect(clippy::cast_precision_loss, reason = "for people and for Docker, who round it as well")]
    pub fn gib(self) -> f64 {
        self.mem as f64 / GIB
    }

    /// Returns the processors, as Docker's `--cpus`.
    #[expect(clippy::cast_precision_loss, reason = "thousandths of a processor are few")]
    pub fn cpu(self) -> f64 {
        self.milli_cpu as f64 / 1_000.0
    }

    /// Adds another.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            milli_cpu: self.milli_cpu.saturating_add(other.milli_cpu),
            mem: self.mem.saturating_add(other.mem),
            gpu: self.gpu.saturating_add(other.gpu),
        }
    }

    /// Says what keeps `wanted` from fitting in, when so much is taken already.
    fn lack(self, taken: Self, wanted: Self) -> Option<Lack> {
        let all = taken.plus(wanted);
        if wanted.gpu > 0 && all.gpu > self.gpu {
            return Some(Lack::Gpu(wanted.gpu));
        }
        if all.milli_cpu > self.milli_cpu {
            return Some(Lack::Cpu(wanted.milli_cpu));
        }
        (all.mem > self.mem).then_some(Lack::Mem(wanted.mem))
    }
}

impl Budget {
    /// Says what keeps another worker from fitting in beside those who hold so much.
    pub(super) fn lack(&self, held: Held, wanted: Amounts) -> Option<Lack> {
        if held.workers >= self.workers.max(1) {
            return Some(Lack::Workers);
        }
        self.whole.lack(held.amounts, wanted)
    }

    /// Says, for people, why a worker of this size can never be had here.
    pub(super) fn refusal(&self, wanted: Amounts) -> Option<String> {
        let most = self.largest;
        let (asked, given) = match most.lack(Amounts::default(), wanted)? {
            Lack::Cpu(_) => (format!("{} cpu", number(wanted.cpu())), number(most.cpu())),
            Lack::Mem(_) => (format!("{} GiB of memory", number(wanted.gib())), number(most.gib())),
            Lack::Gpu(_) | Lack::Workers => (format!("{} gpu", wanted.gpu), most.gpu.to_string()),
        };
        Some(format!(
            "asks for {asked}; this machine gives a node at most {given} (settings cpu, mem and gpu of [containers])"
        ))
    }
}

/// What workers hold at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) amounts: Amounts,
    pub(super) workers: usize,
}

impl Held {
    pub(super) fn add(&mut self, amounts: Amounts) {
        self.amounts = self.amounts.plus(amounts);
        self.workers += 1;
    }

    #[must_use]
    pub(super) fn without(self, other: Self) -> Self {
        Self {
            amounts: Amounts {
                milli_cpu: self.amounts.milli_cpu.saturating_sub(other.amounts.milli_cpu),
                mem: self.amounts.mem.saturating_sub(other.amounts.mem),
                gpu: self.amounts.gpu.saturating_sub(other.amounts.gpu),
            },
            workers: self.workers.saturating_sub(other.workers),
        }
    }
}

impl std::fmt::Display for Lack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let amounts = |milli_cpu, mem| Amounts { milli_cpu, mem, gpu: 0 };
        match self {
            Self::Cpu(milli_cpu) => write!(f, "{} cpu", number(amounts(*milli_cpu, 0).cpu())),
            Self::Mem(mem) => write!(f, "{} GiB of memory", number(amounts(0, *mem).gib())),
            Self::Gpu(gpu) => write!(f, "{gpu} gpu"),
            Self::Workers => f.write_str("one of the server's workers: as many as the setting `slots` allows are busy"),
        }
    }
}

/// At most two decimals, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; amounts are small and positive"
)]
fn whole(number: f64) -> u64 {
    number.round().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn budget() -> Budget {
        Budget { whole: Amounts::of(4.0, 16.0, 1), largest: Amounts::of(2.0, 16.0, 1), workers: 3 }
    }

    #[rstest]
    #[case(0.0, 0.0, 0, 1.0, 2.0, 0, None)]
    #[case(3.5, 0.0, 0, 1.0, 2.0, 0, Some("1 cpu"))]
    #[case(0.0, 12.0, 0, 1.0, 8.0, 0, Some("8 GiB of memory"))]
    #[case(0.0, 0.0, 1, 0.5, 0.5, 1, Some("1 gpu"))]
    #[case(0.0, 0.0, 2, 0.25, 0.5, 0, None)]
    fn what_is_taken_leaves_less(
        #[case] cpu: f64,
        #[case] mem: f64,
        #[case] gpu: u32,
        #[case] wanted_cpu: f64,
        #[case] wanted_mem: f64,
        #[case] wanted_gpu: u32,
        #[case] lack: Option<&str>,
    ) {
        let held = Held { amounts: Amounts::of(cpu, mem, gpu), workers: 1 };
        let found = budget().lack(held, Amounts::of(wanted_cpu, wanted_mem, wanted_gpu));
        assert_eq!(found.map(|lack| lack.to_string()).as_deref(), lack);
    }

    #[test]
    fn the_number_of_workers_is_bounded_too() {
        let held = Held { amounts: Amounts::default(), workers: 3 };
        assert_eq!(budget().lack(held, Amounts::default()), Some(Lack::Workers));
    }

    #[test]
    fn what_can_never_be_had_is_said_with_both_numbers() {
        let refusal = budget().refusal(Amounts::of(64.0, 1.0, 0)).unwrap();
        assert!(refusal.starts_with("asks for 64 cpu; this machine gives a node at most 2 ("), "{refusal}");
        let refusal = budget().refusal(Amounts::of(1.0, 16.5, 0)).unwrap();
        assert!(
            refusal.starts_with("asks for 16.5 GiB of memory; this machine gives a node at most 16 ("),
            "{refusal}"
        );
        assert_eq!(budget().refusal(Amounts::of(2.0, 16.0, 1)), None);
    }
}

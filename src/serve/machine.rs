//! What this machine has, and what of it the settings give to workers.

use std::fs;

use crate::{
    dispatch::{Amounts, Budget},
    settings::{Amount, Containers, Slots},
};

/// Workers a processor, where the settings do not say: a net under those who ask for very little each.
const WORKERS_A_PROCESSOR: usize = 16;

/// What the machine has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Machine {
    processors: u32,
    /// GiB.
    mem: f64,
    gpu: u32,
}

impl Machine {
    /// Looks. The processors and the memory of the whole machine count, not what this process may use of them: containers
    /// of workers stand beside it.
    pub(super) fn look() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").map_or(0, |text| processors(&text));
        let fallback =
            || std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
        let devices = fs::read_dir("/dev").into_iter().flatten().flatten();
        let is_gpu = |name: &str| name.strip_prefix("nvidia").is_some_and(|rest| rest.parse::<u32>().is_ok());
        let gpu = devices.filter(|device| device.file_name().to_str().is_some_and(is_gpu)).count();
        Self {
            processors: if processors == 0 { fallback() } else { processors },
            mem: fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory(&text)).unwrap_or(4.0),
            gpu: u32::try_from(gpu).unwrap_or(0),
        }
    }

    /// Returns what workers get.
    pub(super) fn budget(&self, settings: &Containers) -> Budget {
        let or = |amount: Amount, auto: f64| match amount {
            Amount::Auto => auto,
            Amount::Of(number) => number,
        };
        let cpu = or(settings.cpu, f64::from(self.processors));
        // The server, the engine and the kernel's caches need some as well.
        let mem = or(settings.mem, self.mem * 7.0 / 8.0);
        let gpu = match settings.gpu {
            Amount::Auto => self.gpu,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 100,000")]
            Amount::Of(number) => number as u32,
        };
        let slots = match settings.slots {
            Slots::Auto => usize::try_from(self.processors).unwrap_or(1) * WORKERS_A_PROCESSOR,
            Slots::Count(count) => usize::try_from(count.get()).unwrap_or(usize::MAX),
        };
        Budget {
            whole: Amounts::of(cpu, mem, gpu),
            // Docker refuses a container more processors than there are.
            largest: Amounts::of(cpu.min(f64::from(self.processors)), mem, gpu),
            workers: slots,
        }
    }
}

fn processors(cpuinfo: &str) -> u32 {
    let count = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Reads GiB from the kernel's kB.
fn memory(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(processors("processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\n"), 2);
        assert_eq!(memory("MemTotal:       25165824 kB\nMemFree: 1 kB\n"), Some(24.0));
        assert_eq!(memory("something else\n"), None);
    }

    #[test]
    fn settings_win_over_what_the_machine_has_except_for_one_nodes_processors() {
        let machine = Machine { processors: 2, mem: 16.0, gpu: 0 };
        let mut containers = Settings::default().containers;
        let budget = machine.budget(&containers);
        assert_eq!(budget.whole, Amounts::of(2.0, 14.0, 0));
        assert_eq!(budget.workers, 32);
        (containers.cpu, containers.mem) = (Amount::Of(8.0), Amount::Of(4.0));
        let budget = machine.budget(&containers);
        assert_eq!((budget.whole, budget.largest), (Amounts::of(8.0, 4.0, 0), Amounts::of(2.0, 4.0, 0)));
    }
}

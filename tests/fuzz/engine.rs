//! Feeds a reader with damaged inputs for a while, and says how to see a failure again. Knows no format.
//!
//! What a reader answers (codes of mistakes, the gist of a message) is its *outcome*; an input with an outcome that was not
//! seen before joins those that are damaged further. This leads into corners without instrumented code, so that the stable
//! toolchain is enough.

#![expect(clippy::print_stdout, reason = "what an attack has come to is shown with --nocapture")]

use std::{
    collections::HashSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{meter, random::Random};

/// Without `CONDUCTO_FUZZ_SECONDS`: as long as anybody waits for among other tests.
const DEFAULT_TIME: Duration = Duration::from_secs(2);
/// Longer inputs are cut: the limits of size have tests of their own.
const LONGEST_INPUT: usize = 64 << 10;
/// More inputs than this are not kept to be damaged further.
const LARGEST_CORPUS: usize = 4_096;
/// An input on which a reader works longer hangs it. Machines under test are slow, and readers here are not optimised.
const LONGEST_RUN: Duration = Duration::from_secs(20);

/// A reader under attack.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Inputs to begin with.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Damages the first input; may take parts of the second.
    pub(crate) damage: fn(&mut Random, &[u8], &[u8]) -> Vec<u8>,
    /// Reads an input and returns the outcome; panics where something is wrong.
    pub(crate) read: fn(&[u8]) -> String,
    /// The memory that reading may take: so many bytes, and so many more for each byte of input.
    pub(crate) memory: (usize, usize),
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?.into_string().expect("it is text");
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

/// Where attacks begin without `CONDUCTO_FUZZ_SEED`: everywhere the same, so that a change is judged by what it changed.
/// `make soak` begins anew each time.
const DEFAULT_SEED: u64 = 1;

/// Attacks for `CONDUCTO_FUZZ_SECONDS`, from `CONDUCTO_FUZZ_SEED`; or reads nothing but the file `CONDUCTO_FUZZ_INPUT`.
///
/// # Panics
/// When a reader panics, takes too much memory or too long. The input is left on the disk, under a name that is printed.
pub(crate) fn attack(target: &Target) {
    if let Some(file) = std::env::var_os("CONDUCTO_FUZZ_INPUT") {
        println!("{}: {}", target.name, attempt(target, &fs::read(file).expect("the input is readable")));
        return;
    }
    let seed = number("CONDUCTO_FUZZ_SEED").unwrap_or(DEFAULT_SEED);
    let time = number("CONDUCTO_FUZZ_SECONDS").map_or(DEFAULT_TIME, Duration::from_secs);
    let begin = Instant::now();
    let mut random = Random::new(seed);
    let mut run = Run::new(target, seed);
    for input in &target.seeds {
        run.read(input);
    }
    while begin.elapsed() < time {
        let input = run.next(&mut random);
        run.read(&input);
    }
    run.finish(begin.elapsed());
}

struct Run<'t> {
    target: &'t Target,
    seed: u64,
    /// The input that is being read: it is there when the process is gone.
    file: PathBuf,
    corpus: Vec<Vec<u8>>,
    outcomes: HashSet<String>,
    count: u64,
    most_memory: usize,
    longest: Duration,
}

impl<'t> Run<'t> {
    fn new(target: &'t Target, seed: u64) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        fs::create_dir_all(&folder).expect("the folder of tests can be written");
        let file = folder.join(target.name);
        let (corpus, outcomes) = (target.seeds.clone(), HashSet::new());
        Self { target, seed, file, corpus, outcomes, count: 0, most_memory: 0, longest: Duration::ZERO }
    }

    fn next(&self, random: &mut Random) -> Vec<u8> {
        // What was found last is the most promising.
        let recent = self.corpus.len().saturating_sub(32);
        let at = if random.once_in(3) { recent + random.below(self.corpus.len() - recent) } else { usize::MAX };
        let mut input = match self.corpus.get(at) {
            Some(input) => input.clone(),
            None => self.corpus[random.below(self.corpus.len())].clone(),
        };
        for _ in 0..=random.below(4) {
            let other = &self.corpus[random.below(self.corpus.len())];
            input = (self.target.damage)(random, &input, other);
            input.truncate(LONGEST_INPUT);
        }
        input
    }

    fn read(&mut self, input: &[u8]) {
        fs::write(&self.file, input).expect("the folder of tests can be written");
        let begin = Instant::now();
        let (outcome, memory) = meter::peak(|| catch_unwind(AssertUnwindSafe(|| attempt(self.target, input))));
        let (time, name) = (begin.elapsed(), self.target.name);
        self.count += 1;
        (self.most_memory, self.longest) = (self.most_memory.max(memory), self.longest.max(time));
        let wrong = match &outcome {
            Err(_) => Some("it panicked".to_owned()),
            Ok(_) if time > LONGEST_RUN => Some(format!("it took {time:?}")),
            Ok(_) => None,
        };
        if let Some(wrong) = wrong {
            let (seed, count, file) = (self.seed, self.count, self.file.display());
            panic!(
                "{name}: {wrong}; input {count} of CONDUCTO_FUZZ_SEED={seed}\nsee it again: \
                 CONDUCTO_FUZZ_INPUT={file} cargo test --test fuzz -- --exact --nocapture {name}"
            );
        }
        if self.corpus.len() < LARGEST_CORPUS
            && let Ok(outcome) = outcome
            && self.outcomes.insert(outcome)
        {
            self.corpus.push(input.to_owned());
        }
    }

    fn finish(self, time: Duration) {
        fs::remove_file(&self.file).expect("the folder of tests can be written");
        let rate = self.count as f64 / time.as_secs_f64();
        println!(
            "{}: {} inputs, {rate:.0} a second, {} outcomes; at most {} KiB and {:?} for one; seed {}",
            self.target.name,
            self.count,
            self.outcomes.len(),
            self.most_memory >> 10,
            self.longest,
            self.seed
        );
    }
}

/// Reads one input, within the memory that it may take.
fn attempt(target: &Target, input: &[u8]) -> String {
    let (outcome, memory) = meter::peak(|| (target.read)(input));
    let (base, each) = target.memory;
    let allowed = base + each * input.len();
    assert!(memory <= allowed, "{} bytes of input took {memory} bytes of memory; {allowed} are allowed", input.len());
    outcome
}

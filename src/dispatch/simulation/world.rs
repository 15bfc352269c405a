//! All that there is, and the loop in which it happens.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    agenda::{Agenda, MILLISECOND, Moment, SECOND},
    chaos::{Chaos, Sabotage},
    disk::Disk,
    judge::{Judge, Verdict},
    luck::Luck,
    outside::Outside,
    runtime::Runtime,
    server::{Chore, Server},
    worker::Life,
};
use crate::{
    dispatch::pool::Queue,
    model::{Fence, KillReason, WorkerId},
    worker::protocol::{Message, ToWorker},
};

/// How many lines of what happened are shown with a broken law.
const SHOWN: usize = 60;

/// How long everything may take to end after the last mishap. Longer than any limit of time in any tree.
const PATIENCE: Moment = 3_600 * SECOND;

/// When the first server starts, by its own clock: long after 1970, so that clocks may jump.
const ERA: i64 = 1_700_000_000;

/// Something that happens.
pub(super) enum Due {
    /// The forge delivers a webhook, or does so again.
    Webhook(usize),
    /// Somebody does something to a run.
    Person,
    /// Something goes wrong.
    Mishap,
    /// A server process starts.
    Boot,
    /// The server that had this number goes on with something.
    Chore(u32, Chore),
    /// A worker tries to connect.
    Dial(WorkerId),
    /// A worker's word arrives.
    Up(u64, Up),
    /// A server's word arrives.
    Down(u64, Down),
    /// A command prints, or ends.
    Node(WorkerId, Fence),
    /// A command has heeded the order to stop.
    Heeded(WorkerId, Fence, KillReason),
    /// A worker looks whether it was forgotten.
    Alone(WorkerId),
    /// The runtime makes a container for a server that had this number.
    Create(u32, WorkerId, Queue),
    /// The runtime answers again.
    RuntimeBack,
    /// Nothing goes wrong any more.
    Calm,
    /// The laws are looked after.
    Look,
}

pub(super) enum Up {
    Hello,
    Said(u64, Message),
    Lost,
}

pub(super) enum Down {
    Word(ToWorker),
    Lost,
}

/// A connection: in order in both directions, until it is cut.
pub(super) struct Line {
    pub(super) worker: WorkerId,
    pub(super) is_cut: bool,
    up_to: Moment,
    down_to: Moment,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) luck: Luck,
    pub(super) chaos: Chaos,
    pub(super) agenda: Agenda<Due>,
    pub(super) disk: Disk,
    pub(super) runtime: Runtime,
    pub(super) outside: Outside,
    pub(super) judge: Judge,
    pub(super) lines: BTreeMap<u64, Line>,
    pub(super) is_server_up: bool,
    /// How far the server's clock is off, in seconds.
    pub(super) clock_error: i64,
    pub(super) epochs: u32,
    pub(super) workers_made: u32,
    next_line: u64,
    calm_since: Option<Moment>,
    story: Option<Vec<String>>,
}

/// Runs a seed to its end.
pub(super) fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Moment, Verdict> {
    let told = |is_told: bool| {
        let mut world = World::new(seed, sabotage, is_told);
        let ended = world.go();
        (ended, world.story)
    };
    match told(false) {
        (Ok(at), _) => Ok(at),
        (Err(_), _) => {
            // Everything comes from the seed, so a story can be had afterwards.
            let (again, story) = told(true);
            let story = story.unwrap_or_default();
            let mut verdict = again.expect_err("a seed always ends in the same way");
            verdict.story = story[story.len().saturating_sub(SHOWN)..].join("\n");
            Err(verdict)
        }
    }
}

/// Runs a seed and returns all that happened.
pub(super) fn story(seed: u64) -> Vec<String> {
    let mut world = World::new(seed, None, true);
    world.go().ok();
    world.story.unwrap_or_default()
}

impl World {
    fn new(seed: u64, sabotage: Option<Sabotage>, is_told: bool) -> Self {
        let mut luck = Luck::new(seed);
        let chaos = Chaos::draw(&mut luck, sabotage);
        let outside = Outside::draw(&mut luck);
        let mut world = Self {
            seed,
            luck,
            chaos,
            agenda: Agenda::new(),
            disk: Disk::new(),
            runtime: Runtime::default(),
            outside,
            judge: Judge::new(seed),
            lines: BTreeMap::new(),
            is_server_up: false,
            clock_error: 0,
            epochs: 0,
            workers_made: 0,
            next_line: 0,
            calm_since: None,
            story: is_told.then(Vec::new),
        };
        world.agenda.put(0, Due::Boot);
        for delivery in 0..world.outside.deliveries.len() {
            let at = world.luck.below(8 * SECOND);
            world.agenda.put(at, Due::Webhook(delivery));
        }
        let calm = world.luck.between(5, 30) * SECOND;
        world.agenda.put(calm, Due::Calm);
        world.put_in(SECOND, 4 * SECOND, Due::Person);
        world.put_in(SECOND, 4 * SECOND, Due::Mishap);
        world
    }

    fn go(&mut self) -> Result<Moment, Verdict> {
        let mut server: Option<Server> = None;
        while let Some(due) = self.agenda.next() {
            let is_over = self.step(due, &mut server);
            if let Some(verdict) = self.judge.verdict.take() {
                return Err(verdict);
            }
            if is_over {
                return Ok(self.agenda.now);
            }
        }
        Err(self.judge.verdict("liveness", "nothing happens any more".to_owned()))
    }

    fn step(&mut self, due: Due, server: &mut Option<Server>) -> bool {
        match due {
            Due::Boot => self.boot(server),
            Due::Webhook(delivery) => self.webhook(delivery, server),
            Due::Person => self.person(server),
            Due::Mishap => self.mishap(server),
            Due::Chore(epoch, chore) => {
                if let Some(alive) = server.as_mut().filter(|alive| alive.epoch == epoch)
                    && alive.carry_out(chore, self).is_err()
                {
                    self.die(server);
                }
            }
            Due::Dial(worker) => self.dial(&worker, server.as_ref()),
            Due::Up(line, what) => self.up(line, what, server),
            Due::Down(line, what) => self.down(line, what),
            Due::Node(worker, fence) => self.node(&worker, fence),
            Due::Heeded(worker, fence, reason) => self.heeded(&worker, fence, reason),
            Due::Alone(worker) => self.alone(&worker),
            Due::Create(epoch, worker, queue) => self.create(epoch, worker, queue),
            Due::RuntimeBack => {
                self.note(|| "the runtime answers again".to_owned());
                self.runtime.is_down = false;
            }
            Due::Calm => self.calm(server),
            Due::Look => return self.look(server.as_mut()),
        }
        false
    }

    /// The end of all mishaps. From here on everything must come to its end.
    fn calm(&mut self, server: &mut Option<Server>) {
        self.note(|| "from here on nothing goes wrong".to_owned());
        self.chaos.end();
        self.calm_since = Some(self.agenda.now);
        self.clock_error = 0;
        self.runtime.is_down = false;
        if server.is_none() {
            self.agenda.put(self.agenda.now, Due::Boot);
        }
        self.agenda.put(self.agenda.now + 5 * SECOND, Due::Look);
    }

    fn look(&mut self, server: Option<&mut Server>) -> bool {
        let Some(since) = self.calm_since else { return false };
        let Some(server) = server else {
            self.agenda.put(self.agenda.now + SECOND, Due::Look);
            return false;
        };
        self.wake_sleepers(server);
        if self.is_all_done(server) {
            self.judge_the_end(server);
            return true;
        }
        if self.agenda.now <= since + 5 * SECOND {
            self.judge_now(server);
        }
        if self.agenda.now > since + PATIENCE {
            let left = self.what_is_left(server);
            self.judge.condemn("liveness", left);
            return false;
        }
        self.agenda.put(self.agenda.now + 5 * SECOND, Due::Look);
        false
    }

    /// What the server's clock shows.
    pub(super) fn clock(&self) -> Timestamp {
        let micros = i64::try_from(self.agenda.now).unwrap() + (ERA + self.clock_error) * 1_000_000;
        Timestamp::from_microsecond(micros).unwrap()
    }

    pub(super) fn note(&mut self, words: impl FnOnce() -> String) {
        let now = self.agenda.now;
        if let Some(story) = &mut self.story {
            story.push(format!("{:>11.3} ms  {}", Self::millis(now), words()));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn millis(at: Moment) -> f64 {
        at as f64 / MILLISECOND as f64
    }

    pub(super) fn put_in(&mut self, least: Moment, most: Moment, due: Due) {
        let at = self.agenda.now + self.luck.between(least, most);
        self.agenda.put(at, due);
    }

    /// Opens a connection from a worker to the server.
    pub(super) fn open_line(&mut self, worker: &WorkerId) -> u64 {
        self.next_line += 1;
        let line = Line { worker: worker.clone(), is_cut: false, up_to: 0, down_to: 0 };
        self.lines.insert(self.next_line, line);
        self.next_line
    }

    /// Both ends notice, each in its own time; what was on its way is lost.
    pub(super) fn cut(&mut self, line: u64) {
        if self.lines.get_mut(&line).is_none_or(|line| std::mem::replace(&mut line.is_cut, true)) {
            return;
        }
        self.put_in(0, 200 * MILLISECOND, Due::Up(line, Up::Lost));
        self.put_in(0, 200 * MILLISECOND, Due::Down(line, Down::Lost));
    }

    pub(super) fn send_up(&mut self, line: u64, what: Up) {
        let arrival = self.agenda.now + self.delay();
        let Some(on) = self.lines.get_mut(&line).filter(|on| !on.is_cut) else { return };
        on.up_to = on.up_to.max(arrival);
        self.agenda.put(on.up_to, Due::Up(line, what));
    }

    pub(super) fn send_down(&mut self, line: u64, what: Down) {
        let arrival = self.agenda.now + self.delay();
        let Some(on) = self.lines.get_mut(&line).filter(|on| !on.is_cut) else { return };
        on.down_to = on.down_to.max(arrival);
        self.agenda.put(on.down_to, Due::Down(line, what));
    }

    fn delay(&mut self) -> Moment {
        if self.luck.happens(20) { self.luck.between(1, 300) * MILLISECOND } else { self.luck.below(2 * MILLISECOND) }
    }

    fn up(&mut self, line: u64, what: Up, server: &mut Option<Server>) {
        let Some(on) = self.lines.get(&line) else { return };
        let (worker, is_cut) = (on.worker.clone(), on.is_cut);
        if is_cut && !matches!(what, Up::Lost) {
            return;
        }
        if let Some(alive) = server
            && alive.hear(self, &worker, line, what).is_err()
        {
            self.die(server);
        }
    }

    fn down(&mut self, line: u64, what: Down) {
        let Some(on) = self.lines.get(&line) else { return };
        let (worker, is_cut) = (on.worker.clone(), on.is_cut);
        match what {
            Down::Lost => self.worker_lost_line(&worker, line),
            Down::Word(word) if !is_cut => self.worker_hears(&worker, line, word),
            Down::Word(_) => {}
        }
    }

    fn boot(&mut self, server: &mut Option<Server>) {
        if server.is_some() {
            return;
        }
        self.epochs += 1;
        let epoch = self.epochs;
        self.note(|| format!("server {epoch} starts"));
        self.is_server_up = true;
        match Server::boot(epoch, self) {
            Ok(booted) => *server = Some(booted),
            Err(_) => self.die(server),
        }
    }

    /// The server's process ends: what it had in memory is lost, what it had open is cut.
    pub(super) fn die(&mut self, server: &mut Option<Server>) {
        self.note(|| "the server dies".to_owned());
        *server = None;
        self.is_server_up = false;
        let lines: Vec<u64> = self.lines.keys().copied().collect();
        lines.into_iter().for_each(|line| self.cut(line));
        // Sometimes so late that workers give up.
        let most = if self.luck.happens(100) { 40 * SECOND } else { 3 * SECOND };
        self.put_in(10 * MILLISECOND, most, Due::Boot);
    }

    fn mishap(&mut self, server: &mut Option<Server>) {
        if !self.chaos.is_on() {
            return;
        }
        self.put_in(100 * MILLISECOND, 5 * SECOND, Due::Mishap);
        match self.luck.below(10) {
            0 | 1 if self.chaos.servers_die && server.is_some() => self.die(server),
            2..=4 => {
                let open: Vec<u64> = self.lines.iter().filter(|(_, on)| !on.is_cut).map(|(line, _)| *line).collect();
                if let Some(line) = self.luck.pick(&open) {
                    self.note(|| format!("line {line} is cut"));
                    self.cut(line);
                }
            }
            5 | 6 if self.chaos.containers_die => {
                let ids: Vec<WorkerId> = self.runtime.containers.keys().cloned().collect();
                let Some(id) = self.luck.pick(&ids) else { return };
                let (is_gone, out_of_memory) = (self.luck.happens(300), self.luck.happens(300));
                self.note(|| format!("the container of {id} dies, gone: {is_gone}, memory: {out_of_memory}"));
                self.end_container(&id, Life::Exited { out_of_memory });
                if is_gone {
                    self.runtime.containers.remove(&id);
                }
            }
            7 if self.chaos.runtime_stops && !self.runtime.is_down => {
                self.note(|| "the runtime does not answer".to_owned());
                self.runtime.is_down = true;
                self.put_in(SECOND, 12 * SECOND, Due::RuntimeBack);
            }
            8 if self.chaos.clock_jumps => {
                self.clock_error = i64::try_from(self.luck.below(2_000)).unwrap() - 1_000;
                let error = self.clock_error;
                self.note(|| format!("the server's clock is now {error} s off"));
            }
            _ => {}
        }
    }
}

//! The world outside: the forge that sends webhooks and takes statuses, and what the server does with both.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::Duration,
};

use uuid::Uuid;

use super::{
    agenda::{MILLISECOND, SECOND},
    live::Letter,
    luck::Luck,
    server::{Chore, Died, Server},
    trees,
    world::{Due, World},
};
use crate::{
    dispatch::{
        Options, Reserve, Retention, answer, feedback,
        pool::{Amounts, Budget},
    },
    engine,
    layout::Layout,
    model::{Actor, Effect, Hold, Launch, Milestone, PipelineId, Repository, Trigger, TriggerKind, Trust},
    store::{
        Packed,
        inbox::{self, NewDelivery, Verdict},
        outbox::{self, Claimed, Sent},
        pipelines,
    },
};

/// A webhook.
pub(super) struct Delivery {
    /// How many pipelines it starts.
    launches: usize,
    /// How often it comes again though it was taken.
    repetitions: u64,
    /// Whether the server has said 202.
    pub(super) is_taken: bool,
}

pub(super) struct Outside {
    pub(super) options: Options,
    pub(super) deliveries: Vec<Delivery>,
    /// The last status of each lane that the forge has taken.
    pub(super) statuses: BTreeMap<String, String>,
}

/// Longer than anything that is played here.
const LONG: Duration = Duration::from_secs(1_000_000);

impl Outside {
    pub(super) fn draw(luck: &mut Luck) -> Self {
        let cpu = if luck.happens(500) { 2.0 } else { 4.0 };
        let whole = Amounts::of(cpu, 1_000.0, 0);
        let options = Options {
            layout: Layout::find(Path::new("/nonexistent"), "", ""),
            public_url: "http://conducto".into(),
            owner: String::new(),
            forge_host: "github.com".into(),
            git_url: "https://github.com".into(),
            forge_token: None,
            budget: Budget { whole, largest: whole, workers: 6 },
            pristine: true,
            privileged_repositories: Vec::new(),
            spare: false,
            idle_timeout: Duration::from_secs(2),
            default_image: "busybox".into(),
            slack_channel: None,
            retention: Retention { logs: LONG, data: LONG, sleeping: LONG, mirrors: LONG },
            reserve: Reserve::Bytes(0),
        };
        let deliveries = (0..luck.between(1, 2))
            .map(|_| Delivery {
                launches: if luck.happens(200) { 2 } else { 1 },
                repetitions: luck.below(3),
                is_taken: false,
            })
            .collect();
        Self { options, deliveries, statuses: BTreeMap::new() }
    }

    pub(super) fn launches(&self) -> usize {
        self.deliveries.iter().map(|delivery| delivery.launches).sum()
    }
}

/// What a delivery starts: always the same, however often it is read.
fn launches(seed: u64, number: usize, count: usize) -> Vec<Launch> {
    let mut luck = Luck::new(seed.wrapping_mul(31).wrapping_add(number as u64));
    let digit = u8::try_from(number).unwrap();
    (0..count)
        .map(|section| Launch {
            pipeline: PipelineId::from_random([0, 1, 2, 3, digit, u8::try_from(section).unwrap()]),
            definition: trees::draw(&mut luck),
            title: "simulated".into(),
            section: format!("push.{section}"),
            trigger: trigger(number),
            slack_channel: None,
            trust: Trust::Trusted,
            hold: luck.happens(50).then_some(Hold::Manual),
            most_mem: Some(64.0),
            turn: None,
            secrets: None,
        })
        .collect()
}

fn trigger(number: usize) -> Trigger {
    Trigger {
        host: "github.com".into(),
        repository: Repository { id: 1, full_name: "acme/api".into(), default_branch: None },
        sha: format!("{number:040}"),
        kind: TriggerKind::Push { branch: "main".into(), before: None },
        title: String::new(),
        sender: "kim".into(),
    }
}

impl World {
    pub(super) fn webhook(&mut self, number: usize, server: &mut Option<Server>) {
        let again = |world: &mut Self| world.put_in(SECOND, 5 * SECOND, Due::Webhook(number));
        let Some(alive) = server else { return again(self) };
        match alive.take_webhook(self, number) {
            Err(Died) => {
                again(self);
                self.die(server);
            }
            Ok(false) => again(self),
            Ok(true) => {
                let delivery = &mut self.outside.deliveries[number];
                delivery.is_taken = true;
                if delivery.repetitions > 0 {
                    delivery.repetitions -= 1;
                    again(self);
                }
            }
        }
    }
}

impl Server {
    /// Returns whether the answer is 202.
    fn take_webhook(&mut self, world: &mut World, number: usize) -> Result<bool, Died> {
        let now = world.clock();
        let delivery = NewDelivery {
            guid: number.to_string(),
            event: "push".into(),
            headers: "{}".into(),
            body: Packed::of(number.to_string().as_bytes()).unwrap(),
        };
        let stored = self.write(world, |connection| inbox::put(connection, &delivery, now))?;
        world.note(|| format!("webhook {number} arrives, stored: {stored:?}"));
        if stored == Some(true) {
            self.soon(world, MILLISECOND, Chore::Intake);
        }
        Ok(stored.is_some())
    }

    /// Deals with the next delivery, as `intake` does: all that it leads to in one transaction.
    pub(super) fn intake(&mut self, world: &mut World) -> Result<(), Died> {
        let now = world.clock();
        let due = inbox::due(&world.disk.connection, now, &HashSet::new(), 1).unwrap().pop();
        let Some(waiting) = due else {
            // One that came while the clock was ahead is due when the clock says so.
            let is_waiting = inbox::next_due_at(&world.disk.connection, &HashSet::new()).unwrap().is_some();
            if is_waiting || !world.outside.deliveries.iter().all(|delivery| delivery.is_taken) {
                self.soon(world, 5 * SECOND, Chore::Intake);
            }
            return Ok(());
        };
        let number: usize = std::str::from_utf8(&waiting.body).unwrap().parse().unwrap();
        let born: Vec<_> = launches(world.seed, number, world.outside.deliveries[number].launches)
            .into_iter()
            .map(|launch| engine::launch(launch, now, Actor::Forge { login: "kim".into() }))
            .collect();
        let options = world.outside.options.clone();
        let concluded = self.write(world, |connection| {
            if inbox::claim_trigger(connection, &trigger(number).dedupe_key(), waiting.seq)?.is_some() {
                inbox::conclude(connection, waiting.seq, Verdict::Ignored, "known", "")?;
                return Ok(false);
            }
            for (pipeline, events) in &born {
                let launch = pipeline.launch();
                let name = launch.pipeline.as_str().bytes().fold(0, |name: u128, byte| name << 8 | u128::from(byte));
                pipelines::create(connection, launch, Some(waiting.seq), Uuid::from_u128(name), now)?;
                pipelines::append(connection, &launch.pipeline, events, &answer::projection(pipeline))?;
                let effects = events.iter().flat_map(|recorded| engine::effects(pipeline, recorded));
                let milestone = effects.fold(Milestone::Begun, |latest, effect| match effect {
                    Effect::Report(milestone) => milestone,
                    _ => latest,
                });
                for message in feedback::messages(&options, pipeline, milestone) {
                    outbox::put(connection, &message, now)?;
                }
            }
            inbox::conclude(connection, waiting.seq, Verdict::Done, "", "")?;
            Ok(true)
        })?;
        if concluded == Some(true) {
            self.may_die(world)?;
            for (pipeline, _) in born {
                let id = pipeline.launch().pipeline.clone();
                self.pipelines.insert(id.clone(), pipeline);
                self.post(world, &id, Letter::Resume);
            }
            self.wake_outbox(world);
        }
        self.soon(world, if concluded.is_some() { MILLISECOND } else { 2 * SECOND }, Chore::Intake);
        Ok(())
    }

    pub(super) fn wake_outbox(&mut self, world: &mut World) {
        self.outbox_turn += 1;
        self.soon(world, MILLISECOND, Chore::Outbox(self.outbox_turn));
    }

    pub(super) fn run_outbox(&mut self, world: &mut World, turn: u64) -> Result<(), Died> {
        // What is under way is awaited first.
        if turn != self.outbox_turn || self.in_flight > 0 {
            return Ok(());
        }
        let now = world.clock();
        let is_unsure = self.is_unsure;
        let claimed = self.write(world, |connection| {
            if is_unsure {
                outbox::recover(connection)?;
            }
            outbox::claim(connection, now, 8)
        })?;
        self.is_unsure &= claimed.is_none();
        let Some(claimed) = claimed else {
            self.outbox_turn += 1;
            self.soon(world, 2 * SECOND, Chore::Outbox(self.outbox_turn));
            return Ok(());
        };
        self.in_flight = claimed.len();
        for message in claimed {
            let after = world.luck.below(SECOND);
            self.soon(world, after, Chore::Send(Box::new(message)));
        }
        if self.in_flight == 0
            && let Some(due) = outbox::next_due_at(&world.disk.connection).unwrap()
        {
            let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
            let left = u64::try_from(left.as_micros()).unwrap().clamp(10 * MILLISECOND, 30 * SECOND);
            self.soon(world, left, Chore::Outbox(turn));
        }
        Ok(())
    }

    /// The forge takes a message, or does not, or nobody knows.
    pub(super) fn send_message(&mut self, world: &mut World, message: &Claimed) -> Result<(), Died> {
        let now = world.clock();
        let is_bad = world.chaos.is_on() && world.luck.happens(150);
        let arrives = !is_bad || world.luck.happens(500);
        world.note(|| format!("status of {}: arrives {arrives}, known to arrive {}", message.lane, !is_bad));
        if arrives {
            world.outside.statuses.insert(message.lane.clone(), message.payload.clone());
        }
        self.may_die(world)?;
        let sent = if is_bad {
            let at = now + Duration::from_secs(2 << message.attempts.min(5));
            Sent::Later { at, error: "no answer".into(), counts: true }
        } else {
            Sent::Arrived { remote_id: None, channel: None }
        };
        let settled = self.write(world, |connection| outbox::settle(connection, message, &sent, now))?;
        self.is_unsure |= settled.is_none();
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight == 0 {
            self.wake_outbox(world);
        }
        Ok(())
    }
}

//! Schedules: where they come from, what was missed, and that nothing comes twice.

use conducto::dispatch::view::DeliveryView;
use rusqlite::Connection;

use crate::house::{House, Plan};

const CFG: &str = "[push]\nfilter = \"{branch} == never\"\npipeline = \"ci.toml\"\n\
    [cron.yearly]\nschedule = \"0 0 1 1 *\"\ntimezone = \"Europe/Berlin\"\npipeline = \"ci.toml\"\n";
const SHOW: &str = "[\"/only\"]\nexec = \"echo branch=$CONDUCTO_GIT_BRANCH sha=$CONDUCTO_GIT_SHA\"\n";

/// Midnight of the first of January in Berlin, six hundred weeks and more ago.
const LONG_AGO: i64 = 1_420_066_800_000_000;

fn database(house: &House) -> Connection {
    Connection::open(house.base().join("server/conducto.db")).unwrap()
}

fn schedules(house: &House) -> Vec<(String, String)> {
    let connection = database(house);
    let mut statement = connection.prepare("SELECT section, timezone FROM schedule ORDER BY section").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

async fn fired(house: &House) -> Vec<DeliveryView> {
    let all: Vec<DeliveryView> = house.get("/deliveries").await.unwrap();
    all.into_iter().filter(|delivery| delivery.event == "conducto-cron").collect()
}

#[tokio::test]
async fn a_server_that_was_down_for_many_times_fires_once_and_not_again_at_its_next_start() {
    let mut house = House::build(Plan::default()).await;
    house.push("main", &[("conducto.cfg", CFG), ("ci.toml", SHOW)]).await;
    assert_eq!(schedules(&house), [("cron.yearly".to_owned(), "Europe/Berlin".to_owned())]);
    assert_eq!(fired(&house).await.len(), 0);

    assert!(house.stop().success());
    database(&house).execute("UPDATE schedule SET next_at = ?1", [LONG_AGO]).unwrap();
    // The commit that runs is the tip at the time, whoever has told of it.
    let tip = house.commit("main", &[("more", "x")]);
    house.start().await;
    let delivery = house
        .until("the schedule has fired", async || {
            fired(&house).await.into_iter().find(|delivery| delivery.state != "new")
        })
        .await;
    assert_eq!(delivery.state, "done", "{:?}", delivery.verdict);
    let year = delivery.guid.strip_prefix("cron-4711-cron.yearly-").unwrap();
    assert!(year.ends_with("1231T230000Z") && *year > *"2025", "{year}");
    let id = &delivery.pipelines[0];
    let ended = house.ended(id).await;
    assert_eq!((ended.summary.section.as_str(), ended.summary.state.word()), ("cron.yearly", "done"));
    assert_eq!((ended.summary.sender.as_str(), ended.summary.sha.as_str()), ("cron", tip.as_str()));
    assert_eq!(house.log(id, "/only", "stream=stdout").await.trim(), format!("branch=main sha={tip}"));

    assert!(house.stop().success());
    house.start().await;
    // A delivery that comes after the start is dealt with; what the start itself brings would be there before it.
    house.push("main", &[("more", "y")]).await;
    assert_eq!(fired(&house).await.len(), 1);
    let next: i64 = database(&house).query_row("SELECT next_at FROM schedule", [], |row| row.get(0)).unwrap();
    assert!(next > ended.summary.created_at.as_microsecond(), "the next one is to come");
}

#[tokio::test]
async fn the_default_branch_alone_says_which_schedules_there_are() {
    let house = House::build(Plan::default()).await;
    let sha = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", SHOW)]);
    house.repository.set_reference("refs/heads/topic", &sha).unwrap();
    // The first event ever seen is about another branch: the default branch is looked at all the same.
    house.push("topic", &[("conducto.cfg", &CFG.replace("yearly", "topic"))]).await;
    assert_eq!(schedules(&house).len(), 1);
    assert_eq!(schedules(&house)[0].0, "cron.yearly");
    house.push("main", &[("conducto.cfg", &CFG.replace("yearly", "other"))]).await;
    assert_eq!(schedules(&house)[0].0, "cron.other");
    house.push("main", &[("conducto.cfg", "[cron.other]\nschedule = \"nonsense\"\n")]).await;
    assert_eq!(schedules(&house).len(), 1, "a mistake changes nothing");
    house.push("main", &[("conducto.cfg", "[push]\npipeline = \"ci.toml\"\n")]).await;
    assert_eq!(schedules(&house), []);
}

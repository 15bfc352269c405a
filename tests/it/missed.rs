//! What GitHub could not deliver is found in its own list, once.

use std::time::Duration;

use conducto::standin::Delivery;
use jiff::Timestamp;

use crate::house::{House, PATIENCE, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

#[tokio::test]
async fn forty_deliveries_of_the_hour_in_which_the_server_was_down_are_dealt_with_once() {
    let plan = Plan { is_app: true, github: "writes_per_minute = 600", ..Plan::default() };
    let mut house = House::build(plan).await;
    let (first, _) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")]).await;
    assert_eq!(first.len(), 40);
    house.stop();

    // Half a minute apart, of which the server heard nothing; between them ten that went well before, so that there is a page more.
    let now = conducto::clock::now();
    let mut list: Vec<(Delivery, Timestamp, bool)> = Vec::new();
    let mut missed = Vec::new();
    for number in 0..40_u64 {
        let mark = number.to_string();
        let sha = house.commit("main", &[("mark", &mark)]);
        let delivery = house.push_of("main", None, &sha);
        let at = now - Duration::from_secs(3_500 - number * 80);
        // Some were tried twice, by hand, and failed twice.
        if number % 4 == 0 {
            list.push((delivery.clone(), at + Duration::from_secs(20), false));
        }
        list.push((delivery.clone(), at, false));
        missed.push(delivery);
        for _ in 0..2 {
            let answered = house.push_of("main", None, &first);
            list.push((answered, at + Duration::from_secs(1), true));
        }
    }
    assert!(list.len() > 100, "more than a page");
    house.github.remember(list);
    house.start().await;
    for delivery in &missed {
        let found = house.concluded(&delivery.guid).await;
        assert_eq!((found.pipelines.len(), found.deliveries), (1, 1), "{:?}", found.verdict);
    }
    assert_eq!(house.pipelines().await.len(), 41);

    // The next start looks at the same hour again, and finds nothing new.
    house.stop();
    house.start().await;
    let lists = |github: &conducto::standin::GitHub| {
        github.requests().iter().filter(|request| request.path.starts_with("/app/hook/deliveries?")).count()
    };
    let before = lists(&house.github);
    assert!(house.github.wait_for(PATIENCE, |github| lists(github) >= before.max(4)).await);
    // What comes after it in the inbox is dealt with after it.
    house.push("main", &[("last", "of all")]).await;
    assert_eq!(house.pipelines().await.len(), 42);
}

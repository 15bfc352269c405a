//! What authors get wrong becomes an error status that a person understands.

use crate::house::{House, Plan};

/// Pushes files; returns description of the error status and the rendered diagnostics.
async fn refused(house: &House, branch: &str, files: &[(&str, &str)]) -> (String, String) {
    let sha = house.commit(branch, files);
    let delivery = house.push_of(branch, None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let verdict = house.concluded(&delivery.guid).await;
    assert_eq!((verdict.state.as_str(), verdict.pipelines.len()), ("failed", 0));
    let statuses = house.statuses(&sha, "conducto/push").await;
    let last = statuses.last().unwrap();
    assert_eq!(last.state, "error");
    assert_eq!(last.target_url.as_deref(), Some(format!("{}/app/deliveries/{}", house.url(), delivery.guid).as_str()));
    (last.description.clone(), verdict.diagnostics)
}

#[tokio::test]
async fn four_mistakes_in_conducto_cfg_give_four_diagnostics_with_their_places() {
    let house = House::build(Plan::default()).await;
    let cfg = "[push]\npipeline = \"ci.toml\"\nfiltre = \"{branch} == main\"\n\n[push.release]\nfilter = \"{branch} = main\"\n\
               pipeline = 7\n\n[pull]\npipeline = \"ci.toml\"\n";
    let (description, diagnostics) = refused(&house, "main", &[("conducto.cfg", cfg)]).await;
    assert!(description.starts_with("conducto.cfg:3:1 unknown key `filtre`"), "{description}");
    assert!(description.contains("(+3 more)"), "{description}");
    for place in ["conducto.cfg:3:1", "conducto.cfg:6:", "conducto.cfg:7:", "conducto.cfg:9:"] {
        assert!(diagnostics.contains(place), "{place} in\n{diagnostics}");
    }
    assert_eq!(diagnostics.matches("error[").count(), 4, "{diagnostics}");
}

#[tokio::test]
async fn definitions_that_cannot_be_read_end_in_an_error_status() {
    let house = House::build(Plan::default()).await;
    let cfg = "[push]\npipeline = \"ci.toml\"\n";
    let (missing, _) = refused(&house, "missing", &[("conducto.cfg", cfg)]).await;
    assert_eq!(missing, "conducto.cfg:2:12 the definition file `ci.toml` does not exist in this commit");

    let twice = "[\"/a\"]\nexec = \"true\"\n[\"/a\"]\nexec = \"false\"\n";
    let (duplicate, _) = refused(&house, "twice", &[("conducto.cfg", cfg), ("ci.toml", twice)]).await;
    assert!(duplicate.starts_with("ci.toml:3:"), "{duplicate}");

    let cycle = "[\"/a\"]\ntype = \"serial\"\n[\"/a/../a\"]\nexec = \"true\"\n";
    let (cyclic, _) = refused(&house, "cycle", &[("conducto.cfg", cfg), ("ci.toml", cycle)]).await;
    assert!(cyclic.starts_with("ci.toml:3:"), "{cyclic}");
}

#[tokio::test]
async fn an_unknown_image_ends_in_an_error_status() {
    let house = House::build(Plan::docker()).await;
    let cfg = "[push]\npipeline = \"ci.toml\"\n";
    let pipeline = "image = \"localhost:1/no/such-image:9\"\n[\"/\"]\ntype = \"parallel\"\n\
                    [\"/one\"]\nexec = \"true\"\n[\"/two\"]\nexec = \"true\"\n[\"/three\"]\nexec = \"true\"\n";
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", cfg), ("ci.toml", pipeline)]).await;
    let ended = house.ended(&pipelines[0]).await;
    assert_eq!(ended.summary.ending, Some(conducto::model::Ending::Infrastructure));
    assert!(ended.nodes[1..].iter().all(|node| node.state.word() == "killed"), "{:?}", ended.nodes);
    let statuses = house.statuses(&sha, "conducto/push").await;
    let last = statuses.last().unwrap();
    assert_eq!(last.state, "error");
    assert!(last.description.contains("image `localhost:1/no/such-image:9` cannot be had"), "{}", last.description);
    house.nothing_is_left().await;
}

#[tokio::test]
async fn a_repository_without_conducto_cfg_hears_nothing() {
    let house = House::build(Plan::default()).await;
    let sha = house.commit("main", &[("README", "nothing here")]);
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let verdict = house.concluded(&delivery.guid).await;
    assert_eq!(verdict.state, "ignored");
    assert!(verdict.verdict.unwrap().starts_with("there is no conducto.cfg at the root of commit"));
    assert_eq!(house.github.all_statuses().len(), 0);
}

//! Several at once on one base directory.

use std::{fs, process::Stdio};

use nix::sys::signal::Signal;

use crate::place::{Place, ended, send, until};

/// A node that says that it runs, and goes on when it may.
fn gated(place: &Place, name: &str) -> String {
    let path = place.path(name);
    let path = path.display();
    format!("[\"/gated\"]\nexec = \"echo runs >> {path}.mark; until test -f {path}.gate; do sleep 0.05; done\"\n")
}

fn place() -> Place {
    let place = Place::with(&[("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n")]);
    place.make("other", &[("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n")]);
    place.write("work/tree.toml", &gated(&place, "first"));
    place.write("other/tree.toml", &gated(&place, "second"));
    place
}

#[test]
fn a_second_run_outlives_the_first_and_nothing_runs_twice() {
    let place = place();
    let start = |repository: &str| {
        let mut command = place.conducto(repository, &["run", "--process"]);
        command.stderr(fs::File::create(place.path(&format!("{repository}.log"))).unwrap()).spawn().unwrap()
    };
    let mut first = start("work");
    place.wait_for("first.mark");
    let mut second = start("other");
    place.wait_for("second.mark");
    place.write("first.gate", "");
    assert_eq!(ended(&mut first).code(), Some(0), "{}", place.read("work.log"));
    assert!(second.try_wait().unwrap().is_none(), "{}", place.read("other.log"));
    place.write("second.gate", "");
    assert_eq!(ended(&mut second).code(), Some(0), "{}", place.read("other.log"));
    assert_eq!((place.read("first.mark"), place.read("second.mark")), ("runs\n".into(), "runs\n".into()));
    assert!(!place.path(".conducto/server.json").exists());
}

#[test]
fn beside_a_server_a_run_goes_through_it_and_leaves_it_running() {
    let place = place();
    place.write("second.gate", "");
    let mut server = place
        .conducto("work", &["serve", "--listen", "127.0.0.1:0", "--executor", "process", "--allow-process"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the server serves", || place.path(".conducto/server.json").exists().then_some(()));
    let run = place.conducto("other", &["run"]).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let run = place.conducto("other", &["run", "--docker"]).output().unwrap();
    let words = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{words}");
    assert!(words.contains("nodes run in `process` here, and `docker` is asked for"), "{words}");
    assert!(server.try_wait().unwrap().is_none());
    let list = place.conducto("work", &["list"]).output().unwrap();
    assert!(String::from_utf8(list.stdout).unwrap().contains("local/other"));
    send(&server, Signal::SIGTERM);
    ended(&mut server);
}

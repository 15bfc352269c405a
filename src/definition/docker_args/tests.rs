//! Tests of the options of `docker run`: what is allowed, in every spelling, and what is not, with the reason.

use proptest::prelude::*;
use rstest::rstest;

use super::{BadDockerArg, DockerArg, parse};

fn words(text: &str) -> Vec<String> {
    shlex::split(text).unwrap()
}

fn refused(text: &str) -> Vec<BadDockerArg> {
    parse(&words(text)).unwrap_err()
}

fn env(name: &str, value: &str) -> DockerArg {
    DockerArg::Env { name: name.into(), value: value.into() }
}

#[rstest]
#[case("-e A=1 --env B=2 --env=C=3 -eD=4 -e=E=5", &[env("A", "1"), env("B", "2"), env("C", "3"), env("D", "4"), env("E", "5")])]
#[case("-e 'A=with blank' --env=B=", &[env("A", "with blank"), env("B", "")])]
#[case("--shm-size 64m", &[DockerArg::ShmSize(64 << 20)])]
#[case("--shm-size=1.5GiB --shm-size 12 --shm-size 2kb", &[DockerArg::ShmSize(3 << 29), DockerArg::ShmSize(12), DockerArg::ShmSize(2048)])]
#[case("--ulimit nofile=1024:2048 --ulimit core=-1", &[
    DockerArg::Ulimit { name: "nofile".into(), soft: 1024, hard: 2048 },
    DockerArg::Ulimit { name: "core".into(), soft: -1, hard: -1 },
])]
#[case("--tmpfs /run/x --tmpfs=/cache:size=64m,mode=1777", &[
    DockerArg::Tmpfs { path: "/run/x".into(), options: String::new() },
    DockerArg::Tmpfs { path: "/cache".into(), options: "size=64m,mode=1777".into() },
])]
#[case("--add-host db:10.0.0.7 --add-host six=[::1] --add-host me:host-gateway", &[
    DockerArg::AddHost { host: "db".into(), address: "10.0.0.7".into() },
    DockerArg::AddHost { host: "six".into(), address: "::1".into() },
    DockerArg::AddHost { host: "me".into(), address: "host-gateway".into() },
])]
#[case("-u node --user 1000:1000", &[DockerArg::User("node".into()), DockerArg::User("1000:1000".into())])]
#[case("--init --init=false", &[DockerArg::Init(true), DockerArg::Init(false)])]
#[case("-h box", &[DockerArg::Hostname("box".into())])]
#[case("-l a=b --label c", &[
    DockerArg::Label { name: "a".into(), value: "b".into() },
    DockerArg::Label { name: "c".into(), value: String::new() },
])]
#[case("--dns 10.0.0.53 --dns-search example.org --dns-opt ndots:1", &[
    DockerArg::Dns([10, 0, 0, 53].into()),
    DockerArg::DnsSearch("example.org".into()),
    DockerArg::DnsOption("ndots:1".into()),
])]
#[case("--sysctl net.core.somaxconn=1024", &[
    DockerArg::Sysctl { name: "net.core.somaxconn".into(), value: "1024".into() },
])]
#[case("", &[])]
fn allowed_options_become_data(#[case] text: &str, #[case] expected: &[DockerArg]) {
    assert_eq!(parse(&words(text)).unwrap(), expected);
}

#[rstest]
#[case("--cpus 4", "use the key `cpu`")]
#[case("--memory=1g", "use the key `mem`")]
#[case("-m 1g", "use the key `mem`")]
#[case("--network host", "conducto_network_")]
#[case("--net=host", "conducto_network_")]
#[case("-v /:/host", "/conducto/data")]
#[case("--mount type=bind,src=/,dst=/host", "/conducto/data")]
#[case("--privileged", "leave it out")]
#[case("--cap-add=SYS_ADMIN", "leave it out")]
#[case("--pid host", "leave it out")]
#[case("-it", "leave it out")]
#[case("--ulimits nofile=1", "`--ulimit`")]
#[case("--strange", "the options are `--env`")]
#[case("busybox", "keys of the node")]
#[case("-e A", "`-e LANG=C.UTF-8`")]
#[case("--env", "`--env=LANG=C.UTF-8`")]
#[case("-e CONDUCTO_TOKEN=1", "`-e LANG=C.UTF-8`")]
#[case("--label com.conducto.server=x", "--label=team=web")]
#[case("--sysctl kernel.shmmax=1", "net.core")]
#[case("--tmpfs /conducto/bin", "/cache")]
#[case("--tmpfs /", "/cache")]
#[case("--tmpfs //", "/cache")]
#[case("--tmpfs /a/../conducto", "/cache")]
#[case("--tmpfs /a:suid", "/cache")]
#[case("--shm-size 0", "1g")]
#[case("--shm-size 9999t", "1g")]
#[case("--shm-size lots", "1g")]
#[case("--ulimit nofile=9:1", "4096")]
#[case("--ulimit files=1", "4096")]
#[case("--user ':x'", "1000")]
#[case("--init=maybe", "`--init`")]
#[case("--dns host", "10.0.0.53")]
#[case("--add-host db", "db:10.0.0.7")]
fn everything_else_is_refused_with_a_way_out(#[case] text: &str, #[case] help: &str) {
    let found = refused(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].help.contains(help), "{found:?}");
    assert!(!found[0].reason.is_empty());
}

#[test]
fn every_refused_word_is_named_with_its_place() {
    let found = refused("--init --cpus 4 -e A=1 --privileged --shm-size big");
    assert_eq!(found.iter().map(|bad| bad.at).collect::<Vec<_>>(), [1, 5, 6]);
    assert_eq!(
        found[0].to_string(),
        "`--cpus` cannot be used here: the server deals out the processors of its machine; use the key `cpu`"
    );
}

proptest! {
    #[test]
    fn no_words_make_the_reader_panic(words in prop::collection::vec("(--?[a-z-]{0,8})?(=\\PC{0,6})?|\\PC{0,8}", 0..6)) {
        if let Err(refused) = parse(&words) {
            prop_assert!(!refused.is_empty() && refused.iter().all(|bad| bad.at < words.len()));
        }
    }
}

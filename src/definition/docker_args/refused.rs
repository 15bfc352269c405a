//! Options that `docker run` has and an author may not use here, with the reasons. Knows no list of words.

/// Options with one reason and one way out.
pub(super) struct Refused {
    names: &'static [&'static str],
    pub(super) reason: &'static str,
    pub(super) help: &'static str,
}

const TABLE: &[Refused] = &[
    Refused {
        names: &["--cpus", "--cpu-shares", "--cpu-period", "--cpu-quota", "--cpuset-cpus", "--cpuset-mems", "-c"],
        reason: "the server deals out the processors of its machine",
        help: "use the key `cpu`",
    },
    Refused {
        names: &[
            "--memory",
            "-m",
            "--memory-swap",
            "--memory-reservation",
            "--memory-swappiness",
            "--oom-kill-disable",
        ],
        reason: "the server deals out the memory of its machine",
        help: "use the key `mem`",
    },
    Refused { names: &["--gpus"], reason: "the server deals these out", help: "use the key `gpu`" },
    Refused {
        names: &["--network", "--net", "--network-alias", "--net-alias", "--ip", "--ip6", "--link", "--mac-address"],
        reason: "each pipeline has a network of its own, in which its nodes reach one another",
        help: "leave it out; the network is called `conducto_network_` and the pipeline's id",
    },
    Refused {
        names: &["--publish", "-p", "--publish-all", "-P", "--expose"],
        reason: "nothing of a pipeline is published on the server's machine",
        help: "leave it out; nodes of one pipeline reach one another without",
    },
    Refused {
        names: &["--volume", "-v", "--mount", "--volumes-from", "--volume-driver"],
        reason: "it would show files of the server's machine to the node",
        help: "what nodes share lies in `/conducto/data`; `--tmpfs` makes a folder in memory",
    },
    Refused {
        names: &[
            "--privileged",
            "--cap-add",
            "--device",
            "--device-cgroup-rule",
            "--security-opt",
            "--pid",
            "--ipc",
            "--uts",
            "--userns",
            "--cgroupns",
            "--cgroup-parent",
            "--runtime",
            "--group-add",
        ],
        reason: "it would open the server's machine to the node",
        help: "leave it out; a node that talks to the machine's Docker says `requires_docker = true`",
    },
    Refused {
        names: &[
            "--name",
            "--rm",
            "--detach",
            "-d",
            "--interactive",
            "-i",
            "--tty",
            "-t",
            "--entrypoint",
            "--workdir",
            "-w",
            "--restart",
            "--cidfile",
            "--pull",
            "--read-only",
            "--log-driver",
            "--log-opt",
            "--stop-signal",
            "--stop-timeout",
            "--pids-limit",
            "--health-cmd",
            "--env-file",
            "--label-file",
        ],
        reason: "the server itself decides this for its containers",
        help: "leave it out",
    },
];

/// Finds why an option of `docker run` may not be used.
pub(super) fn find(name: &str) -> Option<&'static Refused> {
    TABLE.iter().find(|refused| refused.names.contains(&name))
}

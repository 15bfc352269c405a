//! One option of `docker run` as data. Knows neither how it is written nor how it is set.

use core::net::IpAddr;

/// One option, ready to be set on a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerArg {
    /// `--env`: a variable of the container; what the node's own `env` says wins over it.
    Env {
        /// Name, never one that begins with `CONDUCTO_`.
        name: String,
        /// Value, may be empty.
        value: String,
    },
    /// `--shm-size`: size of `/dev/shm` in bytes.
    ShmSize(u64),
    /// `--ulimit`: a limit of the container's processes, as in `setrlimit(2)`; -1 is no limit.
    Ulimit {
        /// `nofile`, `core` …
        name: String,
        /// Where the limit stands.
        soft: i64,
        /// How far a process may raise it.
        hard: i64,
    },
    /// `--tmpfs`: a folder in memory.
    Tmpfs {
        /// Absolute path in the container.
        path: String,
        /// Mount options such as `size=64m`; may be empty.
        options: String,
    },
    /// `--add-host`: a line of `/etc/hosts`.
    AddHost {
        /// Name.
        host: String,
        /// Address, or `host-gateway`.
        address: String,
    },
    /// `--user`: name or number, with `:group` or without.
    User(String),
    /// `--init`: whether Docker's own init is the container's first process.
    Init(bool),
    /// `--hostname`.
    Hostname(String),
    /// `--label`.
    Label {
        /// Name, never one of this server's own.
        name: String,
        /// Value, may be empty.
        value: String,
    },
    /// `--dns`: address of a name server.
    Dns(IpAddr),
    /// `--dns-search`: a domain in which names are looked up.
    DnsSearch(String),
    /// `--dns-option`: an option of the resolver.
    DnsOption(String),
    /// `--sysctl`: a kernel parameter of the container's own network.
    Sysctl {
        /// Begins with `net.`.
        name: String,
        /// Value.
        value: String,
    },
}

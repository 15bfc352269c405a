//! Options of `docker run` that an author may use, and what their values look like. Knows no list of words.

use super::{super::pipeline::is_variable, DockerArg};

/// One option.
pub(super) struct Allowed {
    /// The long name, then the others.
    pub(super) names: &'static [&'static str],
    pub(super) takes: Takes,
    /// A value as it may be written.
    pub(super) example: &'static str,
}

/// What follows an option.
pub(super) enum Takes {
    /// Nothing, or `=true` or `=false`.
    Flag(fn(bool) -> DockerArg),
    /// A value. The error says why it cannot be used.
    Value(fn(&str) -> Result<DockerArg, String>),
}

const fn value(
    names: &'static [&'static str],
    read: fn(&str) -> Result<DockerArg, String>,
    example: &'static str,
) -> Allowed {
    Allowed { names, takes: Takes::Value(read), example }
}

pub(super) const ALLOWED: &[Allowed] = &[
    value(&["--env", "-e"], env, "LANG=C.UTF-8"),
    value(&["--shm-size"], shm_size, "1g"),
    value(&["--ulimit"], ulimit, "nofile=4096:8192"),
    value(&["--tmpfs"], tmpfs, "/cache:size=64m"),
    value(&["--add-host"], add_host, "db:10.0.0.7"),
    value(&["--user", "-u"], user, "1000:1000"),
    Allowed { names: &["--init"], takes: Takes::Flag(DockerArg::Init), example: "true" },
    value(&["--hostname", "-h"], hostname, "worker"),
    value(&["--label", "-l"], label, "team=web"),
    value(&["--dns"], dns, "10.0.0.53"),
    value(&["--dns-search"], |domain| word(domain).map(DockerArg::DnsSearch), "example.org"),
    value(&["--dns-option", "--dns-opt"], |option| word(option).map(DockerArg::DnsOption), "ndots:1"),
    value(&["--sysctl"], sysctl, "net.core.somaxconn=1024"),
];

/// Limits that the kernel knows.
const ULIMITS: &[&str] = &[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Options of a folder in memory that concern nobody but the container.
const TMPFS_OPTIONS: &[&str] =
    &["rw", "ro", "exec", "noexec", "nosuid", "nodev", "size", "mode", "uid", "gid", "nr_inodes"];

/// Folders in which the server puts files of its own.
const OWN_FOLDERS: &[&str] = &["/conducto", "/mnt/conducto"];

/// Beginning of the labels by which the server finds its containers.
const OWN_LABELS: &str = "com.conducto.";

/// Beginning of the variables that the server sets.
const OWN_VARIABLES: &str = "CONDUCTO_";

const LARGEST_SHM: f64 = (1_u64 << 40) as f64;

fn pair<'t>(text: &'t str, form: &str) -> Result<(&'t str, &'t str), String> {
    text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| format!("it must be `{form}`"))
}

fn word(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("it must be one word".to_owned());
    }
    Ok(text.to_owned())
}

fn env(text: &str) -> Result<DockerArg, String> {
    let (name, value) = pair(text, "NAME=value")?;
    if !is_variable(name) || name.contains(char::is_whitespace) {
        return Err("this cannot be the name of a variable".to_owned());
    }
    if name.starts_with(OWN_VARIABLES) {
        return Err(format!("variables that begin with `{OWN_VARIABLES}` are set by the server"));
    }
    Ok(DockerArg::Env { name: name.to_owned(), value: value.to_owned() })
}

/// Reads a number of bytes as Docker does: `64m`, `1.5g`, `512kb`.
fn shm_size(text: &str) -> Result<DockerArg, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let number: f64 = lower[..digits].parse().map_err(|_| "it must begin with a number".to_owned())?;
    let exponent = match lower[digits..].trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("the units are b, k, m and g".to_owned()),
    };
    let bytes = number * f64::from(1_u32 << 10).powi(exponent / 10);
    if !(1.0..=LARGEST_SHM).contains(&bytes) {
        return Err("it must be above 0 and at most 1 TiB".to_owned());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it has just been compared with bounds"
    )]
    Ok(DockerArg::ShmSize(bytes as u64))
}

fn ulimit(text: &str) -> Result<DockerArg, String> {
    let (name, limits) = pair(text, "name=soft:hard")?;
    if !ULIMITS.contains(&name) {
        return Err(format!("the limits are {}", ULIMITS.join(", ")));
    }
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= -1);
    let (Some(soft), Some(hard)) = (number(soft), number(hard)) else {
        return Err("a limit is a whole number, or -1 for none".to_owned());
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err("the soft limit is above the hard one".to_owned());
    }
    Ok(DockerArg::Ulimit { name: name.to_owned(), soft, hard })
}

fn tmpfs(text: &str) -> Result<DockerArg, String> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut parts = path.split('/').skip(1).peekable();
    if !path.starts_with('/') || parts.peek() == Some(&"") || parts.any(|part| matches!(part, "." | "..")) {
        return Err("the folder must be an absolute path without `.` and `..`, and not the root".to_owned());
    }
    let is_below =
        |folder: &&str| path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(folder) = OWN_FOLDERS.iter().find(|folder| is_below(folder)) {
        return Err(format!("`{folder}` is the server's"));
    }
    let name = |option: &str| option.split_once('=').map_or(option.to_owned(), |(name, _)| name.to_owned());
    if !options.is_empty() && !options.split(',').all(|option| TMPFS_OPTIONS.contains(&name(option).as_str())) {
        return Err(format!("the options are {}", TMPFS_OPTIONS.join(", ")));
    }
    Ok(DockerArg::Tmpfs { path: path.to_owned(), options: options.to_owned() })
}

fn add_host(text: &str) -> Result<DockerArg, String> {
    let wrong = || "it must be `name:address`".to_owned();
    let (host, address) = text.split_once([':', '=']).ok_or_else(wrong)?;
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    if !is_host(host) || (bare != "host-gateway" && bare.parse::<core::net::IpAddr>().is_err()) {
        return Err(wrong());
    }
    Ok(DockerArg::AddHost { host: host.to_owned(), address: bare.to_owned() })
}

fn user(text: &str) -> Result<DockerArg, String> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let (name, group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
    if is_name(name) && group.is_none_or(is_name) {
        return Ok(DockerArg::User(text.to_owned()));
    }
    Err("it must be a name or number, with `:group` or without".to_owned())
}

fn is_host(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        && !name.starts_with(['-', '.'])
}

fn hostname(text: &str) -> Result<DockerArg, String> {
    if is_host(text) && text.len() <= 63 {
        return Ok(DockerArg::Hostname(text.to_owned()));
    }
    Err("it must be made of at most 63 letters, digits, `-` and `.`".to_owned())
}

fn label(text: &str) -> Result<DockerArg, String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err("it must be `name=value`".to_owned());
    }
    if name.starts_with(OWN_LABELS) {
        return Err(format!("labels that begin with `{OWN_LABELS}` are the server's own"));
    }
    Ok(DockerArg::Label { name: name.to_owned(), value: value.to_owned() })
}

fn dns(text: &str) -> Result<DockerArg, String> {
    text.parse().map(DockerArg::Dns).map_err(|_| "it must be an IP address".to_owned())
}

fn sysctl(text: &str) -> Result<DockerArg, String> {
    let (name, value) = pair(text, "net.name=value")?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !name.starts_with("net.") || !is_name {
        return Err("only parameters that begin with `net.` belong to the container".to_owned());
    }
    Ok(DockerArg::Sysctl { name: name.to_owned(), value: value.to_owned() })
}

//! Every setting there is, as one table: name, kind, default, explanation, and the field it fills. Knows no source of values.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::values::{Amount, Anonymous, ExecutorChoice, LogFormat, Network, Reserve, Settings, Slots};
use crate::model::parse_duration;

/// What the value of a setting looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never shown; `<key>_file` names a file that holds it.
    Secret,
    /// `true` or `false`.
    Switch,
    /// A length of time, as in `90s`.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number, or the word `auto`.
    CountOrAuto,
    /// A number, or the word `auto`.
    AmountOrAuto,
    /// A list of texts; in the environment, with commas between them.
    List,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Name with its section: `github.token`.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Default as TOML; nothing when the setting is unset by default.
    pub default: Option<&'static str>,
    /// What an unset value could be set to, as TOML.
    pub example: &'static str,
    /// Explanation for people.
    pub doc: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

impl Key {
    /// Returns the environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("CONDUCTO_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Returns the section (empty for the top level) and the name in it.
    pub fn split(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }

    /// Reads the value into its field.
    pub(super) fn apply(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        if let Kind::Choice(words) = self.kind
            && !words.contains(&text)
        {
            return Err(format!("expected one of {}", words.join(", ")));
        }
        (self.set)(settings, text)
    }
}

macro_rules! keys {
    ($($name:literal, $kind:expr, $default:expr, $example:literal, $doc:literal, $set:expr;)*) => {
        /// All settings, in the order of `config/conducto.toml`.
        pub const KEYS: &[Key] = &[$(Key { name: $name, kind: $kind, default: $default, example: $example, doc: $doc, set: $set }),*];
    };
}

keys! {
    "listen", Kind::Text, Some("\"127.0.0.1:8080\""), "",
    "Address and port the server listens on. Port 0 lets the system choose.",
    |s, text| put(&mut s.listen, address(text));

    "public_url", Kind::Text, None, "\"https://ci.example.org\"",
    "How people reach this server; commit statuses and messages link to it. Unset: http:// and `listen`.",
    |s, text| put(&mut s.public_url, url(text).map(Some));

    "base_dir", Kind::Text, Some("\"~/.conducto\""), "",
    "The one directory that holds everything: database, logs, data, mirrors. `~` is the home folder.",
    |s, text| put(&mut s.base_dir, path(text));

    "organisation", Kind::Text, Some("\"conducto\""), "",
    "Name of the organisation that this server is; part of the profile id.",
    |s, text| put(&mut s.organisation, filled(text));

    "user", Kind::Text, None, "\"me@example.org\"",
    "Login or e-mail address that owns the profile. Unset: the login the process runs under. Only the first start uses it.",
    |s, text| put(&mut s.user, filled(text));

    "executor", Kind::Choice(&["auto", "docker", "process"]), Some("\"auto\""), "",
    "Where nodes run: \"docker\", \"process\" (plain processes on this machine: NO isolation), or \"auto\" (Docker; processes\nonly with `allow_process`).",
    |s, text| {
        s.executor = match text {
            "docker" => ExecutorChoice::Docker,
            "process" => ExecutorChoice::Process,
            _ => ExecutorChoice::Auto,
        };
        Ok(())
    };

    "allow_process", Kind::Switch, Some("false"), "",
    "Whether `executor = \"auto\"` may fall back to plain processes where there is no Docker.",
    |s, text| put(&mut s.allow_process, switch(text));

    "github.webhook_secret", Kind::Secret, None, "\"…\"",
    "Secret of the webhook, as typed into GitHub. Without it every delivery is refused.\nEach secret can come from a file instead: `webhook_secret_file = \"/run/secrets/webhook\"`.",
    |s, text| put(&mut s.github.webhook_secret, secret(text));

    "github.webhook_secret_previous", Kind::Secret, None, "\"…\"",
    "The secret before it: accepted as well, so that a rotation loses nothing.",
    |s, text| put(&mut s.github.webhook_secret_previous, secret(text));

    "github.token", Kind::Secret, None, "\"…\"",
    "Token for commit statuses and for fetching private repositories.",
    |s, text| put(&mut s.github.token, secret(text));

    "github.api_url", Kind::Text, Some("\"https://api.github.com\""), "",
    "Base address of GitHub's REST API. GitHub Enterprise: https://HOST/api/v3",
    |s, text| put(&mut s.github.api_url, url(text));

    "github.git_url", Kind::Text, Some("\"https://github.com\""), "",
    "Base address for fetches; `/owner/name.git` is added. A folder of bare repositories: file:///srv/git",
    |s, text| put(&mut s.github.git_url, folder_or_url(text));

    "github.host", Kind::Text, Some("\"github.com\""), "",
    "Host name under which repositories are known.",
    |s, text| put(&mut s.github.host, filled(text));

    "secrets.key", Kind::Secret, None, "\"1:…\"",
    "Keys of the secrets of nodes, each a version and 64 hexadecimal digits. Without it they are kept in the file `secret-key` of the base directory.",
    |s, text| put(&mut s.secrets.key, secret(text));

    "slack.bot_token", Kind::Secret, None, "\"xoxb-…\"",
    "Token of a Slack bot with chat:write: one message a pipeline, edited in place.",
    |s, text| put(&mut s.slack.bot_token, secret(text));

    "slack.webhook_url", Kind::Secret, None, "\"https://hooks.slack.com/services/…\"",
    "Incoming webhook, for a workspace without a bot: one message when a pipeline ends.",
    |s, text| put(&mut s.slack.webhook_url, secret(text));

    "slack.api_url", Kind::Text, Some("\"https://slack.com/api\""), "",
    "Base address of Slack's Web API.",
    |s, text| put(&mut s.slack.api_url, url(text));

    "slack.channel", Kind::Text, None, "\"#builds\"",
    "Channel for pipelines whose section of conducto.cfg names none. Unset: those send no message.",
    |s, text| put(&mut s.slack.channel, filled(text).map(Some));

    "containers.network_range", Kind::Text, Some("\"10.213.0.0/16\""), "",
    "Addresses from which each pipeline gets a network of 16. Choose a range your network does not use.",
    |s, text| put(&mut s.containers.network_range, network(text));

    "containers.cpu", Kind::AmountOrAuto, Some("\"auto\""), "",
    "Processors that the workers share: each takes what its nodes ask for (`cpu`, 1 where they do not say). \"auto\": those\nof the machine. More than it has lets more nodes run at once than can be quick.",
    |s, text| put(&mut s.containers.cpu, amount(text));

    "containers.mem", Kind::AmountOrAuto, Some("\"auto\""), "",
    "GiB of memory that the workers share (`mem`, 2 where nodes do not say). \"auto\": that of the machine, less an eighth\nfor everything else.",
    |s, text| put(&mut s.containers.mem, amount(text));

    "containers.gpu", Kind::AmountOrAuto, Some("\"auto\""), "",
    "Graphics processors that the workers share. \"auto\": NVIDIA's of the machine.",
    |s, text| put(&mut s.containers.gpu, amount(text));

    "containers.slots", Kind::CountOrAuto, Some("\"auto\""), "",
    "How many workers may be busy at once, however little each takes: a number, or \"auto\" for sixteen a processor.",
    |s, text| put(&mut s.containers.slots, slots(text));

    "containers.privileged_repositories", Kind::List, Some("[]"), "",
    "Repositories (\"owner/name\") whose nodes may use the machine's own Docker (`requires_docker`) and pass\n`docker_run_args`. Whoever can push to them owns this machine. Never for the code of a fork.",
    |s, text| put(&mut s.containers.privileged_repositories, repositories(text));

    "containers.pristine", Kind::Switch, Some("false"), "",
    "Whether nodes may ask for `isolation = \"pristine\"`. Their workers then get the right to mount (SYS_ADMIN), which they\ntake from the nodes themselves. Never for the code of a fork.",
    |s, text| put(&mut s.containers.pristine, switch(text));

    "containers.spare", Kind::Switch, Some("true"), "",
    "Whether one container is kept ready for the next pipeline, of the kind that was needed last, so that its first node begins\nat once. It is used for one pipeline only, holds none of cpu and mem while it waits, and goes when the server stops.",
    |s, text| put(&mut s.containers.spare, switch(text));

    "containers.idle_timeout", Kind::Duration, Some("\"2s\""), "",
    "How long a worker without work is kept for the next node of its pipeline.",
    |s, text| put(&mut s.containers.idle_timeout, duration(text));

    "containers.docker_socket", Kind::Text, Some("\"/var/run/docker.sock\""), "",
    "Socket of the Docker engine.",
    |s, text| put(&mut s.containers.docker_socket, path(text));

    "containers.default_image", Kind::Text, Some("\"debian:stable-slim\""), "",
    "Image of nodes for which the pipeline names none.",
    |s, text| put(&mut s.containers.default_image, filled(text));

    "git.fetch_timeout", Kind::Duration, Some("\"2m\""), "",
    "Longest time one fetch may take.",
    |s, text| put(&mut s.git.fetch_timeout, duration(text));

    "retention.logs", Kind::Duration, Some("\"30d\""), "",
    "How long logs are kept after the end of their pipeline. States, attempts and definitions are kept for ever.",
    |s, text| put(&mut s.retention.logs, duration(text));

    "retention.data", Kind::Duration, Some("\"30d\""), "",
    "How long pipeline data is kept after the end of the pipeline. User data is never removed.",
    |s, text| put(&mut s.retention.data, duration(text));

    "retention.sleeping", Kind::Duration, Some("\"7d\""), "",
    "How long a sleeping pipeline keeps logs and data.",
    |s, text| put(&mut s.retention.sleeping, duration(text));

    "retention.mirrors", Kind::Duration, Some("\"90d\""), "",
    "How long the mirror of a repository is kept after its last use. The next delivery makes it again.",
    |s, text| put(&mut s.retention.mirrors, duration(text));

    "disk.reserve", Kind::Text, Some("\"1GiB\""), "",
    "How much of the disk under `base_dir` is to stay free, as in \"500MiB\", \"1GiB\" or \"5%\": with less, new nodes wait.",
    |s, text| put(&mut s.disk.reserve, reserve(text));

    "auth.anonymous", Kind::Choice(&["none", "read"]), Some("\"none\""), "",
    "What people without a token may do: \"none\", or \"read\" to look at everything, logs included.",
    |s, text| {
        s.auth.anonymous = if text == "read" { Anonymous::Read } else { Anonymous::None };
        Ok(())
    };

    "log.filter", Kind::Text, Some("\"info\""), "",
    "What the server's own log says: error, warn, info, debug, trace, or directives as in \"info,conducto::git=debug\".",
    |s, text| put(&mut s.log.filter, log_filter(text));

    "log.format", Kind::Choice(&["auto", "text", "json"]), Some("\"auto\""), "",
    "Form of its lines: \"text\", \"json\", or \"auto\" (text on a terminal, JSON elsewhere).",
    |s, text| {
        s.log.format = match text {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => LogFormat::Auto,
        };
        Ok(())
    };
}

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it may not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn secret(text: &str) -> Result<Option<SecretString>, String> {
    if text.is_empty() { Err("it may not be empty".to_owned()) } else { Ok(Some(SecretString::from(text))) }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080".to_owned())
}

fn folder_or_url(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.strip_prefix("file:///").is_some_and(|rest| !rest.is_empty()) {
        Ok(trimmed.to_owned())
    } else {
        url(text)
    }
}

fn url(text: &str) -> Result<String, String> {
    let trimmed = text.trim_end_matches('/');
    let rest = trimmed.strip_prefix("https://").or_else(|| trimmed.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "@?#".contains(c)) => {
            Ok(trimmed.to_owned())
        }
        _ => Err("expected http:// or https:// and a host, without user name, query or fragment".to_owned()),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(filled(text)?);
    if path.is_absolute() || path.starts_with("~") { Ok(path) } else { Err("expected an absolute path".to_owned()) }
}

fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "expected true or false".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn network(text: &str) -> Result<Network, String> {
    let wrong = || "expected an IPv4 range of /8 to /28, as in 10.213.0.0/16".to_owned();
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let network =
        Network { address: address.parse().map_err(|_| wrong())?, prefix: prefix.parse().map_err(|_| wrong())? };
    if !(8..=28).contains(&network.prefix) {
        return Err(wrong());
    }
    if u32::from(network.address) << network.prefix != 0 {
        return Err(format!("`{}` is not the first address of a /{}", network.address, network.prefix));
    }
    Ok(network)
}

fn slots(text: &str) -> Result<Slots, String> {
    match text {
        "auto" => Ok(Slots::Auto),
        _ => text.parse().map(Slots::Count).map_err(|_| "expected a number from 1, or \"auto\"".to_owned()),
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    let wrong = || "expected a number above 0 and at most 100,000, or \"auto\"".to_owned();
    match text {
        "auto" => Ok(Amount::Auto),
        _ => text.parse().ok().filter(|number| (0.0..=100_000.0).contains(number)).map(Amount::Of).ok_or_else(wrong),
    }
}

fn repositories(text: &str) -> Result<Vec<String>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let is_name = |name: &str| {
        let parts: Vec<&str> = name.split('/').collect();
        parts.len() == 2 && parts.iter().all(|part| !part.is_empty() && !part.contains(char::is_whitespace))
    };
    names
        .map(|name| if is_name(name) { Ok(name.to_owned()) } else { Err(format!("expected owner/name, not `{name}`")) })
        .collect()
}

fn reserve(text: &str) -> Result<Reserve, String> {
    let number = |digits: &str| digits.parse::<u32>().ok();
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let bytes = units.iter().find_map(|(unit, shift)| Some(u64::from(number(text.strip_suffix(unit)?)?) << shift));
    let percent = text.strip_suffix('%').and_then(|digits| digits.parse().ok()).filter(|percent| *percent < 100_u8);
    percent.map(Reserve::Percent).or(bytes.map(Reserve::Bytes)).ok_or_else(|| {
        "expected a size with its unit, as in 500MiB or 1GiB, or a share of the disk, as in 5%".to_owned()
    })
}

fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => filled(text),
        Err(error) => Err(format!("not a log filter: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("listen", "localhost", "expected an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080")]
    #[case("executor", "podman", "expected one of auto, docker, process")]
    #[case(
        "public_url",
        "ci.example.org",
        "expected http:// or https:// and a host, without user name, query or fragment"
    )]
    #[case("base_dir", "data", "expected an absolute path")]
    #[case("containers.network_range", "10.213.7.0/16", "`10.213.7.0` is not the first address of a /16")]
    #[case("containers.network_range", "10.0.0.0/30", "expected an IPv4 range of /8 to /28, as in 10.213.0.0/16")]
    #[case("containers.slots", "0", "expected a number from 1, or \"auto\"")]
    #[case(
        "disk.reserve",
        "1000",
        "expected a size with its unit, as in 500MiB or 1GiB, or a share of the disk, as in 5%"
    )]
    #[case("git.fetch_timeout", "30", "`30` has no unit; write for example `30s`, `10m` or `1h30m`")]
    fn wrong_values_say_what_is_expected(#[case] name: &str, #[case] value: &str, #[case] message: &str) {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        assert_eq!(key.apply(&mut Settings::default(), value), Err(message.to_owned()));
    }

    #[test]
    fn no_two_settings_share_an_environment_variable() {
        let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), KEYS.len());
    }

    #[test]
    fn a_reserve_is_a_size_or_a_share() {
        assert_eq!(reserve("500MiB"), Ok(Reserve::Bytes(500 * 1024 * 1024)));
        assert_eq!(reserve("5%"), Ok(Reserve::Percent(5)));
        assert!(reserve("100%").is_err() && reserve("-1GiB").is_err());
    }

    #[test]
    fn addresses_lose_the_slash_at_their_end() {
        assert_eq!(url("https://ci.example.org/sub/"), Ok("https://ci.example.org/sub".to_owned()));
    }
}

//! Sets what an author asks for beyond the usual on a container. Knows no words: they are read and checked elsewhere.

use bollard::models::{ContainerCreateBody, HostConfig, ResourcesUlimits};

use crate::definition::docker_args::DockerArg;

/// Sets them, later ones over earlier ones, as `docker run` does.
pub(super) fn apply(args: &[DockerArg], body: &mut ContainerCreateBody, host: &mut HostConfig) {
    for arg in args.iter().cloned() {
        match arg {
            DockerArg::Env { name, value } => body.env.get_or_insert_default().push(format!("{name}={value}")),
            DockerArg::User(user) => body.user = Some(user),
            DockerArg::Hostname(name) => body.hostname = Some(name),
            DockerArg::Label { name, value } => {
                body.labels.get_or_insert_default().entry(name).or_insert(value);
            }
            // The worker is the container's first process and reaps what the others leave, as Docker's own would.
            DockerArg::Init(_) => {}
            DockerArg::ShmSize(bytes) => host.shm_size = i64::try_from(bytes).ok(),
            DockerArg::Ulimit { name, soft, hard } => {
                let ulimit = ResourcesUlimits { name: Some(name), soft: Some(soft), hard: Some(hard) };
                host.ulimits.get_or_insert_default().push(ulimit);
            }
            DockerArg::Tmpfs { path, options } => {
                host.tmpfs.get_or_insert_default().insert(path, options);
            }
            DockerArg::AddHost { host: name, address } => {
                host.extra_hosts.get_or_insert_default().push(format!("{name}:{address}"));
            }
            DockerArg::Dns(address) => host.dns.get_or_insert_default().push(address.to_string()),
            DockerArg::DnsSearch(domain) => host.dns_search.get_or_insert_default().push(domain),
            DockerArg::DnsOption(option) => host.dns_options.get_or_insert_default().push(option),
            DockerArg::Sysctl { name, value } => {
                host.sysctls.get_or_insert_default().insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::docker_args;

    #[test]
    fn options_are_set_and_what_the_server_set_stays() {
        let words =
            ["-e", "A=b", "--shm-size=64m", "--ulimit", "nofile=10:20", "--add-host=db:10.0.0.7", "-l", "team=web"];
        let words: Vec<String> = words.map(str::to_owned).into();
        let mut body = ContainerCreateBody {
            labels: Some([("team".to_owned(), "ours".to_owned())].into()),
            ..ContainerCreateBody::default()
        };
        let mut host = HostConfig::default();
        apply(&docker_args::parse(&words).unwrap(), &mut body, &mut host);
        assert_eq!(body.env.unwrap(), ["A=b"]);
        assert_eq!(body.labels.unwrap()["team"], "ours");
        assert_eq!(host.shm_size, Some(64 << 20));
        assert_eq!(host.extra_hosts.unwrap(), ["db:10.0.0.7"]);
        let ulimit = ResourcesUlimits { name: Some("nofile".into()), soft: Some(10), hard: Some(20) };
        assert_eq!(host.ulimits.unwrap(), [ulimit]);
    }
}

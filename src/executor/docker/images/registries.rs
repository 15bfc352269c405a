//! Logins of registries, and for whose images they are used. Knows no engine.

use std::collections::{BTreeMap, HashMap};

use bollard::auth::DockerCredentials;
use secrecy::{ExposeSecret as _, SecretString};

use crate::model::Trust;

/// The registry of names that name none.
const HUB: &str = "docker.io";
/// The name under which the engine knows its login.
const HUB_LOGIN: &str = "https://index.docker.io/v1/";

/// The login of one registry.
#[derive(Clone, Debug)]
pub struct Registry {
    /// Host, and port where it has one: `registry.example.org:5000`.
    pub host: String,
    /// User name.
    pub user: String,
    /// Password or token.
    pub password: SecretString,
}

/// What the making of images may use of the server.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Logins, for the code of the repositories themselves only.
    pub registries: Vec<Registry>,
    /// Variables of all containers and builds, for the code of the repositories themselves only: a proxy, a package index.
    pub environment: BTreeMap<String, String>,
    /// Files and folders of the host that all containers see, read-only: host path and path inside.
    pub mounts: Vec<(String, String)>,
}

impl Access {
    /// Returns the login for an image; nothing where its registry wants none.
    pub(super) fn login(&self, reference: &str) -> Option<DockerCredentials> {
        self.registry(reference).map(credentials)
    }

    /// Says, for people, why code of this class may not have this image; nothing when it may.
    ///
    /// An image that was pulled with a login lies on the machine under its plain name, and is still nothing for those without.
    pub(super) fn refusal(&self, reference: &str, trust: Trust) -> Option<String> {
        let registry = self.registry(reference).filter(|_| trust == Trust::Fork)?;
        Some(format!("its registry {} asks for a login, which the code of a fork does not get", registry.host))
    }

    /// Returns all logins in the form that builds take.
    pub(super) fn logins(&self, trust: Trust) -> Option<HashMap<String, DockerCredentials>> {
        let name = |host: &str| if host == HUB { HUB_LOGIN.to_owned() } else { host.to_owned() };
        let all = || self.registries.iter().map(|registry| (name(&registry.host), credentials(registry))).collect();
        (trust == Trust::Trusted && !self.registries.is_empty()).then(all)
    }

    fn registry(&self, reference: &str) -> Option<&Registry> {
        let host = host_of(reference);
        self.registries.iter().find(|registry| registry.host == host)
    }
}

fn credentials(registry: &Registry) -> DockerCredentials {
    DockerCredentials {
        username: Some(registry.user.clone()),
        password: Some(registry.password.expose_secret().to_owned()),
        serveraddress: Some(registry.host.clone()),
        ..DockerCredentials::default()
    }
}

/// Returns the registry of an image as the engine finds it: the first part of its name, if that looks like a host.
fn host_of(reference: &str) -> &str {
    match reference.split_once('/') {
        Some(("index.docker.io", _)) => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("node", "docker.io")]
    #[case("acme/node:1", "docker.io")]
    #[case("docker.io/library/node", "docker.io")]
    #[case("localhost/node", "localhost")]
    #[case("127.0.0.1:5000/a/b@sha256:00", "127.0.0.1:5000")]
    fn the_registry_is_the_first_part_if_that_looks_like_a_host(#[case] reference: &str, #[case] host: &str) {
        assert_eq!(host_of(reference), host);
    }

    #[test]
    fn logins_are_for_the_repositories_own_code_only() {
        let registry = Registry { host: "r.example.org".into(), user: "u".into(), password: "p".to_owned().into() };
        let access = Access { registries: vec![registry], ..Access::default() };
        assert_eq!(access.login("r.example.org/x").unwrap().password.unwrap(), "p");
        assert!(access.login("node").is_none());
        assert!(access.refusal("r.example.org/x", Trust::Fork).unwrap().contains("r.example.org asks for a login"));
        assert_eq!(access.refusal("r.example.org/x", Trust::Trusted), None);
        assert_eq!(access.refusal("node", Trust::Fork), None);
        assert!(access.logins(Trust::Fork).is_none());
        assert!(access.logins(Trust::Trusted).unwrap().contains_key("r.example.org"));
        assert!(!format!("{access:?}").contains("\"p\""), "passwords are not printed");
    }
}

//! Which distribution an image is of, and how that installs packages. Pure.

/// A family of distributions, by its package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Debian, Ubuntu.
    Apt,
    /// Alpine.
    Apk,
    /// CentOS, Red Hat.
    Yum,
    /// Fedora.
    Dnf,
}

impl Flavour {
    /// Reads `/etc/os-release`; the error is what it says of itself.
    pub(super) fn read(release: &str) -> Result<Self, String> {
        let value = |key: &str| {
            let line = release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim_matches(['"', '\'']).to_lowercase())
        };
        let id = value("ID").unwrap_or_default();
        let like = value("ID_LIKE").unwrap_or_default();
        let all = std::iter::once(id.as_str()).chain(like.split_whitespace());
        all.into_iter().find_map(Self::named).ok_or(id)
    }

    fn named(id: &str) -> Option<Self> {
        Some(match id {
            "debian" | "ubuntu" => Self::Apt,
            "alpine" => Self::Apk,
            "centos" | "rhel" => Self::Yum,
            "fedora" => Self::Dnf,
            _ => return None,
        })
    }

    /// Returns the command that installs these packages, each quoted for the shell already.
    pub(super) fn install(self, packages: &str) -> String {
        match self {
            Self::Apt => format!(
                "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y {packages} && rm -rf /var/lib/apt/lists/*"
            ),
            Self::Apk => format!("apk update && apk add --update {packages}"),
            Self::Yum => format!("yum install -y {packages} && yum clean all"),
            Self::Dnf => format!("dnf install -y {packages} && dnf clean all"),
        }
    }

    /// Returns the packages that bring the `docker` command and what it needs to reach others.
    pub(super) fn docker(self) -> &'static str {
        match self {
            Self::Apt => "docker.io openssh-client",
            Self::Apk => "docker-cli openssh-client",
            Self::Yum => "docker openssh-clients",
            Self::Dnf => "moby-engine openssh-clients",
        }
    }

    /// Returns the package that brings pip to the distribution's Python.
    pub(super) fn pip(self) -> &'static str {
        match self {
            Self::Apk => "py3-pip",
            Self::Apt | Self::Yum | Self::Dnf => "python3-pip",
        }
    }

    /// Returns the packages that bring npm.
    pub(super) fn npm(self) -> &'static str {
        match self {
            Self::Apt | Self::Apk => "nodejs npm",
            Self::Yum | Self::Dnf => "npm",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("PRETTY_NAME=\"Debian\"\nID=debian\n", Ok(Flavour::Apt))]
    #[case("ID=ubuntu\nID_LIKE=debian\n", Ok(Flavour::Apt))]
    #[case("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Ok(Flavour::Apt))]
    #[case("ID=alpine\n", Ok(Flavour::Apk))]
    #[case("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\n", Ok(Flavour::Yum))]
    #[case("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Ok(Flavour::Yum))]
    #[case("ID=fedora\n", Ok(Flavour::Dnf))]
    #[case("ID=arch\n", Err("arch".to_owned()))]
    #[case("", Err(String::new()))]
    fn the_flavour_is_what_the_image_says(#[case] release: &str, #[case] expected: Result<Flavour, String>) {
        assert_eq!(Flavour::read(release), expected);
    }
}

//! The Dockerfile that installs packages into an image. Pure: equal needs give equal text.

use std::{collections::BTreeSet, fmt::Write as _};

use super::flavour::Flavour;
use crate::model::{Npm, Recipe};

/// Where npm installs: above the working copy, which is given fresh to every node, so that Node finds it from there.
const NPM: &str = "/mnt";

/// What the text depends on besides the recipe.
pub(super) struct Place<'a> {
    /// The image that is extended.
    pub(super) parent: &'a str,
    /// Its distribution; nothing where none is known.
    pub(super) flavour: Result<Flavour, String>,
    /// Its `USER`; empty for root.
    pub(super) user: &'a str,
    /// Names of the variables that the server gives to builds.
    pub(super) variables: &'a BTreeSet<String>,
    /// Names of the files for npm.
    pub(super) project: &'a [&'a str],
}

/// Writes the Dockerfile.
///
/// # Errors
/// Words for people, when the distribution is not known.
pub(super) fn dockerfile(recipe: &Recipe, place: &Place<'_>) -> Result<String, String> {
    let flavour = *place.flavour.as_ref().map_err(|id| unknown(id))?;
    let mut text = format!("FROM {}\n", place.parent);
    if !place.user.is_empty() {
        text.push_str("USER 0\n");
    }
    for name in place.variables {
        writeln!(text, "ARG {name}").unwrap_or_default();
    }
    let mut run = |command: &str| writeln!(text, "RUN {command}").unwrap_or_default();
    if !recipe.packages.is_empty() {
        run(&flavour.install(&quoted(&recipe.packages)));
    }
    if recipe.docker {
        run(&flavour.install(flavour.docker()));
    }
    if !recipe.pip.is_empty() {
        run(&pip(flavour, &recipe.pip));
    }
    if recipe.npm != Npm::Nothing {
        run(&format!("command -v npm >/dev/null || {{ {}; }}", flavour.install(flavour.npm())));
        let packages = match &recipe.npm {
            Npm::Packages(packages) => format!(" {}", quoted(packages)),
            Npm::Nothing | Npm::Project => String::new(),
        };
        if !place.project.is_empty() {
            writeln!(text, "COPY {} {NPM}/", place.project.join(" ")).unwrap_or_default();
        }
        writeln!(text, "RUN mkdir -p {NPM} && cd {NPM} && npm install --no-audit --no-fund{packages}")
            .unwrap_or_default();
        writeln!(text, "ENV NODE_PATH={NPM}/node_modules PATH=$PATH:{NPM}/node_modules/.bin").unwrap_or_default();
    }
    if !place.user.is_empty() {
        writeln!(text, "USER {}", place.user).unwrap_or_default();
    }
    Ok(text)
}

/// The image's own Python where it has one; pip is brought where it is missing.
fn pip(flavour: Flavour, requirements: &[String]) -> String {
    let bring = flavour.install(&format!("python3 {}", flavour.pip()));
    format!(
        "set -e; python=$(command -v python3 || command -v python || true); \
         if [ -z \"$python\" ]; then {bring}; python=python3; fi; \
         \"$python\" -m pip --version >/dev/null 2>&1 || \"$python\" -m ensurepip >/dev/null 2>&1 || {{ {bring}; }}; \
         PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore \
         \"$python\" -m pip install --no-cache-dir --disable-pip-version-check {}",
        quoted(requirements)
    )
}

/// A dollar means nothing to the builder within single quotes of a RUN, and a backslash at the end of a line cannot come up.
fn quoted(words: &[String]) -> String {
    let quote = |word: &String| shlex::try_quote(word).map(std::borrow::Cow::into_owned).unwrap_or_default();
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn unknown(id: &str) -> String {
    let whose =
        if id.is_empty() { "does not say of which distribution it is".to_owned() } else { format!("is of `{id}`") };
    format!(
        "packages cannot be installed: the image {whose}, and known are Debian, Ubuntu, Alpine, CentOS, Red Hat and Fedora; \
         install them with a Dockerfile"
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            packages: vec!["git".into(), "libfoo=1.2~3".into()],
            docker: true,
            pip: vec!["numpy>=2; python_version > '3'".into(), "six".into()],
            npm: Npm::Packages(vec!["@acme/lint@^1".into()]),
            ..Recipe::default()
        }
    }

    fn place<'a>(flavour: Result<Flavour, String>, variables: &'a BTreeSet<String>) -> Place<'a> {
        Place { parent: "sha256:00", flavour, user: "node", variables, project: &[] }
    }

    #[rstest]
    #[case("apt", Flavour::Apt)]
    #[case("apk", Flavour::Apk)]
    #[case("yum", Flavour::Yum)]
    #[case("dnf", Flavour::Dnf)]
    fn every_flavour_has_its_commands(#[case] name: &str, #[case] flavour: Flavour) {
        let variables = ["HTTPS_PROXY".to_owned()].into();
        insta::assert_snapshot!(
            format!("install-{name}"),
            dockerfile(&recipe(), &place(Ok(flavour), &variables)).unwrap()
        );
    }

    #[test]
    fn root_stays_root_and_a_project_is_copied_before_npm_runs() {
        let project = Recipe { npm: Npm::Project, ..Recipe::default() };
        let none = BTreeSet::new();
        let place =
            Place { user: "", project: &["package.json", "package-lock.json"], ..place(Ok(Flavour::Apk), &none) };
        let text = dockerfile(&project, &place).unwrap();
        assert!(!text.contains("USER"), "{text}");
        let (copied, installed) = (text.find("COPY package.json package-lock.json /mnt/\n"), text.find("npm install"));
        assert!(copied.is_some() && copied < installed, "{text}");
    }

    #[rstest]
    #[case("arch", "is of `arch`")]
    #[case("", "does not say")]
    fn other_distributions_are_an_error_with_a_way_out(#[case] id: &str, #[case] words: &str) {
        let none = BTreeSet::new();
        let error = dockerfile(&recipe(), &place(Err(id.to_owned()), &none)).unwrap_err();
        assert!(error.contains(words) && error.contains("with a Dockerfile"), "{error}");
    }
}

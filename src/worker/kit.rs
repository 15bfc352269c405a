//! What the server gives to nodes beside its own binary: commands, and packages for interpreters. Knows no node.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

/// Where commands are looked for when nobody says, as shells have it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Folder of the Python package.
const PYTHON: &str = "sdk";

type Environment = BTreeMap<OsString, OsString>;

/// The folder with both.
#[derive(Clone, Debug)]
pub(crate) struct Kit(PathBuf);

impl Kit {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Returns our own binary in it.
    pub(crate) fn binary(&self) -> PathBuf {
        self.0.join("conducto")
    }

    /// Shows the way to it. Our commands come first, so that they always meet their own package; a package of the same name
    /// that a node's author has put in its way comes before ours.
    pub(crate) fn show(&self, inherited: &Environment, environment: &mut Environment) {
        let given = |environment: &Environment, name: &str| {
            let found = environment.get(OsStr::new(name)).or_else(|| inherited.get(OsStr::new(name)));
            found.filter(|value| !value.is_empty()).cloned()
        };
        let path = given(environment, "PATH").unwrap_or_else(|| PATH.into());
        let python = given(environment, "PYTHONPATH");
        environment.insert("PATH".into(), joined(self.0.as_os_str(), &path));
        let package = self.package();
        let python = python.map_or_else(|| package.clone().into(), |own| joined(&own, package.as_os_str()));
        environment.insert("PYTHONPATH".into(), python);
    }

    fn package(&self) -> PathBuf {
        Path::new(&self.0).join(PYTHON)
    }
}

fn joined(first: &OsStr, second: &OsStr) -> OsString {
    [first, OsStr::new(":"), second].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_leads_past_what_is_there_already() {
        let collect = |pairs: &[(&str, &str)]| -> Environment {
            pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let kit = Kit::new("/kit".into());
        let shown = |inherited: &[(&str, &str)], own: &[(&str, &str)]| {
            let mut environment = collect(own);
            kit.show(&collect(inherited), &mut environment);
            (environment[OsStr::new("PATH")].clone(), environment[OsStr::new("PYTHONPATH")].clone())
        };
        assert_eq!(shown(&[("PATH", "/bin")], &[]), ("/kit:/bin".into(), "/kit/sdk".into()));
        assert_eq!(shown(&[], &[("PYTHONPATH", "lib")]), (format!("/kit:{PATH}").into(), "lib:/kit/sdk".into()));
        let own = [("PATH", "/opt/bin"), ("PYTHONPATH", "")];
        assert_eq!(shown(&[("PATH", "/bin"), ("PYTHONPATH", "x")], &own), ("/kit:/opt/bin".into(), "/kit/sdk".into()));
    }
}

//! How `docker run` is called for a shell in the place of a node. Starts nothing.

use std::path::Path;

use crate::dispatch::DebugView;

/// Where nodes find their working copy.
const WORK: &str = "/mnt/conducto";
/// Where the node's script lies, ready to be run.
pub(super) const SCRIPT: &str = "/conducto/cmd.sh";
/// The same, under the name that the old product gave it.
const OLD_SCRIPT: &str = "/cmd.conducto";
const ENTER: &str = "/conducto/debug/enter.sh";
const KIT: &str = "/conducto/kit";

/// What lies where on this machine.
pub(super) struct Places<'a> {
    /// The working copy.
    pub(super) work: &'a Path,
    /// Folder with `cmd.sh` and `enter.sh`.
    pub(super) scripts: &'a Path,
    /// Commands and packages for nodes, where there are some.
    pub(super) kit: Option<&'a Path>,
}

/// Returns the arguments of `docker`. The environment's values are not among them: `docker` takes those from its own.
pub(super) fn arguments(view: &DebugView, places: &Places<'_>, name: &str, network: Option<&str>) -> Vec<String> {
    let mount =
        |host: &Path, inside: &str, mode: &str| ["-v".to_owned(), format!("{}:{inside}:{mode}", host.display())];
    let mut arguments: Vec<String> = ["run", "-it", "--rm", "--name", name, "-w", WORK].map(str::to_owned).into();
    arguments.extend(["--cpus".to_owned(), view.cpu.to_string(), "--memory".to_owned(), format!("{}b", view.mem)]);
    arguments.extend(mount(places.work, WORK, "rw"));
    arguments.extend(mount(&view.pipeline_data, "/conducto/data/pipeline", "rw"));
    arguments.extend(mount(&view.user_data, "/conducto/data/user", "rw"));
    arguments.extend(mount(places.scripts, "/conducto/debug", "ro"));
    arguments.extend(mount(&places.scripts.join("cmd.sh"), SCRIPT, "rw"));
    arguments.extend(mount(&places.scripts.join("cmd.sh"), OLD_SCRIPT, "rw"));
    if let Some(kit) = places.kit {
        arguments.extend(mount(kit, KIT, "ro"));
    }
    if view.requires_docker {
        arguments.extend(mount(Path::new("/var/run/docker.sock"), "/var/run/docker.sock", "rw"));
    }
    if let Some(network) = network {
        arguments.extend(["--network".to_owned(), network.to_owned()]);
    }
    arguments.extend(view.docker_run_args.iter().cloned());
    for name in view.env.keys() {
        arguments.extend(["-e".to_owned(), name.clone()]);
    }
    // The image's own entrypoint is for those who start it as a service.
    arguments.extend(["--entrypoint", "/bin/sh", view.image.as_str(), ENTER].map(str::to_owned));
    arguments
}

/// The script of the node, with the shell that runs it.
pub(super) fn script(view: &DebugView) -> String {
    let shell = view.shell.as_deref().unwrap_or("/bin/sh");
    format!("#!{shell}\n{}\n", view.command.trim_end())
}

/// What the container runs: a shell, and after it what makes a copy of the files removable for whoever owns it.
pub(super) fn enter(removes_files: bool) -> String {
    let clean = "rm -rf ./* ./.[!.]* 2>/dev/null\n";
    format!(
        "PATH={KIT}:$PATH\nPYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{KIT}/sdk\nexport PATH PYTHONPATH\n\
         shell=$(command -v bash || echo /bin/sh)\n\"$shell\"\ncode=$?\ncd {WORK} || exit $code\n{}exit $code\n",
        if removes_files { clean } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn view() -> DebugView {
        DebugView {
            executor: "docker".into(),
            image: "python:3.12-slim".into(),
            command: "pytest\n".into(),
            shell: None,
            env: BTreeMap::from([("TOKEN".to_owned(), "secret".to_owned())]),
            files: "/base/run/debug/k/files".into(),
            folder: String::new(),
            pipeline_data: "/base/p/data".into(),
            user_data: "/base/data".into(),
            cpu: 1.5,
            mem: 1 << 30,
            requires_docker: false,
            docker_run_args: vec!["--init".into()],
        }
    }

    #[test]
    fn values_of_variables_are_in_no_list_of_processes() {
        let places = Places { work: Path::new("/work"), scripts: Path::new("/s"), kit: None };
        let arguments = arguments(&view(), &places, "conducto_debug_1", None).join(" ");
        assert_eq!(
            arguments,
            "run -it --rm --name conducto_debug_1 -w /mnt/conducto --cpus 1.5 --memory 1073741824b -v /work:/mnt/conducto:rw \
             -v /base/p/data:/conducto/data/pipeline:rw -v /base/data:/conducto/data/user:rw -v /s:/conducto/debug:ro \
             -v /s/cmd.sh:/conducto/cmd.sh:rw -v /s/cmd.sh:/cmd.conducto:rw --init -e TOKEN --entrypoint /bin/sh \
             python:3.12-slim /conducto/debug/enter.sh"
        );
    }

    #[test]
    fn files_of_a_person_are_never_removed() {
        assert!(enter(true).contains("rm -rf") && !enter(false).contains("rm "));
        assert_eq!(script(&view()), "#!/bin/sh\npytest\n");
    }
}

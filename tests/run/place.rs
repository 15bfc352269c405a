//! A home, a base directory and a repository of a test's own. Knows no test.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// Looked for that often: long enough for the slowest machine, and then the test fails instead of hanging.
const LOOKS: u32 = 6_000;
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Place {
    root: TempDir,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// Makes one whose repository has these files in its only commit.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        place.make("work", files);
        place
    }

    /// Makes a repository.
    pub(crate) fn make(&self, name: &str, files: &[(&str, &str)]) {
        let repository = self.path(name);
        fs::create_dir_all(&repository).unwrap();
        let git = |arguments: &[&str]| {
            let ran =
                Command::new("git").args(arguments).current_dir(&repository).env("HOME", self.root.path()).output();
            let ran = ran.unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        };
        git(&["init", "-q", "-b", "main"]);
        for (path, text) in files {
            self.write(&format!("{name}/{path}"), text);
        }
        git(&["add", "-A"]);
        git(&["-c", "user.name=ada", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "Begin"]);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// A command line in the repository of this name.
    pub(crate) fn conducto(&self, repository: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conducto"));
        command.args(arguments).current_dir(self.path(repository)).env_clear().stdin(Stdio::null());
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        // Tools that lie in the home of whoever runs the tests.
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")] {
            let place = std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from);
            command.envs(Some((name, place)).filter(|(_, place)| place.is_dir()));
        }
        let pairs = [("HOME", self.root.path().to_str().unwrap()), ("USER", "ada"), ("TZ", "UTC"), ("LANG", "C.UTF-8")];
        command.envs(pairs).env("PLACE", self.root.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.conducto("work", arguments).output().unwrap();
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Waits until a file of this place holds something.
    pub(crate) fn wait_for(&self, path: &str) -> String {
        until(&format!("{path} is written"), || Some(self.read(path)).filter(|text| text.ends_with('\n')))
    }
}

/// Waits until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(answer) = ask() {
            return answer;
        }
        pause();
    }
    panic!("waited in vain until {what}");
}

#[expect(clippy::disallowed_methods, reason = "no runtime here")]
pub(crate) fn pause() {
    thread::sleep(PAUSE);
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Waits for the end of a process, but not for ever.
pub(crate) fn ended(child: &mut Child) -> ExitStatus {
    until("the process has ended", || child.try_wait().unwrap())
}

pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Takes out what differs from run to run: ids, times, commits, ports.
pub(crate) fn settled(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let words: Vec<String> = line.split_whitespace().map(|word| settled_word(word).to_owned()).collect();
        let indent = line.len() - line.trim_start().len();
        format!("{}{}", &line[..indent], words.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn settled_word(word: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ".:".contains(c));
    let id = |text: &str| text.len() == 7 && text.as_bytes()[3] == b'-' && text.replace('-', "").len() == 6;
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let number = word.trim_start_matches('≈').trim_end_matches("ms").trim_end_matches('s');
    if number != word && digits(number) {
        "TIME"
    } else if word.contains(':') && digits(word) {
        "CLOCK"
    } else if id(word) && letters(word) {
        "abc-def"
    } else if word.trim_end_matches(',').len() == 7 && word.trim_end_matches(',').chars().all(|c| c.is_ascii_hexdigit())
    {
        "SHA"
    } else {
        word
    }
}

//! A shell in the place of a node that failed, on a pseudo-terminal, in real Docker.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use nix::pty::{Winsize, openpty};
use serde_json::Value;

use crate::place::{Place, until};

const IMAGE: &str = "conducto-test/busybox:2";

fn ensure_image() {
    let is_there = Command::new("docker").args(["image", "inspect", IMAGE]).output();
    if !is_there.expect("these tests need the `docker` command: install Docker").status.success() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/busybox.sh");
        assert!(Command::new(script).status().unwrap().success(), "the image of the tests cannot be made");
    }
}

/// Types lines into a shell, and returns all that it showed.
fn typed(mut command: Command, lines: &[&str]) -> (Option<i32>, String) {
    let size = Winsize { ws_row: 50, ws_col: 150, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = command.env("TERM", "dumb").stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    drop(command);
    drop(pty.slave);
    let (mut master, mut shown, mut buffer) = (File::from(pty.master), Vec::new(), [0; 4096]);
    let (mut lines, mut asked) = (lines.iter(), 0);
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..count]);
        let prompts = String::from_utf8_lossy(&shown).matches("/mnt/conducto # ").count();
        if prompts > asked
            && let Some(line) = lines.next()
        {
            asked = prompts;
            master.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
    }
    let code = until("the shell has ended", || child.try_wait().unwrap()).code();
    (code, String::from_utf8_lossy(&shown).into_owned())
}

fn containers() -> String {
    let filter = ["ps", "-a", "--filter", "name=conducto_debug_", "--format", "{{.ID}} {{.Mounts}}"];
    let listed = Command::new("docker").args(filter).output().unwrap();
    String::from_utf8(listed.stdout).unwrap()
}

#[test]
fn a_node_that_failed_fails_the_same_way_in_the_shell_and_an_edit_mends_it() {
    ensure_image();
    let tree = format!(
        "image = \"{IMAGE}\"\nenv = {{ WANTED = \"mended text\" }}\n[\"/test\"]\nexec = '''\n\
         echo \"wants $WANTED in $CONDUCTO_NODE\"\ngrep \"$WANTED\" file\n'''\n"
    );
    let place = Place::with(&[
        ("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n"),
        ("tree.toml", &tree),
        ("file", "broken\n"),
    ]);
    assert_eq!(place.run(&["run", "--docker", "--ui", "quiet"]).code, Some(1));
    let list: Value = serde_json::from_str(&place.run(&["list", "--json"]).stdout).unwrap();
    let id = list[0]["id"].as_str().unwrap();

    let lines = ["pwd; cat file", "/conducto/cmd.sh; echo code=$?", "echo $CONDUCTO_EXECUTION_ENV", "exit 7"];
    let (code, shown) = typed(place.conducto("work", &["debug", id, "/test"]), &lines);
    assert_eq!(code, Some(7), "{shown}");
    for words in ["/mnt/conducto", "broken", "wants mended text in /test", "code=1", "debug_local"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    place.write("work/file", "mended text\n");
    let lines = ["/conducto/cmd.sh; echo code=$?", "echo from inside >> file", "exit"];
    let (code, shown) = typed(place.conducto("work", &["livedebug", id, "test"]), &lines);
    assert!(code == Some(0) && shown.contains("code=0"), "{shown}");
    assert_eq!(
        place.read("work/file"),
        "mended text\nfrom inside\n",
        "what is edited on either side is edited on both"
    );

    assert!(!containers().contains(place.path("").to_str().unwrap()), "containers go with their shells");
    let left = std::fs::read_dir(place.path(".conducto/run/debug")).unwrap().count();
    assert_eq!(left, 0, "so does what was made for them");
    let ran = place.run(&["debug", id, "/"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("only an Exec node has a command"), "{}", ran.stderr);
    let ran = place.run(&["debug", id, "/test"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("a shell needs a terminal"), "{}", ran.stderr);
}

//! A pseudo-terminal, and what it shows. Knows no test.

use std::{
    fs::File,
    io::Read as _,
    process::{Command, ExitStatus, Stdio},
};

use nix::pty::{Winsize, openpty};

/// What was shown, and what was sent to show it.
pub(crate) struct Shown {
    pub(crate) status: ExitStatus,
    /// What is on the screen in the end, with what has scrolled off it.
    pub(crate) screen: String,
    pub(crate) sent: Vec<u8>,
}

/// Runs a command on a terminal of this size, to its end.
pub(crate) fn on_terminal(mut command: Command, columns: u16, rows: u16) -> Shown {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child =
        command.env("TERM", "xterm-256color").stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    drop(command);
    drop(pty.slave);
    let (mut master, mut sent, mut buffer) = (File::from(pty.master), Vec::new(), [0; 4096]);
    // The end of a terminal is an error on Linux.
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        sent.extend_from_slice(&buffer[..count]);
    }
    let status = child.wait().unwrap();
    // High enough that nothing scrolls off it; whoever draws does not know.
    let mut parser = vt100::Parser::new(1_000, columns, 0);
    parser.process(&sent);
    Shown { status, screen: parser.screen().contents(), sent }
}

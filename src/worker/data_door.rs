//! The socket at which nodes ask for data where they have no folder of it. What they ask goes to the server as it is; whether
//! they may have it, their token says there.

use std::{
    fs::{self, File, Permissions},
    future::pending,
    io,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{net::UnixListener, task::JoinSet, time::sleep};

use super::tunnel;

/// Name of the socket, in the folder for HOME and TMPDIR.
pub(super) const SOCKET: &str = "data.sock";

/// How many may ask at once.
const CROWD: usize = 32;

/// Longest path the kernel takes for a Unix socket, without its final zero.
const LONGEST_ADDRESS: usize = 107;

/// The door; closed where nodes have the folders.
pub(crate) struct DataDoor {
    listener: Option<UnixListener>,
    /// The server's socket.
    hub: PathBuf,
    /// What opens it, once the server has said so.
    resume_key: Option<String>,
    tunnels: JoinSet<()>,
}

impl DataDoor {
    /// Makes a door at which nobody can knock.
    pub(crate) fn closed() -> Self {
        Self { listener: None, hub: PathBuf::new(), resume_key: None, tunnels: JoinSet::new() }
    }

    /// Makes the socket in this folder. Returns its path too.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn open(folder: &Path, hub: PathBuf) -> io::Result<(Self, PathBuf)> {
        let path = folder.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = if path.as_os_str().len() <= LONGEST_ADDRESS {
            UnixListener::bind(&path)?
        } else {
            // By way of an open folder the address becomes short; who dials has to do the same.
            let folder = File::open(folder)?;
            UnixListener::bind(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(SOCKET))?
        };
        // A node may run as another user.
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        Ok((Self { listener: Some(listener), hub, ..Self::closed() }, path))
    }

    /// Learns what opens the server's socket.
    pub(crate) fn learn(&mut self, resume_key: &str) {
        self.resume_key = Some(resume_key.to_owned());
    }

    /// Lets nodes through, for as long as this is waited for. Whoever was let through goes on meanwhile.
    pub(crate) async fn keep(&mut self) {
        loop {
            let accepted = async {
                match &self.listener {
                    Some(listener) => listener.accept().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                accepted = accepted, if self.tunnels.len() < CROWD => match (accepted, &self.resume_key) {
                    (Ok((node, _)), Some(key)) => {
                        let (hub, key) = (self.hub.clone(), key.clone());
                        self.tunnels.spawn(async move { tunnel::dig(node, &hub, key).await });
                    }
                    (Ok(_), None) => tracing::debug!("a node asks before the server has answered"),
                    (Err(error), _) => {
                        tracing::warn!(%error, "a node was not heard");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = self.tunnels.join_next() => {}
            }
        }
    }
}

//! Watches how much room the disk has left, and says so before it is full.

use std::{path::Path, sync::Arc, time::Duration};

use nix::sys::statvfs::statvfs;

use super::{options::Reserve, shared::Shared};

/// The name under which the problem is known; while it stands, no new node is to start.
pub(super) const PROBLEM: &str = "disk";

const LOOK_AGAIN: Duration = Duration::from_secs(10);

const MIB: u64 = 1024 * 1024;

/// Watches until the server stops.
pub(super) async fn watch(shared: Arc<Shared>) {
    loop {
        let (base, reserve) = (shared.options.layout.base(), shared.options.reserve);
        match room(base) {
            Ok((free, all)) => {
                let shortage = shortage(free, all, reserve).map(|words| format!("{}: {words}", base.display()));
                if shortage.is_some() && shared.problem(PROBLEM).is_none() {
                    tracing::warn!(free, "the disk is nearly full; new nodes wait");
                }
                shared.set_problem(PROBLEM, shortage);
            }
            Err(error) => tracing::warn!(error = %error, "the room on the disk is not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Returns how many bytes of a disk are free for us, and how many it has.
fn room(path: &Path) -> nix::Result<(u64, u64)> {
    let about = statvfs(path)?;
    Ok((about.blocks_available() * about.fragment_size(), about.blocks() * about.fragment_size()))
}

fn shortage(free: u64, all: u64, reserve: Reserve) -> Option<String> {
    let wanted = match reserve {
        Reserve::Bytes(bytes) => bytes,
        Reserve::Percent(percent) => all / 100 * u64::from(percent),
    };
    let words = || format!("{} MiB are free on the disk, {} MiB are to stay free", free / MIB, wanted.div_ceil(MIB));
    (free < wanted).then(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_less_than_its_reserve_is_a_problem() {
        assert_eq!(shortage(100 * MIB, 1_000 * MIB, Reserve::Bytes(100 * MIB)), None);
        let words = "99 MiB are free on the disk, 100 MiB are to stay free";
        assert_eq!(shortage(99 * MIB, 1_000 * MIB, Reserve::Bytes(100 * MIB)).as_deref(), Some(words));
        assert_eq!(shortage(99 * MIB, 1_000 * MIB, Reserve::Percent(10)).as_deref(), Some(words));
        let (free, all) = room(Path::new("/")).unwrap();
        assert!(0 < all && free <= all);
    }
}

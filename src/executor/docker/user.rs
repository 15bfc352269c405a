//! Folders that a container's user may write to, when that user is not root: a small archive, unpacked before the start.

/// Folders every worker writes to: the working copy, the script's, and its own.
const FOLDERS: [&str; 3] = ["mnt/conducto/", "conducto/", "conducto/node/"];

const BLOCK: usize = 512;

/// Says whether an image's user is somebody else than root.
pub(super) fn is_other(user: &str) -> bool {
    !matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root")
}

/// Finds user and group number for an image's `USER`, by the container's /etc/passwd where it is a name.
pub(super) fn resolve(user: &str, passwd: &str) -> Option<(u32, u32)> {
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 3 && (fields[0] == name || fields[2] == name));
    let number = |position: usize| entry.as_ref().and_then(|fields| fields[position].parse().ok());
    let uid = number(2).or_else(|| name.parse().ok())?;
    let gid = group.parse().ok().or_else(|| number(3)).unwrap_or(0);
    Some((uid, gid))
}

/// Writes an archive with the folders, owned by the user.
pub(super) fn folders(uid: u32, gid: u32) -> Vec<u8> {
    let mut archive = Vec::new();
    for folder in FOLDERS {
        let mut header = [0_u8; BLOCK];
        let mut field = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        field(0, folder);
        field(100, "0000755");
        field(108, &format!("{uid:07o}"));
        field(116, &format!("{gid:07o}"));
        field(124, "00000000000");
        field(136, "00000000000");
        field(148, "        ");
        field(156, "5");
        field(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// Returns the text of the first file in an archive.
pub(super) fn first_file(archive: &[u8]) -> Option<String> {
    let header = archive.get(..BLOCK)?;
    let digits = std::str::from_utf8(&header[124..135]).ok()?.trim_matches(['\0', ' ']);
    let length = usize::from_str_radix(digits, 8).ok()?;
    Some(String::from_utf8_lossy(archive.get(BLOCK..BLOCK.checked_add(length)?)?).into_owned())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("node", Some((1000, 1001)))]
    #[case("1000", Some((1000, 1001)))]
    #[case("1000:7", Some((1000, 7)))]
    #[case("4242", Some((4242, 0)))]
    #[case("stranger", None)]
    fn users_are_found_as_docker_finds_them(#[case] user: &str, #[case] expected: Option<(u32, u32)>) {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nbroken\n";
        assert_eq!(resolve(user, passwd), expected);
    }

    #[test]
    fn tar_reads_what_we_write() {
        let mut tar = Command::new("tar");
        tar.args(["--numeric-owner", "-tvf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = tar.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&folders(1000, 7)).unwrap();
        let listing = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(listing.matches("drwxr-xr-x 1000/7").count(), 3, "{listing}");
    }

    #[rstest]
    #[case("", false)]
    #[case("root:root", false)]
    #[case("0:0", false)]
    #[case("node", true)]
    fn root_needs_no_folders(#[case] user: &str, #[case] expected: bool) {
        assert_eq!(is_other(user), expected);
    }
}

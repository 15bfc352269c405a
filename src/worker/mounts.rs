//! What is mounted where, as the kernel tells it in `mountinfo`. Mounts nothing.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    id: u32,
    parent: u32,
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
}

/// Reads `/proc/PID/mountinfo`. Lines of an unknown form are left out.
pub(crate) fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(line).collect()
}

/// Returns what is mounted directly on the mount at this place, in the order in which it was mounted.
pub(crate) fn directly_on<'mounts>(mounts: &'mounts [Mount], place: &Path) -> Vec<&'mounts Mount> {
    // Of several mounts at one place the last hides the others.
    let Some(root) = mounts.iter().rfind(|mount| mount.point == place) else { return Vec::new() };
    mounts.iter().filter(|mount| mount.parent == root.id && mount.id != root.id).collect()
}

fn line(line: &str) -> Option<Mount> {
    let (fields, kind) = line.split_once(" - ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let [id, parent, _, _, point, ..] = fields[..] else { return None };
    let kind = kind.split(' ').next()?.to_owned();
    Some(Mount { id: id.parse().ok()?, parent: parent.parse().ok()?, point: unescape(point), kind })
}

/// Blanks and other unusual bytes stand as a backslash and three octal digits.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: &str = "\
72 48 0:39 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/l
73 72 0:42 / /proc rw,nosuid - proc proc rw
74 72 0:43 / /dev rw,nosuid - tmpfs tmpfs rw
75 74 0:44 / /dev/pts rw,nosuid - devpts devpts rw
90 72 254:0 /v /with\\040blank rw - ext4 /dev/vda rw
broken
";

    #[test]
    fn only_what_is_mounted_directly_on_it_is_named() {
        let mounts = parse(CONTAINER);
        let points = |place: &str| {
            directly_on(&mounts, Path::new(place)).iter().map(|mount| mount.point.clone()).collect::<Vec<_>>()
        };
        assert_eq!(points("/"), ["/proc", "/dev", "/with blank"].map(PathBuf::from));
        assert_eq!(points("/dev"), [PathBuf::from("/dev/pts")]);
        assert!(points("/nowhere").is_empty());
        assert_eq!(mounts[4].kind, "ext4");
    }
}

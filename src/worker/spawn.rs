//! How a node's shell becomes a process: as quick as can be, or without the worker's right to mount and, if wanted, in a
//! layer of its own. Knows no nodes; the only place of the worker with unsafe code.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, RawFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::{Child, Command},
};

use nix::{
    libc,
    sched::{CloneFlags, setns, unshare},
    sys::prctl,
    unistd::chdir,
};

/// Bit of the right to mount, and to much else.
const SYS_ADMIN: u32 = 21;

/// `_LINUX_CAPABILITY_VERSION_3`: two words a set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Calls of the 32-bit flavour of x86_64 have this bit.
const FLAVOUR: u32 = 0x4000_0000;

/// Where the kernel shows a filter the number of the call, the architecture, and the first argument.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENT: u32 = 16;

/// What a container without the right to mount is refused by Docker's own filter. That filter is laxer for ours.
const REFUSED: [libc::c_long; 16] = [
    libc::SYS_bpf,
    libc::SYS_fanotify_init,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_quotactl,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
];

/// New namespaces of any kind, as flags of `clone`.
const NAMESPACES: u32 = 0x7E02_0000;

/// Gives up, in the process that becomes the shell, what the worker has and a node may not have.
#[derive(Debug)]
pub(crate) struct Confinement {
    /// The view to enter; open in the worker while this is used.
    view: Option<RawFd>,
    folder: CString,
    filter: Vec<libc::sock_filter>,
}

impl Confinement {
    /// Takes away the right to mount; with a view, also everything that is not seen in it.
    pub(crate) fn new(view: Option<BorrowedFd<'_>>, folder: &Path) -> io::Result<Self> {
        let folder = CString::new(folder.as_os_str().as_bytes())?;
        Ok(Self { view: view.map(|view| view.as_raw_fd()), folder, filter: filter() })
    }

    /// Runs between fork and exec: makes system calls and nothing else.
    #[expect(unsafe_code, reason = "the descriptor is borrowed across the fork")]
    fn enter(&self) -> io::Result<()> {
        if let Some(view) = self.view {
            // SAFETY: the worker holds it open until the process is spawned, and this is a copy of the worker.
            setns(unsafe { BorrowedFd::borrow_raw(view) }, CloneFlags::CLONE_NEWNS)?;
            // Shared memory and message queues that no file system shows.
            unshare(CloneFlags::CLONE_NEWIPC)?;
            chdir(self.folder.as_c_str())?;
        }
        drop_capability()?;
        prctl::set_no_new_privs()?;
        self.install_filter()
    }

    #[expect(unsafe_code, reason = "no safe wrapper knows filters of system calls")]
    fn install_filter(&self) -> io::Result<()> {
        let length = libc::c_ushort::try_from(self.filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let program = libc::sock_fprog { len: length, filter: self.filter.as_ptr().cast_mut() };
        // SAFETY: the kernel copies the program before it returns, and does not write to it.
        ok(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
    }
}

/// Starts a process.
///
/// # Errors
/// When it cannot be started, or not be confined: then nothing of it has run.
#[expect(unsafe_code, reason = "between fork and exec only system calls are allowed")]
pub(crate) fn spawn(mut command: Command, confinement: Option<Confinement>) -> io::Result<Child> {
    let Some(confinement) = confinement else {
        // Without pre_exec, uid or folder the standard library uses posix_spawn: no copy of the page tables.
        return command.spawn();
    };
    // SAFETY: `enter` neither allocates nor takes a lock.
    unsafe { command.pre_exec(move || confinement.enter()) };
    command.spawn()
}

/// Takes the right away from every set, so that no file that is run brings it back.
#[expect(unsafe_code, reason = "no safe wrapper knows capabilities")]
fn drop_capability() -> io::Result<()> {
    let header = [CAPABILITY_VERSION, 0];
    // Twice effective, permitted, inheritable.
    let mut sets = [0_u32; 6];
    // SAFETY: plain numbers; header and sets have the sizes that this version names.
    unsafe {
        ok(libc::prctl(libc::PR_CAPBSET_DROP, SYS_ADMIN, 0, 0, 0))?;
        ok(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_LOWER, SYS_ADMIN, 0, 0))?;
        ok(libc::syscall(libc::SYS_capget, &raw const header, &raw mut sets))?;
        sets[..3].iter_mut().for_each(|set| *set &= !(1 << SYS_ADMIN));
        ok(libc::syscall(libc::SYS_capset, &raw const header, &raw const sets))
    }
}

fn ok(result: impl Into<i64>) -> io::Result<()> {
    if result.into() == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes the filter: what is refused is "not permitted"; what cannot be judged is "not implemented".
fn filter() -> Vec<libc::sock_filter> {
    let refuse = answer(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs());
    let unknown = answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs());
    let allow = answer(libc::SECCOMP_RET_ALLOW);
    let mut filter = vec![load(ARCH), skip_if(libc::BPF_JEQ, ARCHITECTURE), unknown, load(NUMBER)];
    filter.extend([skip_unless(libc::BPF_JGE, FLAVOUR), unknown]);
    // Its arguments lie in memory, where no filter can look; libraries fall back to `clone`.
    filter.extend([skip_unless(libc::BPF_JEQ, number(libc::SYS_clone3)), unknown]);
    for call in REFUSED {
        filter.extend([skip_unless(libc::BPF_JEQ, number(call)), refuse]);
    }
    filter.extend([skip_if(libc::BPF_JEQ, number(libc::SYS_clone)), allow, load(ARGUMENT)]);
    filter.extend([skip_unless(libc::BPF_JSET, NAMESPACES), refuse, allow]);
    filter
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("numbers of calls are small and positive")
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, (0, 0), offset)
}

fn answer(with: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, (0, 0), with)
}

/// Passes over the next instruction where the comparison holds.
fn skip_if(comparison: u32, with: u32) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_K | comparison, (1, 0), with)
}

/// Passes over the next instruction where the comparison does not hold.
fn skip_unless(comparison: u32, with: u32) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_K | comparison, (0, 1), with)
}

fn instruction(code: u32, (jt, jf): (u8, u8), k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).expect("codes have 16 bits"), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// Runs a script without the right to mount; who tests may not have it either, and then only the filter is tested.
    fn confined(script: &str) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = spawn(command, Some(Confinement::new(None, Path::new("/")).unwrap())).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_confined_process_can_neither_mount_nor_get_a_world_where_it_could() {
        let script =
            "for way in -m -i -Um; do unshare $way true && echo $way; done; mount -t tmpfs x /mnt && echo mount";
        assert_eq!(confined(script), "");
    }

    #[test]
    fn the_right_is_gone_from_all_sets_for_good() {
        let status = confined("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(line.trim(), 16).unwrap()
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set) & 1 << SYS_ADMIN, 0, "{set}");
        }
        assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), (1, 2));
    }

    #[test]
    fn whatever_else_a_shell_does_goes_on() {
        assert_eq!(confined("(echo one | cat; sh -c 'echo two') & wait; cd /tmp && pwd"), "one\ntwo\n/tmp\n");
    }
}

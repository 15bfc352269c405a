//! How a node's shell becomes a process: as quick as can be, without the worker's right to mount where it has that, and in a
//! layer of its own if wanted. Knows no nodes; the only place of the worker with unsafe code.
//!
//! The child borrows the worker's memory until it becomes the shell (as `vfork`): copying the page tables of a worker takes
//! longer than everything else that a short node needs. `posix_spawn` does the same, but cannot give up rights on the way.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use nix::{
    errno::Errno,
    libc,
    sched::{CloneFlags, clone, setns, unshare},
    sys::{
        prctl,
        signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask},
        wait::waitpid,
    },
    unistd::{Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, setpgid},
};

use super::{kit::Kit, streams::Streams};

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

/// What a child needs of stack until it becomes the shell; much more than it does.
const STACK: usize = 128 * 1024;

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// An absolute path.
    pub(crate) path: &'a Path,
    pub(crate) arguments: &'a [&'a OsStr],
    /// Besides what the worker has, and in its place.
    pub(crate) environment: BTreeMap<OsString, OsString>,
}

/// Starts processes. All that is the same for all of them is made once.
#[derive(Debug)]
pub(crate) struct Spawner {
    environment: BTreeMap<OsString, OsString>,
    kit: Option<Kit>,
    nothing: File,
    stack: Vec<u8>,
}

impl Spawner {
    /// Takes up the worker's own environment, and what nodes are given.
    ///
    /// # Errors
    /// When there is no /dev/null.
    pub(crate) fn new(kit: Option<Kit>) -> io::Result<Self> {
        let environment = std::env::vars_os().collect();
        Ok(Self { environment, kit, nothing: File::open("/dev/null")?, stack: vec![0; STACK] })
    }

    /// Returns our own binary, as nodes see it.
    ///
    /// # Errors
    /// When it is not known.
    pub(crate) fn binary(&self) -> io::Result<std::path::PathBuf> {
        self.kit.as_ref().map_or_else(std::env::current_exe, |kit| Ok(kit.binary()))
    }

    /// Gives every process a variable.
    pub(crate) fn give(&mut self, name: &str, value: OsString) {
        self.environment.insert(name.into(), value);
    }

    /// Starts a process, the first of a group of its own, in the folder of the worker or in that of its confinement.
    ///
    /// # Errors
    /// When it cannot be started, or not be confined: then nothing of it has run.
    pub(crate) fn spawn(
        &mut self,
        mut program: Program<'_>,
        streams: &Streams,
        confinement: Option<&Confinement>,
    ) -> io::Result<Pid> {
        if let Some(kit) = &self.kit {
            kit.show(&self.environment, &mut program.environment);
        }
        let path = CString::new(program.path.as_os_str().as_bytes())?;
        let rest = program.arguments.iter().map(|argument| CString::new(argument.as_bytes()));
        let arguments: Vec<CString> = std::iter::once(Ok(path.clone())).chain(rest).collect::<Result<_, _>>()?;
        let inherited = self.environment.iter().filter(|(name, _)| !program.environment.contains_key(*name));
        let pair =
            |(name, value): (&OsString, &OsString)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat());
        let environment: Vec<CString> = inherited.chain(&program.environment).map(pair).collect::<Result<_, _>>()?;
        let [out, err] = streams.writing_ends().ok_or(io::ErrorKind::BrokenPipe)?;
        let ends = [self.nothing.as_fd(), out, err];
        let image = Image { path, arguments: pointers(&arguments), environment: pointers(&environment), ends };
        image.start(&mut self.stack, confinement)
    }
}

/// The list that the kernel takes; good for as long as the strings are.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// All that becomes a process, made beforehand: between fork and exec nothing may be allocated.
struct Image<'a> {
    path: CString,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    /// Standard input, output and error.
    ends: [BorrowedFd<'a>; 3],
}

impl Image<'_> {
    #[expect(unsafe_code, reason = "the child runs in the memory of the worker until it becomes another program")]
    fn start(&self, stack: &mut [u8], confinement: Option<&Confinement>) -> io::Result<Pid> {
        let failure = AtomicI32::new(0);
        let child = Box::new(|| {
            let Err(error) = self.become_it(confinement);
            failure.store(error.raw_os_error().unwrap_or(libc::EIO), Ordering::Relaxed);
            127
        });
        // A signal that came in between would be handled by the child, in our memory.
        let own = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        // SAFETY: this thread waits until the child is another program or is gone, and so does all that is borrowed. The child
        // has a stack of its own, makes system calls and nothing else.
        let cloned =
            unsafe { clone(child, stack, CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK, Some(libc::SIGCHLD)) };
        own.thread_set_mask()?;
        let pid = cloned?;
        match failure.load(Ordering::Relaxed) {
            0 => Ok(pid),
            error => {
                waitpid(pid, None).ok();
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }

    /// Turns the child into the program; comes back only when that fails.
    #[expect(unsafe_code, reason = "no safe wrapper takes lists that were made before")]
    fn become_it(&self, confinement: Option<&Confinement>) -> Result<std::convert::Infallible, io::Error> {
        let [stdin, stdout, stderr] = self.ends;
        dup2_stdin(stdin)?;
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        if let Some(confinement) = confinement {
            confinement.enter()?;
        }
        // SAFETY: nothing is called when it comes. Rust ignores this signal; other programs expect to be ended by it.
        unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        // SAFETY: the lists end with a null, and the strings outlive this call.
        unsafe { libc::execve(self.path.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr()) };
        Err(Errno::last().into())
    }
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
    use super::{super::streams::Pipe, *};

    async fn read(pipe: &mut Pipe) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match pipe.read(&mut buffer).await {
                0 => return String::from_utf8(text).unwrap(),
                length => text.extend_from_slice(&buffer[..length]),
            }
        }
    }

    #[tokio::main(flavor = "current_thread")]
    async fn run(path: &str, script: &str, confinement: Option<&Confinement>) -> io::Result<(String, String)> {
        let environment = BTreeMap::from([("COLOUR".into(), "deep blue".into())]);
        let arguments = [OsStr::new("-c"), OsStr::new(script)];
        let program = Program { path: Path::new(path), arguments: &arguments, environment };
        let mut streams = Streams::open()?;
        let pid = Spawner::new(None)?.spawn(program, &streams, confinement)?;
        streams.let_go();
        let said = (read(&mut streams.stdout).await, read(&mut streams.stderr).await);
        waitpid(pid, None).unwrap();
        Ok(said)
    }

    /// Runs a script without the right to mount; who tests may not have it either, and then only the filter is tested.
    fn confined(script: &str) -> String {
        run("/bin/sh", script, Some(&Confinement::new(None, Path::new("/")).unwrap())).unwrap().0
    }

    #[test]
    fn a_process_has_its_pipes_its_environment_and_a_group_of_its_own() {
        let script =
            "echo $COLOUR $PATH; echo $$ >&2; cut -d' ' -f5 /proc/$$/stat >&2; cat; grep Sig[BI] /proc/self/status";
        let (out, err) = run("/bin/sh", script, None).unwrap();
        let (first, signals) = out.split_once('\n').unwrap();
        assert_eq!(first, format!("deep blue {}", std::env::var_os("PATH").unwrap().display()));
        let signals: Vec<u64> =
            signals.lines().filter_map(|line| u64::from_str_radix(line.rsplit('\t').next()?, 16).ok()).collect();
        let broken_pipe = 1 << (Signal::SIGPIPE as i32 - 1);
        assert!(signals.len() == 2 && signals[0] == 0 && signals[1] & broken_pipe == 0, "{out}");
        let ids: Vec<&str> = err.lines().collect();
        assert!(ids.len() == 2 && ids[0] == ids[1], "{err}");
    }

    #[test]
    fn what_cannot_be_started_is_an_error_and_leaves_no_process() {
        for (path, kind) in [("/nonexistent", io::ErrorKind::NotFound), ("/etc", io::ErrorKind::PermissionDenied)] {
            assert_eq!(run(path, "true", None).unwrap_err().kind(), kind);
        }
        let lost = Confinement::new(Some(File::open("/dev/null").unwrap().as_fd()), Path::new("/")).unwrap();
        assert!(run("/bin/sh", "true", Some(&lost)).is_err(), "no view can be entered there");
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

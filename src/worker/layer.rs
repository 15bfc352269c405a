//! Throw-away layers: a view of the container in which whatever a node changes goes into folders of its own. Knows no
//! nodes; whether one has left anything is told by what lies in those folders.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    thread,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::{
    mounts::{self, Mount},
    tree::remove,
};

/// What Docker gives to /dev/shm.
const SHARED_MEMORY: &str = "mode=1777,size=65536k";

const MEND: &str = "run Docker with the overlay2 driver on Linux 5 or newer, or give up `isolation = \"pristine\"`";

/// Where layers are made, and what is seen through all of them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// On a file system that can take the changes of an overlay. No node sees it.
    pub(crate) layers: PathBuf,
    /// The worker's own files: seen, but not changed.
    pub(crate) house: PathBuf,
    /// The node's own files: changed, and cleaned up by others.
    pub(crate) open: Vec<PathBuf>,
}

/// The maker of layers, with the one that is ready.
#[derive(Debug)]
pub(crate) struct Layers {
    places: Places,
    number: u64,
    ready: Option<Layer>,
}

impl Layers {
    /// Makes nothing yet.
    pub(crate) fn new(places: Places) -> Self {
        Self { places, number: 0, ready: None }
    }

    /// Says whether there is a layer in which nothing was changed.
    pub(crate) fn is_untouched(&self) -> bool {
        self.ready.as_ref().is_some_and(Layer::is_untouched)
    }

    /// Makes a fresh layer, unless the one before is as good as new.
    ///
    /// # Errors
    /// When the kernel refuses; with words on how to mend it.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        if self.is_untouched() {
            return Ok(());
        }
        self.dissolve()?;
        self.number += 1;
        let folder = self.places.layers.join(self.number.to_string());
        let made = Layer::make(folder, self.places.clone());
        self.ready = Some(made.map_err(|error| {
            io::Error::new(error.kind(), format!("the kernel refused a layer for the node alone: {error}; {MEND}"))
        })?);
        Ok(())
    }

    /// Returns the view that a node enters.
    pub(crate) fn view(&self) -> Option<BorrowedFd<'_>> {
        self.ready.as_ref().map(|layer| layer.view.as_fd())
    }

    /// Removes what was made.
    ///
    /// # Errors
    /// When something resists.
    pub(crate) fn dissolve(&mut self) -> io::Result<()> {
        // The view goes first: with it the kernel lets go of the folder.
        match self.ready.take().map(|layer| layer.folder) {
            Some(folder) => remove(&folder),
            None => Ok(()),
        }
    }
}

/// How something of a layer looks as long as nobody has touched it.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    mode: u32,
    owner: (u32, u32),
    changed: (i64, i64),
}

impl Look {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let (owner, changed) = ((metadata.uid(), metadata.gid()), (metadata.ctime(), metadata.ctime_nsec()));
        Ok(Self { mode: metadata.mode(), owner, changed })
    }
}

/// A folder that takes changes; empty as long as there are none.
#[derive(Debug)]
struct Taker {
    path: PathBuf,
    look: Look,
}

impl Taker {
    fn is_untouched(&self) -> bool {
        Look::of(&self.path).is_ok_and(|look| look == self.look)
            && fs::read_dir(&self.path).is_ok_and(|mut entries| entries.next().is_none())
    }
}

/// The copy of a single file that is mounted by itself, such as /etc/hosts.
#[derive(Debug)]
struct Copy {
    path: PathBuf,
    original: PathBuf,
    look: Look,
}

impl Copy {
    fn is_untouched(&self) -> bool {
        // A change within one step of the kernel's clock shows in the contents only.
        let contents = || (fs::read(&self.path), fs::read(&self.original));
        Look::of(&self.path).is_ok_and(|look| look == self.look)
            && matches!(contents(), (Ok(copy), Ok(original)) if copy == original)
    }
}

#[derive(Debug)]
struct Layer {
    /// The mount namespace; it lasts as long as somebody holds this.
    view: File,
    folder: PathBuf,
    takers: Vec<Taker>,
    copies: Vec<Copy>,
    /// Keeps folders within reach that only the view has.
    _reach: Vec<File>,
}

impl Layer {
    fn make(folder: PathBuf, places: Places) -> io::Result<Self> {
        remove(&folder)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // A mount namespace begins with a thread, and outlives it: no other thread of ours ever sees what is mounted.
        let build = move || Builder::new(folder, places)?.build();
        let thread = thread::Builder::new().name("layer".into()).spawn(build)?;
        thread.join().map_err(|_| io::Error::other("the thread that makes layers ended badly"))?
    }

    fn is_untouched(&self) -> bool {
        self.takers.iter().all(Taker::is_untouched) && self.copies.iter().all(Copy::is_untouched)
    }
}

/// Mounts a layer's view, in a thread of its own.
struct Builder {
    places: Places,
    root: PathBuf,
    layer: Layer,
}

impl Builder {
    fn new(folder: PathBuf, places: Places) -> io::Result<Self> {
        unshare(CloneFlags::CLONE_NEWNS).map_err(|error| told("a view of its own", error))?;
        let view = File::open("/proc/thread-self/ns/mnt")?;
        // What is mounted here shall be seen nowhere else.
        attach(None, Path::new("/"), MsFlags::MS_REC | MsFlags::MS_PRIVATE)?;
        let root = folder.join("root");
        fs::create_dir(&root)?;
        let layer = Layer { view, folder, takers: Vec::new(), copies: Vec::new(), _reach: Vec::new() };
        Ok(Self { places, root, layer })
    }

    fn build(mut self) -> io::Result<Layer> {
        let mounts = mounts::parse(&fs::read_to_string("/proc/thread-self/mountinfo")?);
        self.cover(Path::new("/"))?;
        self.show(&self.places.house, MsFlags::empty())?;
        self.seal(&self.places.house)?;
        for place in &self.places.open {
            self.show(place, MsFlags::empty())?;
        }
        for mount in mounts::directly_on(&mounts, Path::new("/")) {
            self.carry_over(mount, &mounts)?;
        }
        // The whole view becomes what is seen at the root by whoever enters it.
        attach(Some(&self.root), Path::new("/"), MsFlags::MS_MOVE)?;
        Ok(self.layer)
    }

    fn carry_over(&mut self, mount: &Mount, mounts: &[Mount]) -> io::Result<()> {
        let point = mount.point.as_path();
        let is_ours =
            point.starts_with(&self.places.house) || self.places.open.iter().any(|open| point.starts_with(open));
        if point == self.places.layers {
            Ok(())
        } else if is_ours || matches!(mount.kind.as_str(), "proc" | "sysfs") {
            self.show(point, MsFlags::MS_REC)
        } else if point == Path::new("/dev") {
            self.devices(mounts)
        } else if fs::metadata(point)?.is_file() {
            self.copy(point)
        } else {
            self.cover(point)
        }
    }

    /// Devices are the container's own; that no others come, and that shared memory is fresh, is all there is to do.
    fn devices(&mut self, mounts: &[Mount]) -> io::Result<()> {
        let devices = Path::new("/dev");
        self.show(devices, MsFlags::empty())?;
        for mount in mounts::directly_on(mounts, devices) {
            if mount.kind != "tmpfs" {
                self.show(&mount.point, MsFlags::MS_REC)?;
                continue;
            }
            let target = self.inside(&mount.point);
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            let mounted = nix::mount::mount(Some("shm"), &target, Some("tmpfs"), flags, Some(SHARED_MEMORY));
            mounted.map_err(|error| told(&format!("tmpfs on {}", mount.point.display()), error))?;
            let folder = File::open(&target)?;
            let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            self.layer.takers.push(Taker { look: Look::of(&path)?, path });
            self.layer._reach.push(folder);
        }
        self.seal(devices)
    }

    /// Shows a folder with a fresh layer over it.
    fn cover(&mut self, place: &Path) -> io::Result<()> {
        let number = self.layer.takers.len();
        let [upper, work] = ["upper", "work"].map(|name| self.layer.folder.join(format!("{name}{number}")));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        let original = fs::metadata(place)?;
        fs::set_permissions(&upper, original.permissions())?;
        std::os::unix::fs::chown(&upper, Some(original.uid()), Some(original.gid()))?;
        let options = format!("lowerdir={},upperdir={},workdir={}", escaped(place), escaped(&upper), escaped(&work));
        mount(Some("layer"), &self.inside(place), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .map_err(|error| told(&format!("an overlay over {}", place.display()), error))?;
        self.layer.takers.push(Taker { look: Look::of(&upper)?, path: upper });
        Ok(())
    }

    /// Shows a copy of a file.
    fn copy(&mut self, original: &Path) -> io::Result<()> {
        let path = self.layer.folder.join(format!("file{}", self.layer.copies.len()));
        fs::copy(original, &path)?;
        attach(Some(&path), &self.inside(original), MsFlags::MS_BIND)?;
        self.layer.copies.push(Copy { look: Look::of(&path)?, path, original: original.to_owned() });
        Ok(())
    }

    /// Shows a file or folder as it is.
    fn show(&self, place: &Path, flags: MsFlags) -> io::Result<()> {
        attach(Some(place), &self.inside(place), MsFlags::MS_BIND | flags)
    }

    /// Lets nothing be changed in what is shown.
    fn seal(&self, place: &Path) -> io::Result<()> {
        attach(None, &self.inside(place), MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY)
    }

    fn inside(&self, place: &Path) -> PathBuf {
        self.root.join(place.strip_prefix("/").unwrap_or(place))
    }
}

fn attach(source: Option<&Path>, target: &Path, flags: MsFlags) -> io::Result<()> {
    mount(source, target, None::<&str>, flags, None::<&str>)
        .map_err(|error| told(&format!("{} ({flags:?})", target.display()), error))
}

fn told(what: &str, error: nix::errno::Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// An overlay's options have marks of their own.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}

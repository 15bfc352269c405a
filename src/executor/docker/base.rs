//! Whether the engine finds the base directory where this server has it, and what to do if not. Knows no workers.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bollard::{
    errors::Error as Fault,
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::{CreateContainerOptions, InspectContainerOptions},
};

use super::client::{Client, refusal};
use crate::clock;

/// Why workers could not be given folders of the base directory.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The engine has something else, or nothing, under that path.
    #[error("Docker does not find the base directory `{}` where this server has it", base.display())]
    Elsewhere {
        /// The directory, as the server sees it.
        base: PathBuf,
        /// What to do.
        help: String,
    },
    /// Nothing can be written there.
    #[error("cannot write to `{}`", path.display())]
    Unwritable {
        /// The file that could not be made.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A host's folder that a container has under another name, or the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bind {
    source: PathBuf,
    destination: PathBuf,
}

/// Makes sure that the engine sees a file of `directory`, which lies below `base`, under the same path as this process:
/// in a container of its own the server may see a folder of the host under a name the host does not know.
///
/// An engine that does not answer is no mistake of the settings; nodes wait for it.
///
/// # Errors
/// [`BaseError`].
pub async fn check_base(socket: &Path, base: &Path, directory: &Path) -> Result<(), BaseError> {
    let client = Client::new(socket.to_owned());
    let Ok(engine) = client.engine().await else { return Ok(()) };
    let name = clock::new_uuid().to_string();
    let file = directory.join(format!("probe-{name}"));
    fs::write(&file, "").map_err(|source| BaseError::Unwritable { path: file.clone(), source })?;
    let answer = engine.create_container(None::<CreateContainerOptions>, probe(&name, &file)).await;
    if let Err(error) = fs::remove_file(&file) {
        tracing::warn!(%error, file = %file.display(), "a file that is no longer needed stays");
    }
    match answer {
        Err(fault) if is_missing(&fault) => {
            let help = advice(base, binds_of_this(engine).await.as_deref());
            Err(BaseError::Elsewhere { base: base.to_owned(), help })
        }
        Err(fault) if !matches!(refusal(&fault), Some((404, _))) => {
            tracing::warn!(error = %fault, "whether Docker sees the base directory is not known");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Describes a container that is never made: its image does not exist. But the engine looks at the mounts first, and for
/// mounts of this form, unlike `binds`, it makes no folder that is missing.
fn probe(name: &str, file: &Path) -> ContainerCreateBody {
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(file.display().to_string()),
        target: Some("/probe".to_owned()),
        ..Mount::default()
    };
    ContainerCreateBody {
        image: Some(format!("conducto/there-is-no-such-image:{name}")),
        host_config: Some(HostConfig { mounts: Some(vec![mount]), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    }
}

fn is_missing(fault: &Fault) -> bool {
    refusal(fault).is_some_and(|(_, message)| message.contains("bind source path does not exist"))
}

/// Lists the host's folders that this process sees, if it runs in a container of the engine; the help gets better by it.
async fn binds_of_this(engine: &bollard::Docker) -> Option<Vec<Bind>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let container = engine.inspect_container(own_container(&mounts)?, None::<InspectContainerOptions>).await.ok()?;
    let binds = container.mounts.unwrap_or_default().into_iter().filter_map(|mount| {
        let is_bind = mount.typ.as_deref() == Some("bind");
        is_bind.then_some(Bind { source: mount.source?.into(), destination: mount.destination?.into() })
    });
    Some(binds.collect())
}

/// Finds the id of the container whose files the engine has mounted here: the name of the machine may be the host's.
fn own_container(mounts: &str) -> Option<&str> {
    let of_engine = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let id = root.split('/').rev().nth(1)?;
        let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && of_engine.contains(&place)).then_some(id)
    })
}

/// Says what to do. Without binds it is not known whether the server runs in a container.
fn advice(base: &Path, binds: Option<&[Bind]>) -> String {
    let Some(binds) = binds else {
        return format!(
            "server and Docker must see the same files: on one machine, and outside of folders that one of them has for \
             itself, such as a private /tmp; a server in a container needs `-v {0}:{0}`",
            base.display()
        );
    };
    let covering = binds.iter().filter(|bind| base.starts_with(&bind.destination));
    match covering.max_by_key(|bind| bind.destination.as_os_str().len()) {
        Some(bind) if bind.source != bind.destination => {
            let rest = base.strip_prefix(&bind.destination).unwrap_or(base);
            let host: PathBuf = bind.source.join(rest).components().collect();
            format!(
                "the folder needs one path on both sides; start the container with `-v {0}:{0} -e CONDUCTO_BASE_DIR={0}` \
                 instead of `-v {1}:{2}`",
                host.display(),
                bind.source.display(),
                bind.destination.display()
            )
        }
        Some(_) => format!(
            "the socket belongs to the Docker of another machine, or of another container, which has no `{}`; mount the \
             socket of the Docker that runs this server",
            base.display()
        ),
        None => format!(
            "start the container with `-v {0}:{0}`: a folder of the host, under the same path on both sides; what is in a \
             volume or in the container itself cannot be mounted into others",
            base.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::root_of_a_disk("/var/lib/docker", true)]
    #[case::folder_of_its_own("/@docker", true)]
    #[case::somebody_elses("/home", false)]
    fn a_container_is_known_by_the_files_the_engine_mounts(#[case] root: &str, #[case] is_engine: bool) {
        let id = "0123456789abcdef".repeat(4);
        let folder = if is_engine { id.as_str() } else { "kim" };
        let mounts = format!(
            "610 582 0:49 / / rw,relatime - overlay overlay rw\n\
             622 610 254:0 {root}/volumes/{}/_data /var/lib/conducto rw - ext4 /dev/vda rw\n\
             623 610 254:0 {root}/containers/{folder}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n",
            "f".repeat(64)
        );
        assert_eq!(own_container(&mounts), is_engine.then_some(id.as_str()));
    }

    #[rstest]
    #[case::other_name(
        "/state",
        &[("/srv/conducto", "/state"), ("/etc/ssl", "/etc/ssl")],
        "`-v /srv/conducto:/srv/conducto -e CONDUCTO_BASE_DIR=/srv/conducto` instead of `-v /srv/conducto:/state`"
    )]
    #[case::deeper("/state/a/b", &[("/srv", "/state")], "`-v /srv/a/b:/srv/a/b -e CONDUCTO_BASE_DIR=/srv/a/b`")]
    #[case::the_nearest_counts("/state/a", &[("/srv", "/state"), ("/data", "/state/a")], "`-v /data:/data -e")]
    #[case::volume("/var/lib/conducto", &[], "start the container with `-v /var/lib/conducto:/var/lib/conducto`:")]
    #[case::other_engine("/state", &[("/state", "/state")], "belongs to the Docker of another machine")]
    fn the_way_out_names_the_line_to_use(#[case] base: &str, #[case] binds: &[(&str, &str)], #[case] expected: &str) {
        let bind =
            |(source, destination): &(&str, &str)| Bind { source: source.into(), destination: destination.into() };
        let binds: Vec<Bind> = binds.iter().map(bind).collect();
        let help = advice(Path::new(base), Some(&binds));
        assert!(help.contains(expected), "{help}");
    }

    #[test]
    fn without_knowing_more_both_ways_out_are_named() {
        let help = advice(Path::new("/state"), None);
        assert!(help.contains("private /tmp") && help.contains("`-v /state:/state`"), "{help}");
    }

    #[tokio::test]
    async fn an_engine_that_is_down_is_no_mistake_of_the_settings() {
        let base = tempfile::tempdir().unwrap();
        check_base(Path::new("/nonexistent/docker.sock"), base.path(), base.path()).await.unwrap();
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}

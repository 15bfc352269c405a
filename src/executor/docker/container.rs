//! What a worker's container looks like. Knows no engine.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig};

use super::{args, executor::Options, network::Networks};
use crate::{
    executor::WorkerSpec,
    model::{Isolation, PipelineId, Trust, WorkerId},
};

/// Which server's it is.
pub(super) const SERVER_LABEL: &str = "com.conducto.server";
/// Which pipeline's it is.
pub(super) const PIPELINE_LABEL: &str = "com.conducto.pipeline";
/// Which worker it is.
pub(super) const WORKER_LABEL: &str = "com.conducto.worker";

/// Where the changes of nodes in layers of their own go.
const LAYERS: &str = "/conducto/layers";

/// Where nodes find their working copy.
pub(super) const WORK: &str = "/mnt/conducto";

const BINARY: &str = "/conducto/bin/conducto";

/// The folder that the binary is in on the host: commands and packages for nodes.
const KIT: &str = "/conducto/kit";

/// Enough for any build, too few for a fork bomb to hurt others.
const PIDS: i64 = 4096;

/// Returns the name of a worker's container.
pub(super) fn name(pipeline: &PipelineId, worker: &WorkerId) -> String {
    format!("conducto_worker_{pipeline}_{worker}")
}

/// Describes a worker's container to the engine.
///
/// `workdir` is the image's own working directory, empty for the root.
pub(super) fn body(options: &Options, spec: &WorkerSpec, workdir: &str) -> ContainerCreateBody {
    // The folder above is mounted: the files may come later than the container.
    let source = format!("/conducto/source/{}/{}", crate::layout::SOURCE, spec.folder);
    let source = source.trim_end_matches('/').to_owned();
    let mut command = vec![
        "worker",
        "--socket",
        "/conducto/run/worker.sock",
        "--source",
        &source,
        "--work",
        WORK,
        "--private",
        "/conducto/node",
        "--script",
        "/conducto/cmd.sh",
        "--kit",
        KIT,
        "--name",
        spec.worker.as_str(),
    ];
    if !spec.mounts_data {
        command.push("--data");
    }
    if is_layered(spec) {
        command.extend(["--layers", LAYERS]);
    }
    if spec.keeps_workdir {
        command.extend(["--begin-in", if workdir.is_empty() { "/" } else { workdir }]);
    }
    let mut body = ContainerCreateBody {
        image: Some(spec.image.clone()),
        // The image's own entrypoint and command are for those who start it as a service.
        entrypoint: Some(vec![BINARY.to_owned()]),
        cmd: Some(command.into_iter().map(str::to_owned).collect()),
        working_dir: Some(WORK.to_owned()),
        labels: Some(labels(&options.server, spec)),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        tty: Some(false),
        open_stdin: Some(false),
        // The container's own files lie on an overlay, and the kernel puts no overlay's changes there.
        volumes: is_layered(spec).then(|| vec![LAYERS.to_owned()]),
        ..ContainerCreateBody::default()
    };
    if spec.trust == Trust::Trusted && !options.access.environment.is_empty() {
        body.env = Some(options.access.environment.iter().map(|(name, value)| format!("{name}={value}")).collect());
    }
    let mut host = host(options, spec);
    // What an author may add cannot touch what is set here.
    args::apply(&spec.docker_args, &mut body, &mut host);
    body.host_config = Some(host);
    body
}

fn labels(server: &str, spec: &WorkerSpec) -> HashMap<String, String> {
    let labels =
        [(SERVER_LABEL, server), (PIPELINE_LABEL, spec.pipeline.as_str()), (WORKER_LABEL, spec.worker.as_str())];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Says whether the worker mounts a layer for every node. It keeps the right to do so to itself.
pub(super) fn is_layered(spec: &WorkerSpec) -> bool {
    spec.isolation == Isolation::Pristine
}

fn security(spec: &WorkerSpec) -> Vec<String> {
    let mut options = vec!["no-new-privileges".to_owned()];
    if is_layered(spec) {
        // Docker's own profile refuses to mount whatever rights there are. Where there is no AppArmor this means nothing.
        options.push("apparmor=unconfined".to_owned());
    }
    options
}

#[expect(clippy::cast_possible_truncation, reason = "processors are counted in small numbers")]
fn host(options: &Options, spec: &WorkerSpec) -> HostConfig {
    let memory = i64::try_from(spec.mem).unwrap_or(i64::MAX);
    let bind = |host: &std::path::Path, inside: &str, mode: &str| format!("{}:{inside}:{mode}", host.display());
    let mut binds = vec![
        bind(&options.binary, BINARY, "ro"),
        // Read-only, so that no node can put a socket of its own in the place of ours.
        bind(&spec.directory, "/conducto/run", "ro"),
        bind(&spec.source, "/conducto/source", "ro"),
    ];
    if spec.mounts_data {
        binds.push(bind(&spec.pipeline_data, "/conducto/data/pipeline", "rw"));
        binds.push(bind(&spec.user_data, "/conducto/data/user", "rw"));
    }
    if let Some(kit) = options.binary.parent() {
        binds.push(bind(kit, KIT, "ro"));
    }
    if spec.trust == Trust::Trusted {
        let mounts = &options.access.mounts;
        binds.extend(mounts.iter().map(|(host, inside)| bind(std::path::Path::new(host), inside, "ro")));
    }
    if spec.requires_docker {
        binds.push(bind(&options.socket, "/var/run/docker.sock", "rw"));
    }
    HostConfig {
        binds: Some(binds),
        device_requests: (spec.gpu > 0).then(|| vec![graphics(spec.gpu)]),
        network_mode: Some(Networks::name(&spec.pipeline)),
        nano_cpus: Some((spec.cpu * 1e9) as i64),
        memory: Some(memory),
        memory_swap: Some(memory),
        pids_limit: Some(PIDS),
        cap_add: is_layered(spec).then(|| vec!["SYS_ADMIN".to_owned()]),
        security_opt: Some(security(spec)),
        // Output goes through the worker; what it says itself would only pile up.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        auto_remove: Some(false),
        init: Some(false),
        ..HostConfig::default()
    }
}

/// As `docker run --gpus N`.
fn graphics(count: u32) -> DeviceRequest {
    let capabilities = Some(vec![vec!["gpu".to_owned()]]);
    DeviceRequest { count: Some(i64::from(count)), capabilities, ..DeviceRequest::default() }
}

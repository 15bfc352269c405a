//! Writes a tree in the old product's serialization (`compat.md` §1.3 to §1.7), as its client does. Knows no reader.
//!
//! Every value stands where the author wrote it: nothing is hoisted to a parent. `isolation` has no word in that format and
//! is left out; `folder` and `shell`, which belong to images there, are not written yet.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{id::Id, notice};
use crate::model::{Base, Callback, Definition, Image, NodeIndex, NodeKind, Npm, Recipe, Remedy, Reuse, Settings};

/// Writes a tree as the JSON of the old serialization, with the ids that the old client gives to its paths.
///
/// [`super::pack`] makes of it what stands between the marks.
pub fn to_json(tree: &Definition) -> Value {
    let (mut nodes, mut edges) = (Vec::with_capacity(tree.len()), Vec::with_capacity(tree.len()));
    let mut images = Images::default();
    // Level by level, children in their order.
    let mut level = vec![(NodeIndex::ROOT, Id::root())];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (index, id) in level {
            nodes.push(node(tree, index, &id, &mut images));
            for &child in tree.children(index) {
                let name = &*tree.node(child).name;
                let below = id.child(name);
                edges.push(json!([id.to_string(), below.to_string(), name]));
                next.push((child, below));
            }
        }
        level = next;
    }
    json!({
        "nodes": nodes, "edges": edges, "images": images.written(), "token": null, "autorun": null, "autorun_at": null,
        "sleep_when_done": null, "pipeline_reservation": null, "agent_only": false,
    })
}

fn node(tree: &Definition, index: NodeIndex, id: &Id, images: &mut Images) -> Value {
    let definition = tree.node(index);
    let settings: &Settings = &definition.settings;
    let mut node = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            node.insert(key.to_owned(), value);
        }
    };
    put("id", json!(id.to_string()));
    match &definition.kind {
        NodeKind::Exec(exec) => {
            put("type", json!("Exec"));
            put("command", json!(exec.command));
        }
        NodeKind::Serial { stop_on_error } => {
            put("type", json!("Serial"));
            put("stop_on_error", json!(stop_on_error));
        }
        NodeKind::Parallel => put("type", json!("Parallel")),
    }
    put("is_notebook", json!(false));
    let callbacks = settings.callbacks.iter().map(callback);
    put("callbacks", callbacks.chain(settings.watches.iter().map(notice::to_json)).collect());
    put("skip", json!(settings.skip));
    put("cpu", json!(settings.cpu));
    put("mem", json!(settings.mem));
    put("gpu", json!(settings.gpu));
    put("requires_docker", json!(settings.requires_docker));
    put("docker_run_args", json!(settings.docker_run_args));
    put("image_name", json!(images.name(settings)));
    put("max_time", json!(settings.max_time.map(|time| time.as_secs_f64())));
    put("max_concurrent", json!(settings.max_concurrent));
    put("container_reuse_context", settings.container_reuse_context.map_or(Value::Null, |reuse| json!(word(reuse))));
    put("suppress_errors", if settings.suppress_errors { json!(true) } else { Value::Null });
    put("doc", json!(settings.doc));
    for (name, value) in &settings.env {
        put(&format!("__env__{name}"), json!(value));
    }
    Value::Object(node)
}

fn word(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::New => "new",
        Reuse::Global => "global",
    }
}

fn callback(callback: &Callback) -> Value {
    let mut arguments = match &callback.remedy {
        Remedy::Retry { max_num_retries }
        | Remedy::RetryThenSkip { max_num_retries }
        | Remedy::RetryWithDoubleMem { max_num_retries } => json!({ "max_num_retries": max_num_retries }),
        Remedy::SkipSomeErrors { max_num_errors } => json!({ "max_num_errors": max_num_errors }),
        Remedy::HandleMemoryErrors { mem_limits: (low, high), max_duration } => {
            json!({ "mem_limits": [low, high], "max_duration": max_duration })
        }
        Remedy::DeserializeIntoNode { target } => json!({ "target": target }),
    };
    arguments["inherited"] = json!(callback.inherited);
    json!([callback.on, [callback.remedy.name(), arguments]])
}

/// The images of a tree, named in the order in which they are met: what a node says of its container's files is one image there.
#[derive(Default)]
struct Images {
    names: BTreeMap<Written, String>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    image: Option<Image>,
    folder: String,
    shell: String,
}

impl Images {
    fn name(&mut self, settings: &Settings) -> Option<String> {
        let Settings { image, folder, shell, .. } = settings;
        if image.is_none() && folder.is_none() && shell.is_none() {
            return None;
        }
        let number = self.names.len() + 1;
        let image = Written {
            image: image.clone(),
            folder: folder.clone().unwrap_or_default(),
            shell: shell.clone().unwrap_or_default(),
        };
        Some(self.names.entry(image).or_insert_with(|| format!("image-{number}")).clone())
    }

    fn written(&self) -> Value {
        Value::Object(self.names.iter().map(|(image, name)| (name.clone(), written(image, name))).collect())
    }
}

fn written(image: &Written, name: &str) -> Value {
    let recipe = match &image.image {
        None => Recipe::default(),
        Some(Image::Ready(reference)) => Recipe { base: Base::Reference(reference.clone()), ..Recipe::default() },
        Some(Image::Made(recipe)) => (**recipe).clone(),
    };
    let copied = if image.folder.is_empty() { Value::Null } else { path(&image.folder) };
    let shell = if image.shell.is_empty() { "__auto__" } else { &image.shell };
    let (mut reference, mut dockerfile, mut dockerfile_text, mut folder) =
        (Value::Null, Value::Null, Value::Null, Value::Null);
    match &recipe.base {
        Base::Default => {}
        Base::Reference(name) => reference = json!(name),
        Base::Dockerfile { path: file, context } => (dockerfile, folder) = (path(file), path(context)),
        Base::Text { text, context } => {
            dockerfile_text = json!(text);
            folder = context.as_deref().map_or(Value::Null, path);
        }
    }
    let list = |names: &Vec<String>| if names.is_empty() { Value::Null } else { json!(names) };
    let npm = match &recipe.npm {
        Npm::Nothing => Value::Null,
        Npm::Project => json!(true),
        Npm::Packages(packages) => json!(packages),
    };
    let arguments = if recipe.build_args.is_empty() { Value::Null } else { json!(recipe.build_args) };
    json!({
        "name": name, "image": reference, "dockerfile": dockerfile, "dockerfile_text": dockerfile_text,
        "docker_build_args": arguments, "docker_auto_workdir": !recipe.keeps_workdir, "context": folder,
        "copy_repo": null, "copy_dir": copied, "copy_url": recipe.copy.as_ref().map(|copy| &copy.url),
        "copy_branch": recipe.copy.as_ref().map(|copy| &copy.branch), "install_pip": list(&recipe.pip),
        "install_npm": npm, "install_packages": list(&recipe.packages), "install_docker": recipe.docker,
        "path_map": null, "shell": shell,
    })
}

/// A path in the commit as the old client writes it.
fn path(inside: &str) -> Value {
    let parts = inside.split('/').filter(|name| !name.is_empty()).map(|name| json!(name));
    let path: Vec<Value> = std::iter::once(json!({ "type": "git" })).chain(parts).collect();
    json!({ "pathsep": "/", "path": path })
}

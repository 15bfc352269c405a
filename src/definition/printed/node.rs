//! What a node of the old serialization carries, as settings of ours. Knows one node, not the tree.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{
        docker_args,
        pipeline::{MAX_DURATION, MEM_LIMITS, is_amount, is_variable, seconds},
    },
    image::Found,
    notice,
    serialization::{Kind, MaxTime, Node, is_truthy},
};
use crate::model::{Callback, Exec, NodeKind, NodePath, On, Remedy, Reuse, Settings, Watch, parse_duration};

/// The beginning of a key that names a variable.
const VARIABLE: &str = "__env__";

/// More words for `docker run` are nobody's.
const MOST_ARGUMENTS: usize = 1_000;

/// Returns what a node is. Its command names paths of the container in which it will run.
pub(super) fn kind(node: &Node, image: &Found) -> Result<NodeKind, String> {
    Ok(match node.kind {
        Kind::Parallel => NodeKind::Parallel,
        Kind::Serial => NodeKind::Serial { stop_on_error: node.stop_on_error.as_ref().is_none_or(is_truthy) },
        Kind::Exec => {
            let command = node.command.clone().ok_or("it has no command")?;
            if command.contains('\0') {
                return Err("its command holds a null character".to_owned());
            }
            NodeKind::Exec(Exec { command: image.paths.expand(&command)? })
        }
    })
}

/// Returns what a node carries. `image` is its own, where it names one.
pub(super) fn settings(node: &Node, image: Option<&Found>) -> Result<Settings, String> {
    let is_exec = node.kind == Kind::Exec;
    let max_time = match &node.max_time {
        None => None,
        Some(MaxTime::Seconds(number)) => Some(seconds(*number).map_err(|bad| format!("its max_time {bad}"))?),
        Some(MaxTime::Text(text)) => Some(parse_duration(text).map_err(|bad| format!("its max_time {bad}"))?),
    };
    if let Some(words) = &node.docker_run_args {
        // Each may be refused, with a message of its own.
        if words.len() > MOST_ARGUMENTS {
            return Err(format!("its docker_run_args are {}; at most {MOST_ARGUMENTS} are read", words.len()));
        }
        docker_args::parse(words).map_err(|refused| {
            let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
            format!("its docker_run_args: {}", refused.join("; "))
        })?;
    }
    let (mut callbacks, mut watches) = (Vec::new(), Vec::new());
    for (event, (name, arguments)) in node.callbacks.iter().flatten() {
        let bad = |bad| format!("its callback `{name}` {bad}");
        let on = on(event).map_err(bad)?;
        let inherited = arguments.get("inherited").is_some_and(is_truthy);
        match notice::read(name, arguments).map_err(bad)? {
            Some(notice) => watches.push(Watch { on, notice, inherited }),
            None => callbacks.push(Callback { on, remedy: remedy(name, arguments).map_err(bad)?, inherited }),
        }
    }
    Ok(Settings {
        image: image.and_then(|image| image.image.clone()),
        folder: image.map(|image| image.folder.clone()),
        shell: image.map(|image| image.shell.clone()),
        env: environment(&node.others)?,
        // The client passes a zero on, which has always meant nothing.
        max_time: max_time.filter(|time| !time.is_zero()),
        cpu: amount("cpu", node.cpu)?,
        mem: amount("mem", node.mem)?,
        gpu: node.gpu,
        requires_docker: node.requires_docker,
        docker_run_args: node.docker_run_args.clone(),
        container_reuse_context: node.container_reuse_context.as_deref().map(reuse).transpose()?,
        isolation: None,
        skip: node.skip,
        suppress_errors: node.suppress_errors.unwrap_or_default(),
        // The client was meant to refuse this on a leaf, and did not.
        max_concurrent: node.max_concurrent.filter(|most| *most > 0 && !is_exec),
        callbacks,
        watches,
        caches: Vec::new(),
        doc: node.doc.clone(),
    })
}

fn amount(name: &str, amount: Option<f64>) -> Result<Option<f64>, String> {
    match amount {
        Some(amount) if !is_amount(amount) => Err(format!("its {name} must be above 0 and at most 100,000")),
        amount => Ok(amount),
    }
}

fn reuse(word: &str) -> Result<Reuse, String> {
    match word {
        "new" => Ok(Reuse::New),
        "global" => Ok(Reuse::Global),
        _ => Err(format!("its container_reuse_context is `{word}`, which is neither `new` nor `global`")),
    }
}

fn environment(keys: &BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    for (key, value) in keys {
        let Some(name) = key.strip_prefix(VARIABLE) else { continue };
        match value {
            Value::Null => {}
            Value::String(text) if is_variable(name) && !text.contains('\0') => {
                environment.insert(name.to_owned(), text.clone());
            }
            Value::String(_) => return Err(format!("its variable `{name}` cannot be given to a program")),
            _ => return Err(format!("its variable `{name}` is not a text")),
        }
    }
    Ok(environment)
}

fn on(event: &str) -> Result<On, String> {
    Ok(match event {
        "queued" => On::Queued,
        "running" => On::Running,
        "done" => On::Done,
        "error" => On::Error,
        "worker_error" => On::WorkerError,
        "stateChange" => On::StateChange,
        _ => return Err(format!("acts on `{event}`, which is no event")),
    })
}

fn remedy(name: &str, arguments: &Value) -> Result<Remedy, String> {
    let count = |key: &str| {
        let number = arguments.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| format!("does not say `{key}`, a whole number"))
    };
    Ok(match name {
        "retry" => Remedy::Retry { max_num_retries: count("max_num_retries")? },
        "retry_then_skip" => Remedy::RetryThenSkip { max_num_retries: count("max_num_retries")? },
        "retry_with_double_mem" => Remedy::RetryWithDoubleMem { max_num_retries: count("max_num_retries")? },
        "skip_some_errors" => Remedy::SkipSomeErrors { max_num_errors: count("max_num_errors")? },
        "handle_memory_errors" => {
            let limits = arguments.get("mem_limits").and_then(|limits| {
                let (low, high) = (limits.get(0)?.as_f64()?, limits.get(1)?.as_f64()?);
                (is_amount(low) && is_amount(high)).then_some((low, high))
            });
            let max_duration = arguments.get("max_duration").and_then(Value::as_f64);
            Remedy::HandleMemoryErrors {
                mem_limits: limits.unwrap_or(MEM_LIMITS),
                max_duration: max_duration.unwrap_or(MAX_DURATION.as_secs_f64()),
            }
        }
        "deserialize_into_node" => {
            let target = arguments.get("target").and_then(Value::as_str).ok_or("does not say where its tree grows")?;
            let target = NodePath::parse(target).map_err(|bad| format!("grows its tree at `{target}`: {bad}"))?;
            Remedy::DeserializeIntoNode { target }
        }
        _ => return Err("is not known to this release".to_owned()),
    })
}

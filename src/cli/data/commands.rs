//! What each command does, and what it prints (`compat.md` §4.6). Knows no way to the data.

use std::{
    fs::{self, File},
    io::{self, Seek as _, Write as _},
    path::Path,
};

use anyhow::{Context as _, anyhow};

use super::{
    Kind, Local, Place, Source,
    place::unnamed,
    words::{Call, Options},
};
use crate::{
    cli::{
        args::Remote,
        client::encode,
        failure::{Failure, Outcome},
        printer::Printer,
    },
    data::{self, cache_folder, cache_name},
};

pub(super) async fn run(call: &Call, kind: Kind, options: &Options, remote: &Remote, printer: &mut Printer) -> Outcome {
    let local = Local::look();
    let id = options.id.as_deref();
    let name = call.value("name");
    if call.command == "url" {
        let url = url(kind, name, &local, id, call.flag("path_only").unwrap_or(true))?;
        return Ok(printer.line(&json(&url))?);
    }
    let place = Place::find(kind, id, options.local, &local, remote)?;
    match call.command {
        "list" => {
            let names = place.list(call.value("prefix")).await?;
            let names: Vec<String> = names.iter().map(|name| json(name)).collect();
            printer.line(&format!("[{}]", names.join(", ")))?;
        }
        "exists" => printer.line(&place.exists(name).await?.to_string())?,
        "size" => printer.line(&place.size(name).await?.to_string())?,
        "get" => get(&place, name, Path::new(call.value("file"))).await?,
        "gets" => {
            let found = place.read(name, call.byte_range()?, &mut Out(printer)).await?;
            found.ok_or_else(|| missing(name))?;
        }
        "put" => drop(place.write(name, Source::File(open(call.value("file"))?)).await?),
        "puts" => drop(place.write(name, Source::Input).await?),
        "delete" => place.delete(name, call.flag("recursive").unwrap_or(false)).await?,
        "save-cache" => save(&place, name, call.value("checksum"), Path::new(call.value("save_dir"))).await?,
        "restore-cache" => restore(&place, name, call.value("checksum"), Path::new(call.value("restore_dir"))).await?,
        "cache-exists" => {
            let object = cache_name(name, call.value("checksum")).map_err(Failure::usage)?;
            printer.line(&place.exists(object.as_str()).await?.to_string())?;
        }
        "clear-cache" => match call.given("checksum") {
            Some(checksum) => {
                let object = cache_name(name, checksum).map_err(Failure::usage)?;
                place.delete(object.as_str(), false).await?;
            }
            None => place.delete(cache_folder(name).map_err(Failure::usage)?.as_str(), true).await?,
        },
        other => return Err(Failure::usage(anyhow!("`{other}` is not a command"))),
    }
    Ok(())
}

/// Results as bytes.
struct Out<'a>(&'a mut Printer);

impl io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn url(kind: Kind, name: &str, local: &Local, id: Option<&str>, path_only: bool) -> Result<String, Failure> {
    let parts: Vec<String> = name.trim_start_matches('/').split('/').map(encode).collect();
    let path = format!("/gw/manager/data/{}/{}/{}", local.pipeline(id)?, kind.word(), parts.join("/"));
    if path_only {
        return Ok(path);
    }
    let server = local.auto_url.as_deref().ok_or_else(|| {
        Failure::usage(anyhow!("the address of the server is not known")).help("set CONDUCTO_AUTO_URL")
    })?;
    Ok(format!("{}{path}", server.trim_end_matches('/')))
}

/// Copies an object to a file, which is there in full or as it was before.
async fn get(place: &Place, name: &str, path: &Path) -> Outcome {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let draft = folder.join(format!(".{}.part", crate::clock::new_uuid()));
    let mut file = File::create(&draft).with_context(|| format!("{} cannot be written", path.display()))?;
    let copied = place.read(name, None, &mut file).await;
    let placed = match copied {
        Ok(Some(_)) => fs::rename(&draft, path)
            .with_context(|| format!("{} cannot be written", path.display()))
            .map_err(Into::into),
        Ok(None) => Err(missing(name)),
        Err(failure) => Err(failure),
    };
    if placed.is_err() {
        fs::remove_file(&draft).ok();
    }
    placed
}

async fn save(place: &Place, name: &str, checksum: &str, folder: &Path) -> Outcome {
    let object = cache_name(name, checksum).map_err(Failure::usage)?;
    let whole = fs::canonicalize(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let top = whole.file_name().and_then(|name| name.to_str());
    let top = top.ok_or_else(|| Failure::usage(anyhow!("{} has no name to keep it under", folder.display())))?;
    if !whole.is_dir() {
        return Err(Failure::usage(anyhow!("{} is no folder", folder.display())));
    }
    let mut archive = unnamed()?;
    let mut writer = io::BufWriter::new(&mut archive);
    data::pack(&[(top, &whole)], &mut writer)?;
    writer.flush()?;
    drop(writer);
    archive.rewind()?;
    place.write(object.as_str(), Source::File(archive)).await.map(drop)
}

async fn restore(place: &Place, name: &str, checksum: &str, folder: &Path) -> Outcome {
    let object = cache_name(name, checksum).map_err(Failure::usage)?;
    let mut archive = unnamed()?;
    if place.read(object.as_str(), None, &mut archive).await?.is_none() {
        return Err(Failure::new(anyhow!("Cache not found")));
    }
    data::unpack(&mut archive, data::Place::Into(folder)).map(drop).map_err(Into::into)
}

fn open(path: &str) -> Result<File, Failure> {
    Ok(File::open(path).with_context(|| format!("{path} cannot be read"))?)
}

fn missing(name: &str) -> Failure {
    data::Error::Missing(name.to_owned()).into()
}

/// Writes a text as the Python tool did: whatever is no ASCII is escaped.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut escaped = String::with_capacity(quoted.len());
    for letter in quoted.chars() {
        match letter {
            letter if letter.is_ascii() => escaped.push(letter),
            letter => {
                let mut units = [0; 2];
                for unit in letter.encode_utf16(&mut units) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_printed_as_python_prints_them() {
        // python3 -c 'import json; print(json.dumps("a \"b\" \\ ü 😀\n\x7f"))'
        assert_eq!(json("a \"b\" \\ ü 😀\n\u{7f}"), "\"a \\\"b\\\" \\\\ \\u00fc \\ud83d\\ude00\\n\u{7f}\"");
    }

    #[test]
    fn addresses_name_pipeline_kind_and_object() {
        let local = Local {
            pipeline: Some("abc-def".into()),
            auto_url: Some("https://ci.example/".into()),
            ..Local::default()
        };
        let url = |kind, name, path_only| url(kind, name, &local, None, path_only).unwrap();
        assert_eq!(url(Kind::Pipeline, "a b.png", true), "/gw/manager/data/abc-def/pipeline/a%20b.png");
        assert_eq!(url(Kind::User, "/x/y", false), "https://ci.example/gw/manager/data/abc-def/user/x/y");
    }
}

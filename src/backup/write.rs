//! Makes a back-up: a copy of the database, then everything that the copy mentions.

use std::{
    fs::{self, File, OpenOptions},
    io::BufWriter,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    error::Error,
    manifest::{FORMAT, MANIFEST, Manifest, SUMS, Sums},
    place,
    tree::Archive,
};
use crate::{
    layout::Layout,
    store::copy::{self, Contents},
};

/// A good compromise for logs: a third of the size at the speed of the disk.
const LEVEL: i32 = 3;

/// A back-up that is whole and safe on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Where it is.
    pub file: PathBuf,
    /// Bytes of that file.
    pub size: u64,
    /// What is in it.
    pub manifest: Manifest,
    /// What could not be taken along, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

/// What goes along besides the database and the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// What nodes keep in `/conducto/data`.
    pub data: bool,
    /// The key of secrets: whoever has the back-up can read them then.
    pub secret_key: bool,
}

/// Backs up a base directory, whether a server uses it or not. `to` is the file to write, or an existing folder, in which
/// the file gets a name with the time. A file that is there is replaced once the new one is whole.
///
/// # Errors
/// [`Error`]; nothing half-made is left.
pub fn write(layout: &Layout, to: &Path, content: Content, now: Timestamp) -> Result<Made, Error> {
    if !layout.database().exists() {
        return Err(Error::NoDatabase(layout.database()));
    }
    place::check_finished(layout.base())?;
    let file = match to.is_dir() {
        true => to.join(format!("conducto-{}.tar.zst", now.strftime("%Y%m%dT%H%M%SZ"))),
        false => to.to_owned(),
    };
    // Beside the result: the server's own disk may be the one that is nearly full.
    let drafts = [".part", ".database"].map(|end| {
        let mut name = file.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    });
    let made = write_drafts(layout, &drafts, content, now).and_then(|(manifest, skipped)| {
        let size = fs::metadata(&drafts[0]).map_err(Error::disk("read", &drafts[0]))?.len();
        fs::rename(&drafts[0], &file).map_err(Error::disk("write", &file))?;
        place::sync_folder(file.parent())?;
        Ok(Made { file, size, manifest, skipped })
    });
    for draft in &drafts {
        place::remove_file(draft);
    }
    made
}

type Written = (Manifest, Vec<(PathBuf, String)>);

fn write_drafts(layout: &Layout, drafts: &[PathBuf; 2], content: Content, now: Timestamp) -> Result<Written, Error> {
    let [archive, database] = drafts;
    // Left by one that was killed; SQLite refuses to write into it.
    place::remove_file(database);
    let out = create_private(archive)?;
    // Made first, so that nobody but its owner can ever read it.
    drop(create_private(database)?);
    copy::write(&layout.database(), database)?;
    let contents = copy::contents(database)?;
    let encoder = zstd::Encoder::new(BufWriter::new(out), LEVEL).and_then(|mut encoder| {
        encoder.include_checksum(true)?;
        Ok(encoder)
    });
    let mut writer = Archive::new(encoder.map_err(Error::disk("write", archive))?, layout.base());
    writer.add_as("server/conducto.db", database)?;
    let logs = add_content(layout, &mut writer, &contents, content)?;
    let sums = std::mem::take(&mut writer.sums);
    let manifest = Manifest {
        format: FORMAT,
        conducto: env!("CARGO_PKG_VERSION").to_owned(),
        schema: contents.schema,
        server: contents.server,
        made_at: now,
        pipelines: contents.pipelines.len() as u64,
        logs,
        data: content.data,
        files: sums.files,
        bytes: sums.bytes,
        sums: Sums::sum(&sums.text),
    };
    writer.add_text(SUMS, &sums.text)?;
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::Damaged(error.to_string()))?;
    writer.add_text(MANIFEST, &text)?;
    let skipped = std::mem::take(&mut writer.skipped);
    let out = writer.finish()?.finish().map_err(Error::disk("write", archive))?;
    let out = out.into_inner().map_err(|error| Error::disk("write", archive)(error.into_error()))?;
    out.sync_all().map_err(Error::disk("write", archive))?;
    Ok((manifest, skipped))
}

fn add_content<W: std::io::Write>(
    layout: &Layout,
    writer: &mut Archive<W>,
    contents: &Contents,
    content: Content,
) -> Result<u64, Error> {
    let base = layout.base();
    for file in
        [base.join("config"), layout.profile_dir().join("config"), layout.admin_token(), base.join("conducto.toml")]
    {
        writer.add_file(&file)?;
    }
    if content.secret_key {
        writer.add_file(&layout.secret_key())?;
    }
    let mut logs = 0;
    for (id, fence) in &contents.attempts {
        logs += u64::from(writer.add_file(&layout.log(id, *fence))?);
    }
    if content.data {
        for id in &contents.pipelines {
            writer.add_tree(&layout.pipeline_data(id))?;
            writer.add_tree(&layout.fork_data(id))?;
        }
        writer.add_tree(&layout.user_data())?;
    }
    Ok(logs)
}

fn create_private(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.map_err(Error::disk("write", path))
}

//! What a build is sent: the files of its context, and those that we add. Knows no Dockerfile.

use std::io;

use futures_util::{StreamExt as _, stream};

use crate::executor::Pieces;

/// Makes the archive of a build: the entries of the context, then our files, then its end.
pub(super) fn archive(context: Option<Pieces>, own: &[(&str, &[u8])]) -> io::Result<Pieces> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in own {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content)?;
    }
    let tail = builder.into_inner()?;
    let context = context.unwrap_or_else(|| stream::empty().boxed());
    Ok(context.chain(stream::once(async move { Ok(tail) })).boxed())
}

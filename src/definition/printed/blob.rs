//! Finds what a node has printed between the two marks, and unpacks it; packs it as the old client does. Knows no tree.

use std::io::{self, Read, Write};

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

const BEGIN: &[u8] = b"<__conducto_serialization>";
const END: &[u8] = b"</__conducto_serialization>";

/// More JSON than this is not unpacked: a few kilobytes of gzip can hold terabytes.
const LARGEST_JSON: u64 = 64 << 20;

/// Returns the text between the last pair of marks, without blanks around it.
pub(super) fn find(stdout: &[u8]) -> Result<&str, String> {
    let Some(end) = rfind(stdout, END) else {
        return Err(match rfind(stdout, BEGIN) {
            Some(_) => "its output holds the mark that begins a pipeline, and not the one that ends it".to_owned(),
            None => "it printed no pipeline: nothing stands between <__conducto_serialization> and \
                     </__conducto_serialization> in its standard output"
                .to_owned(),
        });
    };
    let Some(begin) = rfind(&stdout[..end], BEGIN) else {
        return Err("its output holds the mark that ends a pipeline, and not the one that begins it".to_owned());
    };
    let text = std::str::from_utf8(&stdout[begin + BEGIN.len()..end]);
    let text = text.map_err(|_| "the pipeline it printed is not UTF-8 text".to_owned())?;
    match text.trim() {
        "" => Err("nothing stands between the marks of the pipeline it printed".to_owned()),
        text => Ok(text),
    }
}

fn rfind(within: &[u8], mark: &[u8]) -> Option<usize> {
    within.windows(mark.len()).rposition(|window| window == mark)
}

/// Unpacks base64 of gzip, to the end but never beyond a limit.
pub(super) fn unpack(text: &str) -> Result<Vec<u8>, String> {
    // The old client breaks no lines; programs that stand in for it may.
    let packed: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let packed = BASE64_STANDARD.decode(packed).map_err(|error| {
        format!("the pipeline it printed is neither JSON (which begins with a brace) nor base64: {error}")
    })?;
    // At first it is only counted: what is too large takes no memory, and what is not takes no more than it is long.
    let unpacked = || MultiGzDecoder::new(packed.as_slice()).take(LARGEST_JSON + 1);
    let cannot = |error| format!("the pipeline it printed cannot be unpacked: {error}");
    let length = io::copy(&mut unpacked(), &mut io::sink()).map_err(cannot)?;
    if length > LARGEST_JSON {
        return Err(format!("the pipeline it printed is too large: more than {} MiB unpacked", LARGEST_JSON >> 20));
    }
    let mut json = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    unpacked().read_to_end(&mut json).map_err(cannot)?;
    Ok(json)
}

/// Packs JSON as the old client does, with the marks around it. Any level of gzip can be read again; its own is 3.
pub fn pack(json: &[u8], level: u32) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level.min(9)));
    let packed = gzip.write_all(json).and_then(|()| gzip.finish()).expect("writing into memory does not fail");
    let blob = BASE64_STANDARD.encode(packed);
    format!("{}{blob}{}", String::from_utf8_lossy(BEGIN), String::from_utf8_lossy(END))
}

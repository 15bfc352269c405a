//! Finds what a node has printed between the two marks, and unpacks it. Knows no tree.

use std::io::Read;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::MultiGzDecoder;

const BEGIN: &[u8] = b"<__conducto_serialization>";
const END: &[u8] = b"</__conducto_serialization>";

/// More JSON than this is not unpacked: a few kilobytes of gzip can hold terabytes.
const LARGEST_JSON: usize = 64 << 20;

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
    let mut json = Vec::new();
    let limit = LARGEST_JSON as u64 + 1;
    let unpacked = MultiGzDecoder::new(packed.as_slice()).take(limit).read_to_end(&mut json);
    if json.len() > LARGEST_JSON {
        return Err(format!("the pipeline it printed is too large: more than {} MiB unpacked", LARGEST_JSON >> 20));
    }
    unpacked.map_err(|error| format!("the pipeline it printed cannot be unpacked: {error}"))?;
    Ok(json)
}

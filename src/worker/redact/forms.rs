//! How a secret may look in output: as it is, and as programs write it that encode or quote. Pure.

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Bytes of the shortest value that is masked: with less, every other word of a log would go.
pub const SHORTEST: usize = 4;

/// Bytes of the shortest line that is masked by itself, of a value of several lines.
pub const SHORTEST_LINE: usize = 8;

/// Widths at which programs break base64 into lines: `openssl`, and `base64` itself.
const WIDTHS: [usize; 2] = [64, 76];

type Forms = BTreeSet<Vec<u8>>;

/// Adds all forms of a value. Line ends at its end belong to none of them: shells drop them.
pub(super) fn forms(value: &str, found: &mut Forms) {
    let value = value.trim_end_matches(['\n', '\r']);
    if value.len() < SHORTEST {
        return;
    }
    found.insert(value.into());
    lines(value, found);
    base64(value.as_bytes(), found);
    percent(value.as_bytes(), found);
    json(value, found);
    shell(value, found);
    found.insert(hex::encode(value).into());
    found.insert(hex::encode_upper(value).into());
}

/// Lines without letters and digits say nothing.
fn lines(value: &str, found: &mut Forms) {
    if value.contains('\n') {
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        found.extend(lines.filter(|line| line.contains(char::is_alphanumeric)).map(Into::into));
        // As a terminal, or a file of another system, has its line ends.
        found.insert(value.replace("\r\n", "\n").into());
        found.insert(value.replace("\r\n", "\n").replace('\n', "\r\n").into());
    }
}

/// Whatever stands before it, the value is at one of three places within the groups of three bytes. Only digits that hold
/// nothing else are part of the form.
fn base64(value: &[u8], found: &mut Forms) {
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        let bytes = [&vec![0; before][..], value].concat();
        let last = bytes.len() * 8 / 6;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            found.extend(engine.encode(&bytes).get(first..last).map(Into::into));
        }
    }
    let mut whole = STANDARD_NO_PAD.encode(value);
    whole.truncate(value.len() * 8 / 6);
    for width in WIDTHS.into_iter().filter(|width| whole.len() > *width) {
        let pieces = whole.as_bytes().chunks(width).filter(|piece| piece.len() >= SHORTEST_LINE);
        found.extend(pieces.map(<[u8]>::to_vec));
    }
}

/// Which characters stay as they are differs: RFC 3986, Python's `quote`, JavaScript's `encodeURIComponent` and `encodeURI`,
/// forms.
fn percent(value: &[u8], found: &mut Forms) {
    for (kept, blank) in [
        ("-._~", "%20"),
        ("-._~", "+"),
        ("-._~/", "%20"),
        ("-._~!'()*", "%20"),
        ("-._~!'()*;,/?:@&=+$#", "%20"),
        ("*-._", "+"),
    ] {
        for is_upper in [true, false] {
            let mut form = Vec::with_capacity(value.len() * 3);
            for byte in value {
                match *byte {
                    b' ' => form.extend_from_slice(blank.as_bytes()),
                    byte if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) => form.push(byte),
                    byte if is_upper => form.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                    byte => form.extend_from_slice(format!("%{byte:02x}").as_bytes()),
                }
            }
            found.insert(form);
        }
    }
}

/// All escape quotes, backslashes and control characters; some also what is not ASCII, or dangerous in HTML, or slashes.
fn json(value: &str, found: &mut Forms) {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    let plain = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let ascii = |hex: fn(u16) -> String| {
        let mut units = [0; 2];
        let mut form = String::with_capacity(plain.len());
        for character in plain.chars() {
            match character.is_ascii() {
                true => form.push(character),
                false => character.encode_utf16(&mut units).iter().for_each(|unit| form.push_str(&hex(*unit))),
            }
        }
        form
    };
    let (lower, upper) = (ascii(|unit| format!("\\u{unit:04x}")), ascii(|unit| format!("\\u{unit:04X}")));
    for form in [plain, &lower, &upper] {
        found.insert(form.into());
        found.insert(form.replace('/', "\\/").into());
        found.insert(form.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").into());
    }
}

/// As shells show what they run, and as `printf %q` and libraries quote.
fn shell(value: &str, found: &mut Forms) {
    for quote in ["'\\''", "'\"'\"'"] {
        found.insert(value.replace('\'', quote).into());
    }
    let escaped = |special: fn(char) -> bool| {
        let characters =
            value.chars().flat_map(|character| special(character).then_some('\\').into_iter().chain([character]));
        characters.collect::<String>().into_bytes()
    };
    found.insert(escaped(|character| "\"\\$`!".contains(character)));
    found.insert(escaped(|character| "\"\\$`".contains(character)));
    found.insert(escaped(|character| {
        character.is_ascii() && !character.is_ascii_alphanumeric() && !"_-./:=@%+,".contains(character)
    }));
    let dollar = value.replace('\\', "\\\\").replace('\'', "\\'");
    found.insert(dollar.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r").into());
}

//! The redactor against a naive one, with output cut anywhere; and every form against the programs' own.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::Index};

use super::*;

/// Masks what is known whole: byte by byte, pattern by pattern.
fn naive(patterns: &BTreeSet<Vec<u8>>, text: &[u8]) -> Vec<u8> {
    let mut covered = vec![false; text.len()];
    for pattern in patterns.iter().filter(|pattern| pattern.len() >= SHORTEST) {
        for at in 0..text.len() {
            if text[at..].starts_with(pattern) {
                covered[at..at + pattern.len()].fill(true);
            }
        }
    }
    let mut out = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        match (covered[at], at > 0 && covered[at - 1]) {
            (false, _) => out.push(*byte),
            (true, false) => out.extend_from_slice(MASK),
            (true, true) => {}
        }
    }
    out
}

fn masked<'a>(patterns: &Arc<Patterns>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut redactor, mut out) = (Redactor::new(Arc::clone(patterns)), Vec::new());
    pieces.into_iter().for_each(|piece| redactor.feed(piece, &mut out));
    redactor.finish(&mut out);
    out
}

fn cut<'a>(text: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn text(masked: Vec<u8>) -> String {
    String::from_utf8(masked).unwrap()
}

/// Values that overlap themselves and one another as often as can be.
fn narrow(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab".to_vec()), length)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn wherever_output_is_cut_the_same_is_masked(
        patterns in prop::collection::btree_set(narrow(4..12), 1..5), output in narrow(0..120),
        cuts in prop::collection::vec(any::<Index>(), 0..40),
    ) {
        let prepared = Patterns::exactly(patterns.clone()).unwrap();
        prop_assert_eq!(masked(&prepared, cut(&output, &cuts)), naive(&patterns, &output));
    }

    #[test]
    fn a_value_in_any_form_is_masked_in_any_company(
        value in "[ -~äß\n]{8,60}", before in "[x-z\n]{0,9}", after in "[x-z\n]{0,9}",
        form in any::<Index>(), cuts in prop::collection::vec(any::<Index>(), 0..9),
    ) {
        let mut forms = BTreeSet::new();
        super::forms::forms(&value, &mut forms);
        prop_assume!(!forms.is_empty());
        let patterns = Patterns::of([value.as_str()]).unwrap();
        let form = form.get(&forms.iter().collect::<Vec<_>>()).to_vec();
        prop_assume!(form.len() >= SHORTEST);
        let output = [before.as_bytes(), &form, after.as_bytes()].concat();
        let shown = masked(&patterns, cut(&output, &cuts));
        prop_assert_eq!(&shown, &naive(&forms, &output));
        prop_assert!(!shown.windows(form.len()).any(|bytes| bytes == form));
    }

    #[test]
    fn a_stream_that_rests_gives_away_a_quarter_of_a_secret_at_most_and_loses_nothing(
        pieces in prop::collection::vec((narrow(0..9), any::<bool>()), 0..12), pattern in narrow(4..20),
    ) {
        let patterns = Patterns::exactly(BTreeSet::from([pattern.clone()])).unwrap();
        let (mut redactor, mut out, mut all) = (Redactor::new(Arc::clone(&patterns)), Vec::new(), Vec::new());
        for (piece, rests) in &pieces {
            redactor.feed(piece, &mut out);
            all.extend_from_slice(piece);
            if *rests {
                redactor.rest(&mut out);
            }
        }
        redactor.finish(&mut out);
        // Bytes of before an occurrence, plus at most a quarter of each.
        let shown = out.iter().filter(|byte| **byte != b'*').count();
        let clean = naive(&BTreeSet::from([pattern.clone()]), &all);
        let (clean, masks) = (clean.iter().filter(|byte| **byte != b'*').count(), clean.windows(3).filter(|bytes| *bytes == MASK).count());
        let rests = pieces.iter().filter(|(_, rests)| *rests).count();
        prop_assert!(shown >= clean && shown - clean <= rests * (pattern.len() / LEAST_HIDDEN), "{} of {}", shown, clean);
        if masks == 0 {
            prop_assert_eq!(out, all);
        }
    }
}

#[test]
fn what_is_printed_of_a_secret_is_masked_as_programs_write_it() {
    let value = "p\"ss/wo'rd <ü> 100%$x";
    let patterns = Patterns::of([value]).unwrap();
    let shown = |output: &str| text(masked(&patterns, [output.as_bytes()]));
    // Each line is what the program named printed.
    for (program, output) in [
        ("base64", "cCJzcy93bydyZCA8w7w+IDEwMCUkeA=="),
        ("python urllib.parse.quote", "p%22ss/wo%27rd%20%3C%C3%BC%3E%20100%25%24x"),
        ("python urllib.parse.quote_plus", "p%22ss%2Fwo%27rd+%3C%C3%BC%3E+100%25%24x"),
        ("node encodeURIComponent", "p%22ss%2Fwo'rd%20%3C%C3%BC%3E%20100%25%24x"),
        ("node encodeURI", "p%22ss/wo'rd%20%3C%C3%BC%3E%20100%25$x"),
        ("python json.dumps", r#"p\"ss/wo'rd <\u00fc> 100%$x"#),
        ("node JSON.stringify", r#"p\"ss/wo'rd <ü> 100%$x"#),
        ("php json_encode", r#"p\"ss\/wo'rd <\u00fc> 100%$x"#),
        ("go json.Marshal", r#"p\"ss/wo'rd \u003cü\u003e 100%$x"#),
        ("python shlex.quote", r#"p"ss/wo'"'"'rd <ü> 100%$x"#),
        ("sh -x", r#"p"ss/wo'\''rd <ü> 100%$x"#),
        ("xxd -p", "702273732f776f277264203cc3bc3e20313030252478"),
        ("plain", value),
    ] {
        let masked = shown(&format!("<{output}>"));
        // Of base64, the last digit may hold less than six bits of the value.
        assert!(masked.starts_with("<***") && masked.len() <= "<***A==>".len(), "{program}: {masked}");
    }
    assert_eq!(shown("nothing of that"), "nothing of that");
}

#[test]
fn base64_is_masked_wherever_in_the_groups_it_begins() {
    let (secret, patterns) = ("hunter2-and-more", Patterns::of(["hunter2-and-more"]).unwrap());
    for before in ["", "u", "us", "usr", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            for engine in [&base64::prelude::BASE64_STANDARD, &base64::prelude::BASE64_URL_SAFE] {
                use base64::Engine as _;
                let output = engine.encode(format!("{before}{secret}{after}"));
                let shown = text(masked(&patterns, [output.as_bytes()]));
                assert!(shown.contains("***") && shown.len() <= 3 + 8 + 8, "{output} became {shown}");
            }
        }
    }
}

#[test]
fn the_lines_of_a_long_value_are_masked_one_by_one_and_in_wrapped_base64() {
    use base64::Engine as _;
    let line = |fill: char| fill.to_string().repeat(70);
    let value = format!("-----BEGIN KEY-----\n{}\n}}\n{}\n-----END KEY-----\n", line('q'), line('w'));
    let patterns = Patterns::of([value.as_str()]).unwrap();
    let shown = |output: &str| text(masked(&patterns, [output.as_bytes()]));
    assert_eq!(shown(&format!("  {}\nok }}\n", line('w'))), "  ***\nok }\n");
    assert_eq!(shown(&value), "***\n");
    let whole = base64::prelude::BASE64_STANDARD.encode(&value);
    let wrapped: Vec<&str> = whole.as_bytes().chunks(76).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
    let shown = shown(&wrapped.join("\n"));
    assert!(shown.lines().all(|line| line.starts_with("***") && line.len() < 8), "{shown}");
}

#[test]
fn a_prompt_is_shown_when_the_output_rests_and_half_a_secret_is_not() {
    let patterns = Patterns::of(["hunter2-and-more"]).unwrap();
    let (mut redactor, mut out) = (Redactor::new(patterns), Vec::new());
    redactor.feed(b"Go on with h", &mut out);
    assert!(out.ends_with(b"with ") && redactor.is_holding());
    redactor.rest(&mut out);
    assert!(out.ends_with(b"with h") && !redactor.is_holding());
    // Should it be the secret after all, the rest of it is masked.
    redactor.feed(b"unter2-and-more? hunter", &mut out);
    assert!(out.ends_with(b"with h***? "), "{}", String::from_utf8_lossy(&out));
    redactor.rest(&mut out);
    assert!(out.ends_with(b"? ") && redactor.is_holding());
    redactor.feed(b"s are out", &mut out);
    assert!(out.ends_with(b"? hunters are out") && !redactor.is_holding());
    redactor.feed(b" hunter2-and-", &mut out);
    redactor.finish(&mut out);
    assert!(out.ends_with(b"out hunter2-and-"), "a stream that has ended holds nothing back");
}

#[test]
fn what_is_too_short_to_be_masked_is_no_pattern() {
    assert!(Patterns::of(["abc", "", "xy\n"]).is_none());
    let patterns = Patterns::of(["abcd"]).unwrap();
    assert_eq!(text(masked(&patterns, [&b"abc abcd"[..]])), "abc ***");
    assert_eq!(format!("{patterns:?}").matches("abcd").count(), 0);
}

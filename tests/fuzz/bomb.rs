//! A few bytes that unpack to very many: refused, and little memory is taken.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_STANDARD, Engine};
use conducto::definition::printed;
use flate2::{Compression, write::GzEncoder};
use rstest::rstest;

use crate::meter::peak;

/// What does not fit is counted, not kept.
const MOST_MEMORY: usize = 2 << 20;

/// As much JSON as may hold nothing but values of two bytes.
const SIZE: usize = 8 << 20;

/// The most that so much JSON may take, however small its values are.
const MOST_FOR_VALUES: usize = 256 << 20;

fn printed_bomb(mebibytes: usize) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let mebibyte = vec![b' '; 1 << 20];
    for _ in 0..mebibytes {
        gzip.write_all(&mebibyte).unwrap();
    }
    let blob = BASE64_STANDARD.encode(gzip.finish().unwrap());
    format!("<__conducto_serialization>{blob}</__conducto_serialization>").into_bytes()
}

#[test]
fn a_bomb_of_more_than_a_hundred_megabytes_is_refused_at_the_limit() {
    let stdout = printed_bomb(128);
    assert!(stdout.len() < 256 << 10, "a bomb is small, this is {} bytes", stdout.len());
    let begin = Instant::now();
    let (refused, memory) = peak(|| printed::read(&stdout));
    assert_eq!(refused.unwrap_err(), "the pipeline it printed is too large: more than 64 MiB unpacked");
    assert!(memory <= MOST_MEMORY, "it took {memory} bytes");
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn bombs_behind_one_another_are_one_bomb() {
    // gzip allows several members; each of these is below the limit.
    let mut members = Vec::new();
    for _ in 0..3 {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b' '; 40 << 20]).unwrap();
        members.extend(gzip.finish().unwrap());
    }
    let blob = BASE64_STANDARD.encode(members);
    let stdout = format!("<__conducto_serialization>{blob}</__conducto_serialization>");
    let (refused, memory) = peak(|| printed::read(stdout.as_bytes()));
    assert!(refused.unwrap_err().contains("more than 64 MiB unpacked"));
    assert!(memory <= MOST_MEMORY, "it took {memory} bytes");
}

#[rstest]
#[case::nodes("{\"nodes\":[", "{\"id\":\"\",\"type\":\"Exec\"}", "]}")]
#[case::edges("{\"nodes\":[],\"edges\":[", "[\"\",\"\",\"\"]", "]}")]
#[case::images("{\"nodes\":[],\"images\":[", "{}", "]}")]
#[case::words("{\"nodes\":[{\"id\":\"\",\"type\":\"Exec\",\"command\":\"a\",\"docker_run_args\":[", "\"\"", "]}]}")]
#[case::unknown("{\"nodes\":[{\"id\":\"\",\"type\":\"Exec\",\"x\":[", "[]", "]}]}")]
#[case::arguments("{\"nodes\":[{\"id\":\"\",\"type\":\"Exec\",\"callbacks\":[[\"\",[\"\",[", "0", "]]]]}]}")]
fn json_that_is_small_and_becomes_large_in_memory_is_refused(
    #[case] begin: &str,
    #[case] item: &str,
    #[case] end: &str,
) {
    let items = vec![item; SIZE / (item.len() + 1)].join(",");
    let stdout = printed::pack(format!("{begin}{items}{end}").as_bytes(), 1);
    let (refused, memory) = peak(|| printed::read(stdout.as_bytes()));
    assert!(refused.is_err());
    assert!(memory <= MOST_FOR_VALUES, "it took {} MiB: {refused:?}", memory >> 20);
}

//! Random inputs against slow and obvious models, and against each other.

use crate::fixture::*;
use serde_json::{Map, Value, json};
use strongroom_core::canonical::canonicalize;
use strongroom_core::chain::{Chain, State};
use strongroom_core::ed25519::Signer;
use strongroom_core::failure::Failure;
use strongroom_core::reject::Reject;
use strongroom_core::seal::{Mode, Sealer};
use strongroom_core::stored::parse_canonical;
use unicode_normalization::UnicodeNormalization;

const PIECES: [&str; 24] = [
    "a",
    "b",
    "aa",
    "key",
    "op_id",
    "long-plain-text-of-many-words",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{1100}\u{1161}",
    "가",
    "\u{1e9b}\u{323}",
    "\u{fb33}",
    "\u{ffee}",
    "\u{1f600}",
    "\u{10ffff}",
    "\"",
    "\\",
    "\n",
    "\u{1}",
    "\u{7f}",
    "/",
    "\u{2028}",
    "n\u{300}",
];

fn string(random: &mut Random) -> String {
    (0..random.below(4)).map(|_| *random.pick(&PIECES)).collect()
}

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 8 }) {
        0 => Value::Null,
        1 => Value::Bool(random.below(2) == 0),
        2 => json!(random.below(1_000_000) as i64 - 500_000),
        3 => json!([9_007_199_254_740_991i64, -9_007_199_254_740_991, 0, 7][random.below(4)]),
        4 => Value::String(string(random)),
        5 => (0..random.below(4)).map(|_| value(random, depth - 1)).collect(),
        _ => {
            let members = (0..random.below(12)).map(|_| (string(random), value(random, depth - 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// The canonical form by FORMATS 1, or `None` where two keys are equal after NFC.
fn model(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => json!(nfc(text)).to_string(),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(model).collect();
            format!("[{}]", items?.join(","))
        }
        Value::Object(members) => {
            let mut sorted = Vec::new();
            for (key, value) in members {
                sorted.push((nfc(key).encode_utf16().collect::<Vec<_>>(), nfc(key), model(value)?));
            }
            sorted.sort();
            if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return None;
            }
            let members: Vec<String> =
                sorted.iter().map(|(_, key, value)| format!("{}:{value}", json!(key))).collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    })
}

/// The text of a value with white space and needless escapes.
fn spell(random: &mut Random, value: &Value) -> String {
    let space = |random: &mut Random| String::from(*random.pick(&["", "", " ", "\r\n\t"]));
    let quote = |random: &mut Random, text: &str| {
        let mut out = String::from("\"");
        for character in text.chars() {
            if random.below(4) == 0 {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out += &if random.below(2) == 0 {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    };
                }
            } else {
                let quoted = json!(character.to_string()).to_string();
                out += &quoted[1..quoted.len() - 1];
            }
        }
        out + "\""
    };
    let mut out = space(random);
    match value {
        Value::String(text) => out += &quote(random, text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| spell(random, item)).collect();
            out += &format!("[{}{}]", items.join(","), space(random));
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| {
                    let (before, after) = (space(random), space(random));
                    format!("{before}{}{after}:{}", quote(random, key), spell(random, value))
                })
                .collect();
            out += &format!("{{{}{}}}", members.join(","), space(random));
        }
        other => out += &other.to_string(),
    }
    out + &space(random)
}

#[test]
fn canonicalize_is_the_model() {
    let mut random = Random(1);
    let mut refused = 0;
    for _ in 0..20_000 {
        let value = value(&mut random, 4);
        let given = spell(&mut random, &value);
        let got = canonicalize(given.as_bytes());
        let Some(want) = model(&value) else {
            assert_eq!(got, Err(Reject::DuplicateKey), "{given}");
            refused += 1;
            continue;
        };
        let got =
            String::from_utf8(got.unwrap_or_else(|r| panic!("{given}: {r:?}"))).expect("text");
        assert_eq!(got, want, "{given}");
        assert_eq!(canonicalize(want.as_bytes()).as_deref(), Ok(want.as_bytes()));
        assert_eq!(parse_canonical(want.as_bytes()), Ok(()), "{want}");
        assert_eq!(parse_canonical(given.as_bytes()).is_ok(), given == want, "{given}");
    }
    assert!(refused > 10);
}

/// What is read strictly is its own canonical form, whatever the bytes; and nothing panics.
#[test]
fn strict_reading_takes_fixed_points_only() {
    let mut random = Random(2);
    let mut taken = 0;
    for _ in 0..30_000 {
        let value = value(&mut random, 3);
        let mut bytes = match model(&value) {
            Some(text) if random.below(2) == 0 => text,
            _ => spell(&mut random, &value),
        }
        .into_bytes();
        for _ in 0..random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] = *random.pick(b"{}[]\",:\\u0123e.- "),
                _ => {
                    bytes.remove(at);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        let is_fixed = canonicalize(&bytes).is_ok_and(|canonical| canonical == bytes);
        let strict = parse_canonical(&bytes);
        assert_eq!(strict.is_ok(), is_fixed, "{:?}", String::from_utf8_lossy(&bytes));
        taken += usize::from(is_fixed);
    }
    assert!(taken > 5_000, "{taken}");
}

#[test]
fn depth_and_first_fault() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(canonicalize(nested(16).as_bytes()).is_ok());
    assert_eq!(canonicalize(nested(17).as_bytes()), Err(Reject::Depth));
    assert_eq!(parse_canonical(nested(17).as_bytes()), Err(Reject::Depth));
    for (text, want) in [
        (r#"{"a":1,"a":1.5}"#, Reject::DuplicateKey),
        (r#"{"a":1.5,"a":1}"#, Reject::Float),
        (r#"{"b":1,"a":2,"b":"\ud800"}"#, Reject::DuplicateKey),
        ("{\"\u{e9}\":1,\"e\u{301}\":-0}", Reject::DuplicateKey),
        (r#"{"":1,"":2}"#, Reject::DuplicateKey),
    ] {
        assert_eq!(canonicalize(text.as_bytes()), Err(want), "{text}");
    }
}

fn line(random: &mut Random) -> String {
    if random.below(6) == 0 {
        return format!("[\"Bad\",{{}},{{}},\"ok\",{{\"x\":{}.5}}]\n", random.below(9));
    }
    let fill = "x".repeat(random.below(900));
    let attrs = json!({ "z": fill, "a": random.below(1000), "b": [string(random)] });
    format!("[\"GetServed\",{{\"cap_id\":\"c\"}},{{}},\"ok\",{attrs}]\n")
}

fn signer() -> Signer {
    Signer::new(&[1; 32]).expect("a signer")
}

#[test]
fn one_batch_or_many_give_the_same_frames() {
    let mut random = Random(3);
    let mut sealer = Sealer::default();
    for round in 0..40 {
        let lines: Vec<String> = (0..1 + random.below(200)).map(|_| line(&mut random)).collect();
        let whole = BATCH.seal(&lines.concat());
        let (mut state, mut frames, mut at) = (BATCH.state, Vec::new(), 0);
        while at < lines.len() {
            let until = (at + 1 + random.below(30)).min(lines.len());
            let input = lines[at..until].concat();
            let frames_bytes_max = 4180 + random.below(9000);
            let batch = Batch { state, frames_bytes_max, ..BATCH };
            let part = batch.seal_with(&mut sealer, input.as_bytes()).expect("sealed");
            assert!(part.frames.len() <= frames_bytes_max && !part.statuses.is_empty());
            let want = &whole.statuses[at..at + part.statuses.len()];
            assert_eq!(part.statuses, want, "round {round}");
            at += part.statuses.len();
            state = part.state;
            frames.extend(part.frames);
        }
        assert_eq!((state, &frames), (whole.state, &whole.frames));
        let verified = verify(&CHAIN, BATCH.state, &frames);
        assert_eq!((verified.stop, verified.state), (0, whole.state));
        assert_eq!(verified.hashes, whole.hashes);
    }
}

#[test]
fn signing_changes_no_frame_and_entries_are_one_or_one_each() {
    let signer = signer();
    let mut random = Random(4);
    let input: String = (0..50).map(|_| line(&mut random)).collect();
    let signed = |mode| Batch { mode, signer: Some(&signer), ..BATCH }.seal(&input);
    let (unsigned, batch, record) =
        (signed(Mode::Unsigned), signed(Mode::Batch), signed(Mode::Record));
    assert_eq!(unsigned.frames, batch.frames);
    assert_eq!(unsigned.frames, record.frames);
    let entries = |bytes: &[u8]| {
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            at += 4 + word(bytes, at);
            count += 1;
        }
        assert_eq!(at, bytes.len());
        count
    };
    assert_eq!(entries(&unsigned.signatures), 0);
    assert_eq!(entries(&batch.signatures), 1);
    assert_eq!(entries(&record.signatures), record.hashes.len() / 32);
    let refused = Batch { mode: Mode::Batch, signer: Some(&signer), ..BATCH }.seal("[]\n");
    assert_eq!((refused.signatures.len(), refused.state), (0, BATCH.state));
}

#[test]
fn time_never_falls_and_the_last_seq_is_the_last() {
    let good = "[\"K\",{},{},\"ok\",{}]\n";
    let state = State { seq: 9, ts_ms: 77, head: [5; 32] };
    assert_eq!(Batch { state, ts_ms: 76, ..BATCH }.seal(good).state.ts_ms, 77);
    assert_eq!(Batch { state, ts_ms: 78, ..BATCH }.seal(good).state.ts_ms, 78);
    let last = State { seq: (1 << 53) - 2, ..state };
    let sealed = Batch { state: last, ..BATCH }.seal(good);
    assert_eq!(sealed.state.seq, (1 << 53) - 1);
    let beyond = Batch { state: sealed.state, ..BATCH };
    assert_eq!(beyond.seal_with(&mut Sealer::default(), good.as_bytes()), Err(Failure::State));
}

#[test]
fn a_failing_call_writes_nothing() {
    let good = "[\"K\",{},{},\"ok\",{}]\n";
    let mut sealer = Sealer::default();
    let batch = Batch { mode: Mode::Batch, ..BATCH };
    let mut out = vec![7; 5000];
    let missing = sealer.seal(&batch.request(good.as_bytes()), &mut out);
    assert_eq!(missing, Err(Failure::SignerMissing));
    let mut small = vec![7; 200];
    let no_room = sealer.seal(&BATCH.request(good.as_bytes()), &mut small);
    assert_eq!(no_room, Err(Failure::Output));
    let mut request = BATCH.request(good.as_bytes());
    request.count = 2;
    assert_eq!(sealer.seal(&request, &mut out), Err(Failure::Input));
    request.count = 0;
    assert_eq!(sealer.seal(&request, &mut out), Err(Failure::Input));
    assert!(out.iter().chain(&small).all(|&byte| byte == 7));
    assert_eq!(sealer.seal(&BATCH.request(good.as_bytes()), &mut out), Ok(1));
}

#[test]
fn a_line_of_invalid_utf8_is_refused_alone() {
    let good = b"[\"K\",{},{},\"ok\",{\"a\":\"x\"}]\n";
    let mut bad = good.to_vec();
    bad[21] = 0xff;
    let input = [&good[..], &bad, good].concat();
    let sealed = BATCH.seal_with(&mut Sealer::default(), &input).expect("sealed");
    assert_eq!(sealed.statuses, [0, Reject::Utf8.number(), 0]);
    assert_eq!(sealed.state.seq, 2);
}

#[test]
fn any_flipped_bit_stops_the_reading_at_its_frame() {
    let mut random = Random(5);
    let input: String = (0..8).map(|_| line(&mut random)).collect();
    let mut frames = BATCH.seal(&input).frames;
    let whole = verify(&CHAIN, BATCH.state, &frames);
    let starts: Vec<usize> = whole.infos.chunks(32).map(|info| word(info, 0)).collect();
    for at in 0..frames.len() {
        let bit = 1 << random.below(8);
        frames[at] ^= bit;
        let verified = verify(&CHAIN, BATCH.state, &frames);
        frames[at] ^= bit;
        let start = *starts.iter().rfind(|&&start| start <= at).expect("a frame");
        assert_ne!(verified.stop, 0, "byte {at}");
        assert_eq!(verified.bytes, start, "byte {at}");
    }
}

#[test]
fn chains_that_no_writer_has_are_refused() {
    let encode = |writer_id: &str, stream: &str, log_id: &str| {
        let mut bytes = Vec::new();
        for text in [writer_id, stream] {
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(log_id.as_bytes());
        bytes.extend_from_slice(&1024u32.to_le_bytes());
        bytes.extend_from_slice(&4096u32.to_le_bytes());
        bytes
    };
    let quoted = |text: &str| format!("\"{text}\"");
    assert!(Chain::decode(&encode(&quoted(&"w".repeat(128)), &quoted("s"), LOG_ID)).is_ok());
    for (writer_id, stream, log_id) in [
        (quoted(&"w".repeat(129)), quoted("s"), LOG_ID),
        (quoted(""), quoted("s"), LOG_ID),
        (quoted("a/b"), quoted("s"), LOG_ID),
        (quoted("a\u{85}"), quoted("s"), LOG_ID),
        (quoted("\\n"), quoted("s"), LOG_ID),
        (quoted("e\u{301}"), quoted("s"), LOG_ID),
        ("1".to_owned(), quoted("s"), LOG_ID),
        ("\"a\",\"x\":\"b\"".to_owned(), quoted("s"), LOG_ID),
        (quoted("w"), quoted(&"s".repeat(65)), LOG_ID),
        (quoted("w"), quoted("s"), "A75e72aaf01d6331dd8c22950dfe1c76"),
    ] {
        let bytes = encode(&writer_id, &stream, log_id);
        assert!(Chain::decode(&bytes).is_err(), "{writer_id} {stream} {log_id}");
    }
    let good = encode(&quoted("w"), &quoted("s"), LOG_ID);
    for length in 0..good.len() {
        assert!(Chain::decode(&good[..length]).is_err());
    }
    assert!(Chain::decode(&[&good[..], &[0]].concat()).is_err());
}

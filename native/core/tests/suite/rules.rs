//! The rules of the fields to the byte, in drafts and in stored bodies; the links of a chain.

use crate::fixture::*;
use serde_json::json;
use strongroom_core::chain::State;
use strongroom_core::reject::Reject;

/// The status of a draft, and whether its record would be taken if it were stored.
fn judge(parts: [&str; 5]) -> (u8, bool) {
    let sealed = BATCH.seal(&format!("[{}]\n", parts.join(",")));
    let [kind, actor, subject, reason, attrs] = parts;
    let body = format!(
        "{{\"v\":1,\"ts_ms\":5,\"writer_id\":\"svc-gateway@inst-1\",\"seq\":1,\
         \"stream\":\"ingress\",\"kind\":{kind},\"actor\":{actor},\"subject\":{subject},\
         \"reason\":{reason},\"attrs\":{attrs},\"prev\":\"b3:0\"}}"
    );
    let frame = frame(1, &body, &blake3_text(body.as_bytes()));
    let is_taken = verify(&CHAIN, BATCH.state, &frame).stop == 0;
    if sealed.statuses == [0] {
        assert_eq!(sealed.frames, frame);
    }
    (sealed.statuses[0], is_taken)
}

#[test]
fn fields_to_the_byte() {
    const GOOD: [&str; 5] = ["\"GetServed\"", "{}", "{}", "\"ok\"", "{}"];
    let check = |field: usize, value: &str, want: Option<Reject>| {
        let mut parts = GOOD;
        parts[field] = value;
        let status = want.map_or(0, Reject::number);
        assert_eq!(judge(parts), (status, want.is_none()), "{value}");
    };
    let quoted =
        |first: &str, rest: &str, count: usize| format!("\"{first}{}\"", rest.repeat(count));
    check(0, &quoted("K", "9", 63), None);
    check(0, &quoted("K", "k", 64), Some(Reject::Kind));
    for kind in ["\"\"", "\"k\"", "\"9\"", "\"K-\"", "\"K\u{e9}\"", "\"K\\n\""] {
        check(0, kind, Some(Reject::Kind));
    }
    check(3, &quoted("r", "._-9", 15), None);
    check(3, &quoted("r", "a", 64), Some(Reject::Reason));
    for reason in ["\"\"", "\"R\"", "\"_\"", "\"rR\"", "\"r\\n\""] {
        check(3, reason, Some(Reject::Reason));
    }
    for (field, keys, max, code) in [
        (1, &["cap_id", "key_fpr", "passport_id"][..], 256, Reject::Actor),
        (2, &["ledger_txid", "name"], 512, Reject::Subject),
    ] {
        for key in keys {
            let member = |text: &str| json!({ *key: text }).to_string();
            check(field, &member(&"x".repeat(max)), None);
            check(field, &member(&"x".repeat(max + 1)), Some(code));
            check(field, &member(&"\n\u{1}".repeat(max / 2)), None);
            check(field, &member(&"\n\u{1}".repeat(max / 2 + 1)), Some(code));
            check(field, &member(&format!("{}x", "\u{e9}".repeat(max / 2))), Some(code));
            check(field, &member(""), Some(code));
            check(field, &json!({ *key: null }).to_string(), Some(code));
        }
    }
    for value in ["{\"anon\":true}", "{\"anon\":false,\"cap_id\":\"c\"}"] {
        check(1, value, None);
    }
    for value in ["{\"anon\":1}", "{\"anon\":null}", "{\"anon\":\"true\"}", "{\"email\":\"e\"}"] {
        check(1, value, Some(Reject::Actor));
    }
    let content = |hex: &str| json!({ "content_id": format!("b3:{hex}") }).to_string();
    check(2, &content("0"), None);
    check(2, &content(&"f".repeat(64)), None);
    for hex in ["", "g", "A", "0\n", &"0".repeat(65)] {
        check(2, &content(hex), Some(Reject::Subject));
    }
    for (field, value) in [(0, "1"), (1, "[]"), (2, "null"), (3, "{}"), (4, "\"\"")] {
        check(field, value, Some(Reject::FieldType));
    }
    let attrs = |bytes: usize| json!({ "k": "x".repeat(bytes - 8) }).to_string();
    check(4, &attrs(1024), None);
    check(4, &attrs(1025), Some(Reject::AttrsSize));
}

#[test]
fn op_ids_are_uuids_in_drafts_and_noted_in_stored_records() {
    let status = |attrs: &str| BATCH.seal(&format!("[\"K\",{{}},{{}},\"ok\",{attrs}]\n"));
    let id = "0b6e7a52-1f2e-4c3d-9A8B-0123456789aF";
    let sealed = status(&format!("{{\"z\":1,\"op\\u005fid\":\"{id}\"}}"));
    assert_eq!(sealed.statuses, [0]);
    let info = verify(&CHAIN, BATCH.state, &sealed.frames).infos;
    assert_eq!((word(&info, 4), &info[16..]), (4, &unhex(&id.replace('-', ""))[..]));
    for wrong in [
        json!(1),
        json!(""),
        json!(id.replace('-', "")),
        json!(id.replacen('-', "_", 1)),
        json!(id.replace('b', "g")),
        json!(id.replace('b', ":")),
        json!(id.replace('b', "@")),
        json!(format!("{id}0")),
    ] {
        let attrs = json!({ "op_id": wrong }).to_string();
        assert_eq!(status(&attrs).statuses, [Reject::OpId.number()], "{attrs}");
        let attrs = json!({ "a": { "op_id": wrong } }).to_string();
        assert_eq!(status(&attrs).statuses, [0], "{attrs}");
    }
}

#[test]
fn reserved_kinds_and_falling_time_are_noted() {
    let line = |kind: &str| format!("[\"{kind}\",{{}},{{}},\"ok\",{{}}]\n");
    let first = BATCH.seal(&(line("StreamOpened") + &line("IncidentEnded") + &line("Vote2")));
    let flags = |state: State, frames: &[u8]| -> Vec<usize> {
        verify(&CHAIN, state, frames).infos.chunks(32).map(|info| word(info, 4)).collect()
    };
    assert_eq!(flags(BATCH.state, &first.frames), [1, 1, 0]);
    let later = |ts_ms: u64| State { ts_ms, ..BATCH.state };
    assert_eq!(flags(later(5), &first.frames), [1, 1, 0]);
    assert_eq!(flags(later(6), &first.frames), [3, 1, 0]);
}

/// A body of seq 2 that keeps every rule, hashed right, with one thing changed.
#[test]
fn a_right_hash_makes_no_link() {
    let first = BATCH.seal("[\"K\",{},{},\"ok\",{}]\n");
    let second = Batch { state: first.state, ..BATCH }.seal("[\"K\",{},{},\"ok\",{\"a\":1}]\n");
    let body = &second.frames[13..second.frames.len() - 71];
    let body = std::str::from_utf8(body).expect("text");
    let check = |seq: u64, from: &str, to: &str| {
        assert!(body.contains(from));
        let changed = body.replacen(from, to, 1);
        let frame = frame(seq, &changed, &blake3_text(changed.as_bytes()));
        verify(&CHAIN, first.state, &frame).stop
    };
    assert_eq!(check(2, "\"a\":1", "\"a\":2"), 0);
    assert_eq!(check(3, "\"a\":1", "\"a\":2"), 2);
    assert_eq!(check(2, "\"seq\":2", "\"seq\":3"), 2);
    assert_eq!(check(3, "\"seq\":2", "\"seq\":3"), 2);
    let head = &body[body.len() - 66..body.len() - 2];
    assert_eq!(check(2, head, &"0".repeat(64)), 2);
    assert_eq!(check(2, head, &head.to_uppercase()), 2);
    assert_eq!(check(2, &format!("b3:{head}"), "b3:0"), 2);
    assert_eq!(check(2, "\"v\":1", "\"v\":2"), 2);
    assert_eq!(check(2, "svc-gateway@inst-1", "svc-gateway@inst-2"), 2);
    assert_eq!(check(2, "\"ts_ms\":5", "\"ts_ms\":-5"), 2);
    assert_eq!(check(2, "\"ts_ms\":5", "\"ts_ms\":9007199254740992"), 2);
}

#[test]
fn a_length_that_no_frame_has_is_wrong_at_once() {
    let stop = |bytes: &[u8]| verify(&CHAIN, BATCH.state, bytes).stop;
    assert_eq!(stop(&[]), 0);
    assert_eq!(stop(&[0, 16, 0]), 1);
    assert_eq!(stop(&4096u32.to_le_bytes()), 1);
    assert_eq!(stop(&4097u32.to_le_bytes()), 2);
    assert_eq!(stop(&u32::MAX.to_le_bytes()), 2);
}

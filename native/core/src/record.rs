//! The rules of a record's fields, over canonical JSON: a draft's parts once they are canonical,
//! and a stored body as it is read.
//!
//! Source: FORMATS 2, FORMATS 10 (reserved kinds).

use crate::chain::Chain;
use crate::number::INTEGER_MAX;
use crate::reject::{Checked, Reject};
use crate::stored::Stored;
use crate::text;

/// Ceilings; what is configured can only be tighter.
pub const ATTRS_BYTES_MAX: usize = 1024;
pub const RECORD_BYTES_MAX: usize = 4096;

/// `b3:` and 64 hex digits.
pub(crate) const HASH_TEXT_BYTES: usize = 67;

/// In the order of FORMATS 10.
const RESERVED_KINDS: [&str; 20] = [
    "StreamOpened",
    "ChainOpened",
    "Recovered",
    "ConfigUpdated",
    "Gap",
    "KeyCertified",
    "KeyRotationStarted",
    "KeyRotationCompleted",
    "KeyCompromised",
    "Frozen",
    "Unfrozen",
    "Tombstone",
    "Vote",
    "Proposal",
    "Executed",
    "Dispute",
    "HoldPlaced",
    "HoldReleased",
    "IncidentStarted",
    "IncidentEnded",
];

pub(crate) fn is_reserved(kind: &str) -> bool {
    RESERVED_KINDS.contains(&kind)
}

/// The text between the quotes of a canonical string.
fn content(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Errors: `field_type`, `kind`.
pub(crate) fn check_kind(value: &str) -> Checked<&str> {
    let kind = content(value).ok_or(Reject::FieldType)?;
    let holds = kind.len() <= 64
        && kind.starts_with(|first: char| first.is_ascii_uppercase())
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if holds { Ok(kind) } else { Err(Reject::Kind) }
}

/// Errors: `field_type`, `reason`.
pub(crate) fn check_reason(value: &str) -> Checked<()> {
    let reason = content(value).ok_or(Reject::FieldType)?;
    let holds = reason.len() <= 64
        && reason.starts_with(|first: char| first.is_ascii_lowercase())
        && reason.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
    if holds { Ok(()) } else { Err(Reject::Reason) }
}

/// Errors: `field_type`, `actor`.
pub(crate) fn check_actor(value: &str) -> Checked<()> {
    check_object(value, |key, member| match key {
        "anon" => matches!(member, "true" | "false"),
        "cap_id" | "key_fpr" | "passport_id" => is_text_within(member, 256),
        _ => false,
    })
    .map_err(|fault| fault.unwrap_or(Reject::Actor))
}

/// Errors: `field_type`, `subject`.
pub(crate) fn check_subject(value: &str) -> Checked<()> {
    check_object(value, |key, member| match key {
        "content_id" => content(member).is_some_and(is_content_id),
        "ledger_txid" | "name" => is_text_within(member, 512),
        _ => false,
    })
    .map_err(|fault| fault.unwrap_or(Reject::Subject))
}

/// Walks a canonical object; the error is `None` where a member breaks its rule.
fn check_object(value: &str, holds: impl Fn(&str, &str) -> bool) -> Result<(), Option<Reject>> {
    if !value.starts_with('{') {
        return Err(Some(Reject::FieldType));
    }
    let mut all_hold = true;
    Stored::new(value)
        .members(1, |key, member| {
            all_hold &= holds(key, member);
            Ok(())
        })
        .map_err(Some)?;
    if all_hold { Ok(()) } else { Err(None) }
}

fn is_text_within(value: &str, bytes_max: usize) -> bool {
    content(value).is_some_and(|content| {
        // A text without escapes is as long as it looks; one with them is shorter.
        let bytes = content.len();
        let escaped = bytes > bytes_max && content.contains('\\');
        let bytes = if escaped { text::decoded_bytes(content.as_bytes()) } else { bytes };
        (1..=bytes_max).contains(&bytes)
    })
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_content_id(text: &str) -> bool {
    text.strip_prefix("b3:")
        .is_some_and(|hex| (1..=64).contains(&hex.len()) && hex.bytes().all(is_hex))
}

/// The 16 bytes of a UUID in its text form 8-4-4-4-12, given as a canonical string.
pub(crate) fn parse_uuid(value: &str) -> Option<[u8; 16]> {
    const DIGITS_AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    let text: &[u8; 36] = content(value)?.as_bytes().try_into().ok()?;
    let digits = text.map(digit);
    let mut seen = 0;
    let mut uuid = [0; 16];
    for (byte, at) in uuid.iter_mut().zip(DIGITS_AT) {
        let [high, low] = [digits[at], digits[at + 1]];
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    let holds = seen < 16 && [8, 13, 18, 23].iter().all(|&at| text[at] == b'-');
    holds.then_some(uuid)
}

/// The value of a hex digit of either case, 16 or more for any other byte.
#[inline(always)]
fn digit(byte: u8) -> u8 {
    let decimal = byte.wrapping_sub(b'0');
    let letter = (byte | 0x20).wrapping_sub(b'a');
    match (decimal < 10, letter < 6) {
        (true, _) => decimal,
        (_, true) => letter + 10,
        _ => 16,
    }
}

/// What verification needs of a stored body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    pub ts_ms: u64,
    pub seq: u64,
    pub is_reserved: bool,
    pub op_id: Option<[u8; 16]>,
    /// The text of prev, from `b3:` on.
    pub prev: &'a [u8],
}

/// Reads a stored body of a chain: canonical, the fields in their order, every rule of a field
/// kept. That prev and seq continue the chain is for the caller.
pub(crate) fn parse_body<'a>(bytes: &'a [u8], chain: &Chain) -> Checked<Body<'a>> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Reject::RecordSize);
    }
    let mut reader = Stored::new(std::str::from_utf8(bytes).map_err(|_| Reject::Utf8)?);
    reader.literal(b"{\"v\":1,\"ts_ms\":")?;
    let ts_ms = reader.unsigned()?;
    reader.literal(b",\"writer_id\":")?;
    reader.literal(chain.writer_id.as_bytes()).map_err(|_| Reject::WriterId)?;
    reader.literal(b",\"seq\":")?;
    let seq = reader.unsigned()?;
    reader.literal(b",\"stream\":")?;
    reader.literal(chain.stream.as_bytes()).map_err(|_| Reject::Stream)?;
    reader.literal(b",\"kind\":")?;
    let kind = check_kind(reader.part(1)?)?;
    reader.literal(b",\"actor\":")?;
    check_actor(reader.part(1)?)?;
    reader.literal(b",\"subject\":")?;
    check_subject(reader.part(1)?)?;
    reader.literal(b",\"reason\":")?;
    check_reason(reader.part(1)?)?;
    reader.literal(b",\"attrs\":")?;
    let op_id = parse_attrs(&mut reader)?;
    let prev = parse_prev(&mut reader, seq)?;
    Ok(Body { ts_ms, seq, is_reserved: is_reserved(kind), op_id, prev })
}

fn parse_attrs(reader: &mut Stored) -> Checked<Option<[u8; 16]>> {
    if !reader.rest().starts_with(b"{") {
        return Err(Reject::FieldType);
    }
    let start = reader.rest().len();
    let mut op_id = None;
    reader.members(2, |key, value| {
        if key == "op_id" {
            op_id = parse_uuid(value);
        }
        Ok(())
    })?;
    if start - reader.rest().len() > ATTRS_BYTES_MAX {
        return Err(Reject::AttrsSize);
    }
    Ok(op_id)
}

fn parse_prev<'a>(reader: &mut Stored<'a>, seq: u64) -> Checked<&'a [u8]> {
    if !(1..=INTEGER_MAX).contains(&seq) {
        return Err(Reject::Seq);
    }
    reader.literal(b",\"prev\":\"")?;
    let prev = reader.rest().strip_suffix(b"\"}").ok_or(Reject::Prev)?;
    let holds = if seq == 1 {
        prev == b"b3:0"
    } else {
        prev.len() == HASH_TEXT_BYTES
            && prev.starts_with(b"b3:")
            && prev[3..].iter().all(|&byte| is_hex(byte))
    };
    if holds { Ok(prev) } else { Err(Reject::Prev) }
}

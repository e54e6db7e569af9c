//! What is the same for every record of a chain, and where the chain stands.
//!
//! Source: FORMATS 2 (writer_id, stream), 10 (log_id).

use crate::failure::Failure;
use crate::number::INTEGER_MAX;
use crate::stored;
use crate::text;

/// A chain as its records and signatures name it; the texts are canonical JSON strings.
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a> {
    pub writer_id: &'a str,
    pub stream: &'a str,
    /// 32 hex digits, without quotes.
    pub log_id: &'a str,
    pub attrs_bytes_max: usize,
    pub record_bytes_max: usize,
}

/// The last record of a chain; seq 0 and a zero head before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub seq: u64,
    pub ts_ms: u64,
    pub head: [u8; 32],
}

pub const STATE_BYTES: usize = 48;

impl<'a> Chain<'a> {
    /// `u32 len | writer_id | u32 len | stream | 32 bytes log_id | u32 attrs | u32 record`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Failure> {
        let mut rest = bytes;
        let writer_id = take_text(&mut rest)?;
        let stream = take_text(&mut rest)?;
        let log_id = std::str::from_utf8(take(&mut rest, 32)?).map_err(|_| Failure::Chain)?;
        let attrs_bytes_max = take_u32(&mut rest)?;
        let record_bytes_max = take_u32(&mut rest)?;
        let holds = rest.is_empty()
            && is_name(writer_id, 128)
            && !writer_id.contains('/')
            && is_name(stream, 64)
            && log_id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !holds {
            return Err(Failure::Chain);
        }
        Ok(Chain { writer_id, stream, log_id, attrs_bytes_max, record_bytes_max })
    }
}

impl State {
    /// `u64 seq | u64 ts_ms | 32 bytes head`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let (numbers, head) = bytes.split_at_checked(16).ok_or(Failure::State)?;
        let number = |at: usize| u64::from_le_bytes(numbers[at..at + 8].try_into().expect("eight"));
        let state = State {
            seq: number(0),
            ts_ms: number(8),
            head: head.try_into().map_err(|_| Failure::State)?,
        };
        let in_range = state.seq <= INTEGER_MAX && state.ts_ms <= INTEGER_MAX;
        let is_start = state.head == [0; 32];
        if in_range && (state.seq > 0 || is_start) { Ok(state) } else { Err(Failure::State) }
    }

    /// Writes what `decode` reads. Panics unless `out` has STATE_BYTES.
    pub fn encode(&self, out: &mut [u8]) {
        out[..8].copy_from_slice(&self.seq.to_le_bytes());
        out[8..16].copy_from_slice(&self.ts_ms.to_le_bytes());
        out[16..STATE_BYTES].copy_from_slice(&self.head);
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Failure> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Failure::Chain)?;
    *rest = left;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<usize, Failure> {
    let bytes = take(rest, 4)?.try_into().map_err(|_| Failure::Chain)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Failure> {
    let length = take_u32(rest)?;
    let text = take(rest, length)?;
    stored::parse_canonical(text).map_err(|_| Failure::Chain)?;
    std::str::from_utf8(text).map_err(|_| Failure::Chain)
}

/// A canonical string of 1 to `bytes_max` bytes without a control character (category Cc).
fn is_name(quoted: &str, bytes_max: usize) -> bool {
    let Some(content) = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    text::decode(content).is_ok_and(|name| {
        (1..=bytes_max).contains(&name.len()) && !name.chars().any(char::is_control)
    })
}

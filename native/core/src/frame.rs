//! Frames of a WAL segment, byte by byte.
//!
//! `u32 len | u8 v | u64 seq | body | u32 67 | self_hash text`, little-endian.
//!
//! Source: FORMATS 4.

use crate::hash::Digest;
use crate::record::{HASH_TEXT_BYTES, RECORD_BYTES_MAX};

const VERSION: u8 = 1;
pub(crate) const HEAD_BYTES: usize = 13;
pub(crate) const TAIL_BYTES: usize = 4 + HASH_TEXT_BYTES;
pub(crate) const OVERHEAD_BYTES: usize = HEAD_BYTES + TAIL_BYTES;

/// Writes `b3:` and the hex digits of a hash.
#[inline]
pub(crate) fn write_hash(hash: &Digest, out: &mut [u8; HASH_TEXT_BYTES]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out[..3].copy_from_slice(b"b3:");
    for (byte, digits) in hash.iter().zip(out[3..].chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Appends the head of a frame whose length is not known yet.
pub(crate) fn begin(seq: u64, frames: &mut Vec<u8>) {
    frames.extend_from_slice(&[0, 0, 0, 0, VERSION]);
    frames.extend_from_slice(&seq.to_le_bytes());
}

/// Completes the frame begun at `start` behind its body; the hash itself comes later.
pub(crate) fn end(start: usize, frames: &mut Vec<u8>) {
    let len = (frames.len() - start - HEAD_BYTES) as u32;
    frames[start..start + 4].copy_from_slice(&len.to_le_bytes());
    frames.extend_from_slice(&(HASH_TEXT_BYTES as u32).to_le_bytes());
    frames.extend_from_slice(&[b'0'; HASH_TEXT_BYTES]);
}

/// A frame that is well laid out; its content is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub seq: u64,
    pub body: &'a [u8],
    pub self_hash: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    Frame(Frame<'a>),
    End,
    /// Runs past the end of the bytes by a length that a frame can have.
    Incomplete,
    Bad,
}

/// The frame that the bytes begin with.
pub(crate) fn read(bytes: &[u8]) -> Next<'_> {
    if bytes.is_empty() {
        return Next::End;
    }
    let Some((len, _)) = bytes.split_first_chunk() else { return Next::Incomplete };
    let len = u32::from_le_bytes(*len) as usize;
    if len > RECORD_BYTES_MAX {
        return Next::Bad;
    }
    let Some(frame) = bytes.get(..OVERHEAD_BYTES + len) else { return Next::Incomplete };
    let seq = u64::from_le_bytes(frame[5..HEAD_BYTES].try_into().expect("eight bytes"));
    let (body, tail) = frame[HEAD_BYTES..].split_at(len);
    if frame[4] != VERSION || tail[..4] != (HASH_TEXT_BYTES as u32).to_le_bytes() {
        return Next::Bad;
    }
    Next::Frame(Frame { seq, body, self_hash: &tail[4..] })
}

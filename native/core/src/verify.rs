//! Verifying a chain's frames: layout, canonical form, every rule of a field, hashes and links.
//!
//! Everything is known beforehand, so the records of a group are read first and then hashed side
//! by side. Signatures and roots are for the caller.
//!
//! What crosses the seam, little-endian (chain and state as in seal.rs):
//!
//! ```text
//! out     state, new | u32 count | u32 bytes | u32 stop: 0 end, 1 incomplete, 2 bad | u32 zero
//!         | room for n hashes: 32 bytes of self_hash a frame
//!         | room for n infos of 32 bytes: u32 offset in frames | u32 flags | f64 ts_ms
//!           | 16 bytes UUID of op_id
//!         n is what the size of the buffer has room for
//! ```
//!
//! Source: FORMATS 2 and 4.

use crate::chain::{Chain, STATE_BYTES, State};
use crate::failure::Failure;
use crate::frame::{self, Next, write_hash};
use crate::hash::{Body, Digest, Lanes};
use crate::record::{self, HASH_TEXT_BYTES};

const HASH_BYTES: usize = 32;
const INFO_BYTES: usize = 32;
const HEAD_BYTES: usize = STATE_BYTES + 16;

const FLAG_RESERVED_KIND: u32 = 1;
const FLAG_TIME_FELL: u32 = 2;
const FLAG_OP_ID: u32 = 4;

/// Frames read before they are hashed: enough to fill the lanes, few enough to stay in the cache.
const GROUP: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    End = 0,
    /// The next frame runs past the end of the bytes.
    Incomplete = 1,
    /// The next frame is wrong.
    Bad = 2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verified {
    count: usize,
    bytes: usize,
    stop: Stop,
    state: State,
}

/// A frame whose body keeps every rule that needs no hash.
struct Item<'a> {
    end: usize,
    ts_ms: u64,
    flags: u32,
    op_id: [u8; 16],
    prev: &'a [u8],
    self_hash: &'a [u8],
}

/// Memory that one call leaves to the next.
#[derive(Default)]
pub struct Verifier {
    lanes: Lanes,
    bodies: Vec<Body>,
}

impl Verifier {
    /// Verifies frames from the first byte on into the caller's buffer; how many are right.
    pub fn verify(
        &mut self,
        chain: &Chain,
        state: State,
        frames: &[u8],
        out: &mut [u8],
    ) -> Result<u32, Failure> {
        if u32::try_from(frames.len()).is_err() {
            return Err(Failure::Input);
        }
        let (head, rest) = out.split_at_mut_checked(HEAD_BYTES).ok_or(Failure::Output)?;
        let room = rest.len() / (HASH_BYTES + INFO_BYTES);
        let (hashes, infos) = rest.split_at_mut(room * HASH_BYTES);
        let verified = self.run(chain, state, frames, hashes, infos)?;
        verified.state.encode(&mut head[..STATE_BYTES]);
        let numbers = [verified.count as u32, verified.bytes as u32, verified.stop as u32, 0];
        for (number, out) in numbers.iter().zip(head[STATE_BYTES..].chunks_exact_mut(4)) {
            out.copy_from_slice(&number.to_le_bytes());
        }
        Ok(verified.count as u32)
    }

    fn run(
        &mut self,
        chain: &Chain,
        state: State,
        frames: &[u8],
        hashes: &mut [u8],
        infos: &mut [u8],
    ) -> Result<Verified, Failure> {
        let mut done = Verified { count: 0, bytes: 0, stop: Stop::End, state };
        let mut items = Vec::with_capacity(GROUP);
        loop {
            let stop = self.read_group(chain, &done, frames, &mut items);
            self.lanes.lead(frames, &self.bodies);
            let mut text = [0; HASH_TEXT_BYTES];
            write_hash(&done.state.head, &mut text);
            for (index, item) in items.iter().enumerate() {
                let body = self.bodies[index];
                let hash = self.lanes.finish(index, &frames[body.at..body.at + body.len]);
                let links = done.state.seq == 0 || item.prev == text;
                write_hash(&hash, &mut text);
                if !links || item.self_hash != text {
                    return Ok(Verified { stop: Stop::Bad, ..done });
                }
                let out = hashes.get_mut(done.count * HASH_BYTES..).ok_or(Failure::Output)?;
                out.get_mut(..HASH_BYTES).ok_or(Failure::Output)?.copy_from_slice(&hash);
                let out = infos.get_mut(done.count * INFO_BYTES..).ok_or(Failure::Output)?;
                item.write_info(done.bytes, out.get_mut(..INFO_BYTES).ok_or(Failure::Output)?);
                done.advance(item, hash);
            }
            if let Some(stop) = stop {
                return Ok(Verified { stop, ..done });
            }
        }
    }

    /// Reads up to GROUP frames; why it stopped before that, if it did.
    fn read_group<'a>(
        &mut self,
        chain: &Chain,
        done: &Verified,
        frames: &'a [u8],
        items: &mut Vec<Item<'a>>,
    ) -> Option<Stop> {
        items.clear();
        self.bodies.clear();
        let mut at = done.bytes;
        let mut last_ts_ms = done.state.ts_ms;
        while items.len() < GROUP {
            let frame = match frame::read(&frames[at..]) {
                Next::Frame(frame) => frame,
                Next::End => return Some(Stop::End),
                Next::Incomplete => return Some(Stop::Incomplete),
                Next::Bad => return Some(Stop::Bad),
            };
            let Ok(body) = record::parse_body(frame.body, chain) else { return Some(Stop::Bad) };
            let seq = done.state.seq + items.len() as u64 + 1;
            if body.seq != seq || frame.seq != seq {
                return Some(Stop::Bad);
            }
            let mut flags = 0;
            flags |= if body.is_reserved { FLAG_RESERVED_KIND } else { 0 };
            flags |= if body.ts_ms < last_ts_ms { FLAG_TIME_FELL } else { 0 };
            flags |= if body.op_id.is_some() { FLAG_OP_ID } else { 0 };
            last_ts_ms = body.ts_ms;
            let len = frame.body.len();
            self.bodies.push(Body { at: at + frame::HEAD_BYTES, len, known: len });
            at += frame::OVERHEAD_BYTES + len;
            items.push(Item {
                end: at,
                ts_ms: body.ts_ms,
                flags,
                op_id: body.op_id.unwrap_or_default(),
                prev: body.prev,
                self_hash: frame.self_hash,
            });
        }
        None
    }
}

impl Verified {
    fn advance(&mut self, item: &Item, hash: Digest) {
        self.count += 1;
        self.bytes = item.end;
        self.state = State { seq: self.state.seq + 1, ts_ms: item.ts_ms, head: hash };
    }
}

impl Item<'_> {
    fn write_info(&self, offset: usize, out: &mut [u8]) {
        out[..4].copy_from_slice(&(offset as u32).to_le_bytes());
        out[4..8].copy_from_slice(&self.flags.to_le_bytes());
        out[8..16].copy_from_slice(&(self.ts_ms as f64).to_le_bytes());
        out[16..INFO_BYTES].copy_from_slice(&self.op_id);
    }
}

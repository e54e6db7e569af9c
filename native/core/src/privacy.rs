//! Privacy: what of a draft is left out, coarsened or hashed, and which drafts are refused.
//!
//! Reading a draft only notes what may matter ([`Marks`]): a value that is an address, a key that
//! is a listed one. Most drafts have no mark and no trace of a secret ([`secret::Traces`]), and
//! then nothing more is done. Otherwise attrs are walked once, in the record itself.
//!
//! Stored records are never changed by this: verification knows nothing of it.
//!
//! The rules are the table at the top of `src/record/Privacy.ts`.
//! Source: LEDGER, C-82.

use crate::address::{self, Address};
use crate::failure::Failure;
use crate::redact;
use crate::reject::{Checked, Reject};
use crate::secret;
use crate::text;

/// Their values are addresses, whatever they look like; upper and lower case alike.
pub(crate) const ADDRESS_KEYS: [&str; 4] = ["client_ip", "ip", "peer_addr", "remote_ip"];

/// Bytes of a policy as it crosses the seam: `u32 mode | u32 epoch | 32 bytes key`.
pub const POLICY_BYTES: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Measuring and tests: nothing is looked at.
    None,
    Drop,
    Prefix,
    Hash {
        epoch: u32,
        key: [u8; 32],
    },
}

impl Policy {
    /// Modes: 0 drop, 1 prefix, 2 hash, 3 none.
    pub fn decode(bytes: &[u8; POLICY_BYTES]) -> Result<Self, Failure> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        match word(0) {
            0 => Ok(Policy::Drop),
            1 => Ok(Policy::Prefix),
            2 => {
                let key = bytes[8..].try_into().expect("thirty-two");
                Ok(Policy::Hash { epoch: word(4), key })
            }
            3 => Ok(Policy::None),
            _ => Err(Failure::Input),
        }
    }

    /// What stands for an address; `None` where it goes.
    pub(crate) fn replace(&self, address: &Address) -> Option<String> {
        match self {
            Policy::None | Policy::Drop => None,
            Policy::Prefix => Some(address.prefix()),
            Policy::Hash { epoch, key } => {
                let hash = blake3::keyed_hash(key, address.bytes());
                Some(format!("iph:{epoch}:{}", &hash.to_hex()[..32]))
            }
        }
    }
}

/// What reading a draft noted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// An address, or a key that may be one of a list.
    pub attrs: bool,
    /// A string as long as the secret half of an AWS access key.
    pub access_key: bool,
}

impl Marks {
    /// Notes what a key says that stands in `text` from `start` to `end`, without its quotes.
    /// Duty: keys with characters beyond ASCII or escapes are noted with `note_any`.
    #[inline(always)]
    pub(crate) fn note_key(&mut self, text: &[u8], start: usize, end: usize) {
        if let Some(tail) = text.get(end.wrapping_sub(4)..end).and_then(<[u8]>::first_chunk)
            && secret::may_end_key(*tail)
        {
            self.attrs |= text.get(start..end).is_some_and(|key| kind_of(key) != Key::Plain);
        }
    }

    /// Notes that what was read may read as anything.
    pub(crate) fn note_any(&mut self) {
        self.attrs = true;
        self.access_key = true;
    }

    /// Notes what a string is that stands in `text` from `start` to `end`, without its quotes.
    #[inline(always)]
    pub(crate) fn note_value(&mut self, text: &str, start: usize, end: usize) {
        self.access_key |= end - start == secret::ACCESS_KEY_SECRET_LENGTH;
        if begins_like_address(text.as_bytes(), start) && end - start <= address::TEXT_MAX {
            self.attrs |= text.get(start..end).is_some_and(is_address_like);
        }
    }
}

#[inline(never)]
fn is_address_like(text: &str) -> bool {
    address::parse(text).is_some()
}

/// Every address begins so: a digit and a point among the next three characters, up to four hex
/// digits and a colon, or a bracket.
#[inline(always)]
pub(crate) fn begins_like_address(text: &[u8], start: usize) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let Some(&first) = text.get(start) else { return false };
    if !STARTS[usize::from(first)] {
        return false;
    }
    let word = match text.get(start..start + 8).and_then(<[u8]>::first_chunk) {
        Some(bytes) => u64::from_le_bytes(*bytes),
        // Near the end of the text: let the parser look.
        None => return true,
    };
    // A borrow can only add a byte above a right one: a second look, no miss.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES * 0x80);
    let points = zeros(word ^ (ONES * u64::from(b'.'))) & 0xffff_ff00;
    let colons = zeros(word ^ (ONES * u64::from(b':'))) & 0xff_ffff_ffff;
    colons != 0 || (points != 0 && first.is_ascii_digit()) || first == b'['
}

const STARTS: [bool; 256] = {
    let mut starts = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let character = byte as u8;
        starts[byte] = character.is_ascii_hexdigit() || character == b':' || character == b'[';
        byte += 1;
    }
    starts
};

/// Memory that one record leaves to the next.
#[derive(Default)]
pub(crate) struct Redactor {
    text: Vec<u8>,
    /// Values left out or changed in the record last looked at.
    pub(crate) redacted: u32,
    /// A listed key holds a secret.
    is_blocked: bool,
}

impl Redactor {
    /// Applies a policy to the attrs that a record ends with; its kind begins at `start`.
    /// Errors: `attrs_size`.
    #[inline]
    pub(crate) fn redact(
        &mut self,
        policy: &Policy,
        marks: Marks,
        attrs_bytes_max: usize,
        start: usize,
        record: &mut Vec<u8>,
    ) -> Checked<()> {
        self.redacted = 0;
        self.is_blocked = false;
        if !marks.attrs || *policy == Policy::None {
            return Ok(());
        }
        self.walk(policy, attrs_bytes_max, start, record)
    }

    /// Judges what `redact` left, from kind to attrs; `is_traced` where the input may hold a
    /// secret. Errors: `pii_blocked`.
    #[inline]
    pub(crate) fn judge(
        &self,
        policy: &Policy,
        marks: Marks,
        is_traced: bool,
        text: &[u8],
    ) -> Checked<()> {
        if *policy == Policy::None {
            return Ok(());
        }
        // What was written with escapes, or stands in a template, left no trace in the input.
        let may_hold = is_traced || (marks.attrs && secret::may_be_found(text));
        let is_blocked = self.is_blocked
            || (may_hold && secret::is_found(text))
            || (marks.access_key && secret::has_access_key(text));
        if is_blocked { Err(Reject::PiiBlocked) } else { Ok(()) }
    }

    #[inline(never)]
    fn walk(
        &mut self,
        policy: &Policy,
        attrs_bytes_max: usize,
        start: usize,
        record: &mut Vec<u8>,
    ) -> Checked<()> {
        // Unescaped quotes: nothing inside a string looks so, and no key before attrs is this one.
        const ATTRS: &[u8] = b",\"attrs\":";
        let Some(before) = memchr::memmem::find(&record[start..], ATTRS) else { return Ok(()) };
        let attrs_at = start + before + ATTRS.len();
        let walked = redact::walk(policy, &record[attrs_at..], &mut self.text);
        (self.redacted, self.is_blocked) = (walked.redacted, walked.is_blocked);
        if self.redacted > 0 {
            record.truncate(attrs_at);
            record.extend_from_slice(&self.text);
        }
        if record.len() - attrs_at > attrs_bytes_max { Err(Reject::AttrsSize) } else { Ok(()) }
    }
}

/// What a member's key says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Plain,
    Address,
    Secret,
}

/// From the key's canonical text, with its quotes.
#[inline(always)]
pub(crate) fn key_of(quoted: &[u8]) -> Key {
    let tail = quoted[..quoted.len() - 1].last_chunk();
    if tail.is_some_and(|tail| !secret::may_end_key(*tail)) {
        Key::Plain
    } else {
        find_kind(quoted)
    }
}

#[inline(never)]
fn find_kind(quoted: &[u8]) -> Key {
    let name = std::str::from_utf8(&quoted[1..quoted.len() - 1]).unwrap_or("");
    if name.contains('\\') {
        kind_of(text::decode(name).unwrap_or_default().as_bytes())
    } else {
        kind_of(name.as_bytes())
    }
}

#[inline(never)]
fn kind_of(name: &[u8]) -> Key {
    if ADDRESS_KEYS.iter().any(|key| name.eq_ignore_ascii_case(key.as_bytes())) {
        Key::Address
    } else if secret::is_secret_key(name) {
        Key::Secret
    } else {
        Key::Plain
    }
}

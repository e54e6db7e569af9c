//! The walk that takes addresses out of attrs, and looks under the keys of secrets.
//!
//! Source: the table at the top of `src/record/Privacy.ts`.

use crate::address;
use crate::privacy::{Key, Policy, begins_like_address, key_of};
use crate::secret;
use crate::text;

/// What becomes of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
}

pub(crate) struct Walked {
    /// Values left out or changed.
    pub redacted: u32,
    /// A key of the list holds a secret.
    pub is_blocked: bool,
}

/// Writes into `out` what a policy leaves of canonical attrs.
pub(crate) fn walk(policy: &Policy, attrs: &[u8], out: &mut Vec<u8>) -> Walked {
    out.clear();
    let mut walk =
        Walk { policy, text: attrs, at: 0, copied: 0, out, redacted: 0, is_blocked: false };
    walk.value(Key::Plain);
    walk.flush(walk.at);
    Walked { redacted: walk.redacted, is_blocked: walk.is_blocked }
}

/// A walk through canonical text, whose syntax is known to be right.
struct Walk<'a> {
    policy: &'a Policy,
    text: &'a [u8],
    at: usize,
    /// Everything before this position is in `out`, or goes.
    copied: usize,
    out: &'a mut Vec<u8>,
    redacted: u32,
    is_blocked: bool,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Appends what was passed up to a position.
    fn flush(&mut self, end: usize) {
        self.out.extend_from_slice(&self.text[self.copied..end]);
        self.copied = end;
    }

    /// Puts something in place of what was passed since a position.
    fn replace(&mut self, start: usize, with: &[u8]) {
        self.flush(start);
        self.out.extend_from_slice(with);
        self.copied = self.at;
    }

    /// Passes a string; its canonical text between its quotes.
    #[inline(always)]
    fn string(&mut self) -> &'a [u8] {
        let start = self.at + 1;
        let mut end = text::plain_end(self.text, start);
        while self.text.get(end).is_some_and(|&byte| byte != b'"') {
            end += if self.text[end] == b'\\' { 2 } else { 1 };
            end = text::plain_end(self.text, end);
        }
        self.at = end + 1;
        &self.text[start..end]
    }

    fn value(&mut self, key: Key) -> Fate {
        match self.byte() {
            b'"' => return self.text_value(key),
            b'{' => self.object(),
            b'[' => self.array(key),
            first => {
                let is_number = first == b'-' || first.is_ascii_digit();
                self.is_blocked |= key == Key::Secret && is_number;
                while !matches!(self.byte(), b',' | b']' | b'}' | 0) {
                    self.at += 1;
                }
            }
        }
        if key == Key::Address { Fate::Goes } else { Fate::Stays }
    }

    #[inline(always)]
    fn text_value(&mut self, key: Key) -> Fate {
        let start = self.at;
        let content = self.string();
        if key == Key::Plain && !begins_like_address(self.text, start + 1) {
            return Fate::Stays;
        }
        self.judge_text(key, start, content)
    }

    #[inline(never)]
    fn judge_text(&mut self, key: Key, start: usize, content: &[u8]) -> Fate {
        let content = std::str::from_utf8(content).unwrap_or("?");
        self.is_blocked |= key == Key::Secret && !secret::is_mask(content);
        let Some(address) = address::parse(content) else {
            let may_stay = key != Key::Address
                || (*self.policy != Policy::Drop
                    && (address::is_coarse(content) || is_hashed(content)));
            return if may_stay { Fate::Stays } else { Fate::Goes };
        };
        let Some(replacement) = self.policy.replace(&address) else { return Fate::Goes };
        self.redacted += 1;
        self.replace(start + 1, replacement.as_bytes());
        self.out.push(b'"');
        Fate::Stays
    }

    /// An item that goes leaves a null, so that the others keep their places.
    fn array(&mut self, key: Key) {
        let inherited = if key == Key::Secret { key } else { Key::Plain };
        self.at += 1;
        while !matches!(self.byte(), b']' | 0) {
            if self.byte() == b',' {
                self.at += 1;
            }
            let (start, is_blocked) = (self.at, self.is_blocked);
            if self.value(inherited) == Fate::Goes {
                self.redacted += 1;
                self.is_blocked = is_blocked;
                self.replace(start, b"null");
            }
        }
        self.at += 1;
    }

    fn object(&mut self) {
        self.at += 1;
        let mut is_first = true;
        while !matches!(self.byte(), b'}' | 0) {
            let (start, out_start) = (self.at, self.out.len() + self.at - self.copied);
            let (redacted, is_blocked) = (self.redacted, self.is_blocked);
            if self.byte() == b',' {
                self.at += 1;
                if is_first {
                    self.replace(start, b"");
                }
            }
            let name_at = self.at;
            self.string();
            let key = key_of(&self.text[name_at..self.at]);
            self.at += 1;
            if self.value(key) == Fate::Goes {
                // What was inside counts no more.
                self.flush(self.at);
                self.out.truncate(out_start);
                self.redacted = redacted + 1;
                self.is_blocked = is_blocked;
            } else {
                is_first = false;
            }
        }
        self.at += 1;
    }
}

/// Whether a string is what mode hash writes.
fn is_hashed(text: &str) -> bool {
    let Some((epoch, hash)) = text.strip_prefix("iph:").and_then(|rest| rest.split_once(':'))
    else {
        return false;
    };
    (1..=10).contains(&epoch.len())
        && epoch.bytes().all(|b| b.is_ascii_digit())
        && hash.len() == 32
        && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

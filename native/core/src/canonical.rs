//! `canonicalize`: what callers send becomes canonical JSON, or is refused.
//!
//! The text is copied lazily: as long as it is canonical already nothing is moved, and the first
//! deviation (key order, escape, NFC, white space) flushes what was scanned. Objects are read in
//! the order given; one whose keys are out of order is then put right in the output.
//!
//! Faults are reported as the first in reading order, like `src/record/Json.ts`. The fast pass
//! sees two equal keys only at the end of their object, so a text that it refuses is read a second
//! time, carefully, for the code alone.
//!
//! Source: FORMATS 1.

use crate::number;
use crate::privacy::Marks;
use crate::reject::{Checked, Reject};
use crate::text;
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization;

/// Levels of objects and arrays; a record is level 1.
pub(crate) const DEPTH_MAX: u32 = 16;

/// One member of an object, by positions in the output.
#[derive(Clone, Copy, Debug)]
struct Member {
    start: usize,
    key_end: usize,
    end: usize,
    /// The key is ASCII without escapes: its bytes compare like its UTF-16 code units.
    plain: bool,
}

/// Memory that one text leaves to the next; holds nothing in between.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Members of all objects that are open, outermost first.
    members: Vec<Member>,
    order: Vec<(u64, u32)>,
    sorted: Vec<u8>,
    /// What privacy has to look at in the text last read.
    pub(crate) marks: Marks,
}

/// The members of an object just read: where they begin, and whether they stand in order.
pub(crate) struct Members {
    base: usize,
    in_order: bool,
}

/// A cursor over one text, and its canonical form so far.
pub(crate) struct Canonicalizer<'a> {
    text: &'a str,
    at: usize,
    /// Everything before this position is in `out`, everything from it to `at` is not yet.
    copied: usize,
    out: &'a mut Vec<u8>,
    scratch: &'a mut Scratch,
    careful: bool,
}

/// Canonical bytes of one JSON text of any size.
pub fn canonicalize(bytes: &[u8]) -> Checked<Vec<u8>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::Utf8)?;
    let mut out = Vec::with_capacity(bytes.len());
    match Canonicalizer::new(text, &mut out, &mut Scratch::default()).document() {
        Ok(()) => Ok(out),
        Err(fault) => Err(first_fault(text).unwrap_or(fault)),
    }
}

/// The fault of a text that comes first in reading order, if it has one.
pub(crate) fn first_fault(text: &str) -> Option<Reject> {
    let (mut out, mut scratch) = (Vec::new(), Scratch::default());
    let mut reader = Canonicalizer::new(text, &mut out, &mut scratch);
    reader.careful = true;
    reader.document().err()
}

impl<'a> Canonicalizer<'a> {
    pub(crate) fn new(text: &'a str, out: &'a mut Vec<u8>, scratch: &'a mut Scratch) -> Self {
        scratch.members.clear();
        scratch.marks = Marks::default();
        Canonicalizer { text, at: 0, copied: 0, out, scratch, careful: false }
    }

    /// The one value of the text.
    pub(crate) fn document(&mut self) -> Checked<()> {
        self.skip_space();
        self.value(0)?;
        self.end()
    }

    pub(crate) fn end(&mut self) -> Checked<()> {
        self.skip_space();
        self.flush();
        if self.at == self.text.len() { Ok(()) } else { Err(Reject::Json) }
    }

    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        // A zero byte is no JSON, so it can stand for the end.
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// Appends what was scanned to the output and gives the output.
    #[inline(always)]
    pub(crate) fn flush(&mut self) -> &mut Vec<u8> {
        if self.copied < self.at {
            self.out.extend_from_slice(&self.text.as_bytes()[self.copied..self.at]);
            self.copied = self.at;
        }
        self.out
    }

    /// Passes one byte of the text over, so that it does not reach the output.
    pub(crate) fn drop_byte(&mut self, byte: u8) -> Checked<()> {
        if self.peek() != byte {
            return Err(Reject::Json);
        }
        self.flush();
        self.at += 1;
        self.copied = self.at;
        Ok(())
    }

    /// Length of the output once flushed.
    #[inline(always)]
    fn position(&self) -> usize {
        self.out.len() + self.at - self.copied
    }

    #[inline(always)]
    pub(crate) fn skip_space(&mut self) {
        if self.peek() <= b' ' {
            self.drop_space();
        }
    }

    #[inline(never)]
    fn drop_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let count = rest.iter().take_while(|byte| is_space(byte)).count();
        self.flush();
        self.at += count;
        self.copied = self.at;
    }

    /// A value inside `level` objects and arrays.
    pub(crate) fn value(&mut self, level: u32) -> Checked<()> {
        match self.peek() {
            b'"' => {
                let start = self.at + 1;
                self.string()?;
                self.scratch.marks.note_value(self.text, start, self.at - 1);
                Ok(())
            }
            b'{' => {
                let members = self.members(level + 1)?;
                self.settle(&members)
            }
            b'[' => self.array(level + 1),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => {
                (self.at, _) = number::scan(self.text.as_bytes(), self.at)?;
                Ok(())
            }
        }
    }

    fn literal(&mut self, word: &str) -> Checked<()> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(Reject::Json);
        }
        self.at += word.len();
        Ok(())
    }

    /// A string from its opening quote; whether it is plain (and so unchanged).
    #[inline(always)]
    fn string(&mut self) -> Checked<bool> {
        if self.peek() != b'"' {
            return Err(Reject::Json);
        }
        let end = text::plain_end(self.text.as_bytes(), self.at + 1);
        if self.text.as_bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(true);
        }
        self.other_string()?;
        Ok(false)
    }

    /// A string that is not ASCII or has escapes.
    #[inline(never)]
    fn other_string(&mut self) -> Checked<()> {
        let shape = text::scan(self.text.as_bytes(), self.at + 1)?;
        let raw = &self.text[self.at + 1..shape.end];
        if !shape.odd {
            if shape.wide {
                text::check_assigned(raw)?;
            }
            if !shape.wide || !text::may_need_nfc(raw) {
                self.at = shape.end + 1;
                return Ok(());
            }
        }
        // What is written otherwise here may read as anything.
        self.scratch.marks.note_any();
        let decoded = text::decode(raw)?;
        text::check_assigned(&decoded)?;
        self.at += 1;
        self.flush();
        text::encode(decoded.nfc(), self.out);
        self.copied = shape.end;
        self.at = shape.end + 1;
        Ok(())
    }

    fn array(&mut self, level: u32) -> Checked<()> {
        if level > DEPTH_MAX {
            return Err(Reject::Depth);
        }
        self.at += 1;
        self.skip_space();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            self.value(level)?;
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Reject::Json),
            }
        }
    }

    /// Reads an object from its opening brace. Duty: `settle` what it gives.
    pub(crate) fn members(&mut self, level: u32) -> Checked<Members> {
        if level > DEPTH_MAX {
            return Err(Reject::Depth);
        }
        let mut members = Members { base: self.scratch.members.len(), in_order: true };
        self.at += 1;
        self.skip_space();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(members);
        }
        let mut last: &'a str = "";
        let mut seen = self.careful.then(HashSet::new);
        loop {
            self.skip_space();
            let start = self.position();
            let key_at = self.at + 1;
            let plain = self.string()?;
            let key_end = self.position();
            if plain {
                self.scratch.marks.note_key(self.text.as_bytes(), key_at, self.at - 1);
            } else {
                self.scratch.marks.note_any();
            }
            if let Some(seen) = &mut seen
                && !seen.insert(self.flush()[start..].to_vec())
            {
                return Err(Reject::DuplicateKey);
            }
            if members.in_order {
                let text: &'a str = self.text;
                let key = &text[key_at..self.at - 1];
                // The first key may be empty, as `last` is before it.
                let first = self.scratch.members.len() == members.base;
                members.in_order = plain && (first || last < key);
                last = key;
            }
            self.skip_space();
            if self.peek() != b':' {
                return Err(Reject::Json);
            }
            self.at += 1;
            self.skip_space();
            self.value(level)?;
            let end = self.position();
            self.scratch.members.push(Member { start, key_end, end, plain });
            self.skip_space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(members);
                }
                _ => return Err(Reject::Json),
            }
        }
    }

    /// The value of the member with this key (given with its quotes) among those just read.
    pub(crate) fn find(&mut self, members: &Members, quoted_key: &[u8]) -> Option<&[u8]> {
        let length = quoted_key.len();
        let mut range = self.scratch.members[members.base..].iter();
        if !range.any(|member| member.key_end - member.start == length) {
            return None;
        }
        self.flush();
        let mut range = self.scratch.members[members.base..].iter();
        let found = range.find(|member| self.out[member.start..member.key_end] == *quoted_key)?;
        Some(&self.out[found.key_end + 1..found.end])
    }

    /// Puts members into canonical order in the output and forgets them.
    pub(crate) fn settle(&mut self, members: &Members) -> Checked<()> {
        if !members.in_order {
            self.sort(members.base)?;
        }
        self.scratch.members.truncate(members.base);
        Ok(())
    }

    fn sort(&mut self, base: usize) -> Checked<()> {
        self.flush();
        let Scratch { members, order, sorted, .. } = &mut *self.scratch;
        let members = &members[base..];
        if members.iter().all(|member| member.plain) {
            order_plain(members, self.out, order)?;
        } else {
            order_any(members, self.out, order)?;
        }
        sorted.clear();
        for &(_, index) in order.iter() {
            let member = members[index as usize];
            sorted.extend_from_slice(&self.out[member.start..member.end]);
            sorted.push(b',');
        }
        sorted.pop();
        let start = members[0].start;
        self.out[start..start + sorted.len()].copy_from_slice(sorted);
        Ok(())
    }
}

/// Orders members by plain keys; each entry is the key's first bytes and the member's index.
fn order_plain(members: &[Member], out: &[u8], order: &mut Vec<(u64, u32)>) -> Checked<()> {
    let key = |index: u32| {
        let member = members[index as usize];
        &out[member.start + 1..member.key_end - 1]
    };
    order.clear();
    order.extend((0..).zip(members).map(|(index, member)| {
        let length = member.key_end - member.start - 2;
        (first_bytes(out, member.start + 1, length), index)
    }));
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
    let twice = |pair: &[(u64, u32)]| pair[0].0 == pair[1].0 && key(pair[0].1) == key(pair[1].1);
    if order.windows(2).any(twice) { Err(Reject::DuplicateKey) } else { Ok(()) }
}

/// A key's first eight bytes as a number that compares like them. Zeros behind a shorter key keep
/// the order, since a plain key holds no byte below 0x20.
#[inline(always)]
fn first_bytes(out: &[u8], start: usize, length: usize) -> u64 {
    let unused = 8 - length.min(8) as u32;
    match out.get(start..).and_then(|rest| rest.first_chunk()) {
        // What lies behind the key is masked, not cut off: no copy of variable length.
        Some(bytes) => u64::from_be_bytes(*bytes) & u64::MAX.checked_shl(8 * unused).unwrap_or(0),
        None => {
            let mut bytes = [0; 8];
            let length = length.min(8);
            bytes[..length].copy_from_slice(&out[start..start + length]);
            u64::from_be_bytes(bytes)
        }
    }
}

/// Orders members by the UTF-16 code units of their keys.
fn order_any(members: &[Member], out: &[u8], order: &mut Vec<(u64, u32)>) -> Checked<()> {
    let mut keys = Vec::with_capacity(members.len());
    for (index, member) in (0..).zip(members) {
        let raw = &out[member.start + 1..member.key_end - 1];
        let key = text::decode(std::str::from_utf8(raw).map_err(|_| Reject::Utf8)?)?;
        keys.push((key.encode_utf16().collect::<Vec<u16>>(), index));
    }
    keys.sort();
    if keys.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Reject::DuplicateKey);
    }
    order.clear();
    order.extend(keys.iter().map(|&(_, index)| (0, index)));
    Ok(())
}

//! `parseCanonical`: what is stored is read only if it is its own canonical form.
//!
//! Nothing is rewritten and nothing is kept: the reader walks over the bytes and refuses the first
//! that the canonical form would not have.
//!
//! Source: FORMATS 1.

use crate::canonical::DEPTH_MAX;
use crate::number;
use crate::reject::{Checked, Reject};
use crate::text;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A cursor over canonical JSON.
pub(crate) struct Stored<'a> {
    text: &'a str,
    at: usize,
}

/// Whether a text is one canonical JSON value.
pub fn parse_canonical(bytes: &[u8]) -> Checked<()> {
    let text = std::str::from_utf8(bytes).map_err(|_| Reject::Utf8)?;
    let mut reader = Stored::new(text);
    reader.value(0)?;
    reader.end()
}

impl<'a> Stored<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Stored { text, at: 0 }
    }

    pub(crate) fn end(&self) -> Checked<()> {
        if self.at == self.text.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    #[inline(always)]
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    #[inline(always)]
    fn peek(&self) -> u8 {
        self.bytes().get(self.at).copied().unwrap_or(0)
    }

    fn unexpected(&self) -> Reject {
        match self.peek() {
            b' ' | b'\t' | b'\r' | b'\n' => Reject::NotCanonical,
            _ => Reject::Json,
        }
    }

    /// Exactly these bytes.
    #[inline(always)]
    pub(crate) fn literal(&mut self, bytes: &[u8]) -> Checked<()> {
        if !self.bytes()[self.at..].starts_with(bytes) {
            return Err(self.unexpected());
        }
        self.at += bytes.len();
        Ok(())
    }

    /// The text from here on, unread.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes()[self.at..]
    }

    /// A whole value and its text.
    pub(crate) fn part(&mut self, level: u32) -> Checked<&'a str> {
        let start = self.at;
        self.value(level)?;
        Ok(&self.text[start..self.at])
    }

    /// An integer that is not negative.
    pub(crate) fn unsigned(&mut self) -> Checked<u64> {
        if self.peek() == b'-' {
            return Err(Reject::Json);
        }
        let (end, value) = number::scan(self.bytes(), self.at)?;
        self.at = end;
        Ok(value)
    }

    pub(crate) fn value(&mut self, level: u32) -> Checked<()> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b'{' => self.members(level + 1, |_, _| Ok(())),
            b'[' => self.array(level + 1),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => {
                (self.at, _) = number::scan(self.bytes(), self.at)?;
                Ok(())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// A string: its text between the quotes, and whether that is ASCII without escapes.
    #[inline(always)]
    fn string(&mut self) -> Checked<(&'a str, bool)> {
        if self.peek() != b'"' {
            return Err(self.unexpected());
        }
        let start = self.at + 1;
        let end = text::plain_end(self.bytes(), start);
        if self.bytes().get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok((&self.text[start..end], true));
        }
        Ok((self.other_string()?, false))
    }

    #[inline(never)]
    fn other_string(&mut self) -> Checked<&'a str> {
        let start = self.at + 1;
        let shape = text::scan(self.bytes(), start)?;
        self.at = shape.end + 1;
        let raw = &self.text[start..shape.end];
        if shape.odd || shape.wide {
            check_canonical(raw, shape)?;
        }
        Ok(raw)
    }

    fn array(&mut self, level: u32) -> Checked<()> {
        if level > DEPTH_MAX {
            return Err(Reject::Depth);
        }
        self.at += 1;
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(level)?;
            self.at += 1;
            match self.bytes().get(self.at - 1) {
                Some(b',') => {}
                Some(b']') => return Ok(()),
                _ => return Err(Reject::Json),
            }
        }
    }

    /// An object from its opening brace; `each` sees the text of every key and value.
    #[inline]
    pub(crate) fn members(
        &mut self,
        level: u32,
        mut each: impl FnMut(&'a str, &'a str) -> Checked<()>,
    ) -> Checked<()> {
        if level > DEPTH_MAX {
            return Err(Reject::Depth);
        }
        self.at += 1;
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut last: Option<(&str, bool)> = None;
        loop {
            let key = self.string()?;
            match last.map_or(Ordering::Less, |last| compare_keys(last, key)) {
                Ordering::Less => last = Some(key),
                Ordering::Equal => return Err(Reject::DuplicateKey),
                Ordering::Greater => return Err(Reject::KeyOrder),
            }
            self.literal(b":")?;
            let value = self.part(level)?;
            each(key.0, value)?;
            self.at += 1;
            match self.bytes().get(self.at - 1) {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(Reject::Json),
            }
        }
    }
}

#[inline(never)]
fn check_canonical(raw: &str, shape: text::Shape) -> Checked<()> {
    let decoded = if shape.escaped { Cow::Owned(text::decode(raw)?) } else { Cow::Borrowed(raw) };
    text::check_assigned(&decoded)?;
    if text::may_need_nfc(raw) && !text::is_nfc(&decoded) {
        return Err(Reject::NotNfc);
    }
    if shape.odd {
        let mut canonical = Vec::with_capacity(raw.len());
        text::encode(decoded.chars(), &mut canonical);
        if canonical != raw.as_bytes() {
            return Err(Reject::NotCanonical);
        }
    }
    Ok(())
}

/// Orders keys, given as `string` gives them, by their UTF-16 code units.
#[inline(always)]
fn compare_keys((a, a_plain): (&str, bool), (b, b_plain): (&str, bool)) -> Ordering {
    if a_plain && b_plain { a.cmp(b) } else { compare_units(a, b) }
}

#[inline(never)]
fn compare_units(a: &str, b: &str) -> Ordering {
    let decode = |key: &str| text::decode(key).unwrap_or_default();
    decode(a).encode_utf16().cmp(decode(b).encode_utf16())
}

//! Drafts that come as the values of a known shape.
//!
//! Drafts of one kind of event differ in their values only. What they share stands once in a table,
//! canonical already: keys in order, escaped, with their quotes. A draft is then its values, and
//! nothing is parsed. The caller answers for the table (`src/record/Shape.ts` makes it); values are
//! checked here as those of any draft.
//!
//! ```text
//! table     templates
//! template  u16 values, the highest bit set where privacy has to look at a key
//!           | a part each of kind, actor, subject, reason, attrs
//! part      u16 literals | literal | for each further literal: u16 value | literal
//! literal   u16 bytes | canonical text between two values
//! marks     u32 0 | u32 bytes                  a line `[kind,actor,subject,reason,attrs]`
//!           u32 place | u32 end of each value  values: 1 + where the template begins, and ends
//!                                              in bytes from the first value on
//! ```

use crate::failure::Failure;
use crate::privacy::Marks;
use crate::record;
use crate::reject::{Checked, Reject};
use crate::text;
use unicode_normalization::UnicodeNormalization;

const KEY_FLAG: usize = 0x8000;

pub(crate) enum Draft<'a> {
    Line(Checked<&'a str>),
    Shaped(Shaped<'a>),
}

/// Drafts of a batch, one behind the other.
pub(crate) struct Drafts<'a> {
    pub table: &'a [u8],
    pub marks: &'a [u8],
    pub input: &'a [u8],
}

impl<'a> Drafts<'a> {
    pub(crate) fn next(&mut self) -> Option<Draft<'a>> {
        let place = word(self.marks.split_off(..4)?)?;
        if place == 0 {
            let bytes = word(self.marks.split_off(..4)?)?;
            let line = std::str::from_utf8(self.input.split_off(..bytes)?);
            return Some(Draft::Line(line.map_err(|_| Reject::Utf8)));
        }
        let mut template = self.table.get(place - 1..)?;
        let head = half(&mut template)?;
        let (values, has_key) = (head & !KEY_FLAG, head & KEY_FLAG != 0);
        let ends = self.marks.split_off(..4 * values)?;
        let bytes = if values == 0 { 0 } else { word(&ends[4 * (values - 1)..])? };
        let values = std::str::from_utf8(self.input.split_off(..bytes)?).ok()?;
        Some(Draft::Shaped(Shaped { template, ends, values, has_key }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.input.is_empty()
    }
}

fn word(bytes: &[u8]) -> Option<usize> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn half(bytes: &mut &[u8]) -> Option<usize> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(usize::from(u16::from_le_bytes(*head)))
}

pub(crate) struct Shaped<'a> {
    template: &'a [u8],
    ends: &'a [u8],
    values: &'a str,
    has_key: bool,
}

impl Draft<'_> {
    /// What of the input it was read from.
    pub(crate) fn text(&self) -> &str {
        match self {
            Draft::Line(line) => line.unwrap_or(""),
            Draft::Shaped(shaped) => shaped.values,
        }
    }
}

impl Shaped<'_> {
    /// What privacy has to look at.
    pub(crate) fn marks(&self) -> Marks {
        let mut marks = Marks { attrs: self.has_key, ..Marks::default() };
        let mut start = 0;
        for end in self.ends.as_chunks().0 {
            let end = u32::from_le_bytes(*end) as usize;
            if start <= end {
                marks.note_value(self.values, start, end);
            }
            start = end;
        }
        marks
    }

    /// Appends `"kind":…,"actor":…,"subject":…,"reason":…,"attrs":…` to a record, as `draft` does.
    pub(crate) fn append(
        mut self,
        attrs_bytes_max: usize,
        record: &mut Vec<u8>,
    ) -> Result<Checked<()>, Failure> {
        let is_plain = text::plain_end(self.values.as_bytes(), 0) == self.values.len();
        // The only fault of JSON that values can have, and those are told first. Below U+0300,
        // whose first byte is 0xCC, everything is assigned and in NFC.
        if !is_plain
            && self.values.bytes().any(|byte| byte >= 0xcc)
            && text::check_assigned(self.values).is_err()
        {
            return Ok(Err(Reject::Unassigned));
        }
        let text = &mut *record;
        let kind = record::check_kind(self.part(b"\"kind\":", is_plain, text)?).map(|_| ());
        let actor = record::check_actor(self.part(b",\"actor\":", is_plain, text)?);
        let subject = record::check_subject(self.part(b",\"subject\":", is_plain, text)?);
        let reason = record::check_reason(self.part(b",\"reason\":", is_plain, text)?);
        let start = self.begin(b",\"attrs\":", is_plain, text)?;
        let attrs =
            if text.len() - start > attrs_bytes_max { Err(Reject::AttrsSize) } else { Ok(()) };
        Ok(kind.and(actor).and(subject).and(reason).and(attrs))
    }

    /// Appends a field's name and value; the canonical text of the value.
    fn part<'r>(
        &mut self,
        name: &[u8],
        is_plain: bool,
        record: &'r mut Vec<u8>,
    ) -> Result<&'r str, Failure> {
        let start = self.begin(name, is_plain, record)?;
        std::str::from_utf8(&record[start..]).map_err(|_| Failure::Input)
    }

    /// Appends a field's name and value; where the value begins.
    fn begin(
        &mut self,
        name: &[u8],
        is_plain: bool,
        record: &mut Vec<u8>,
    ) -> Result<usize, Failure> {
        record.extend_from_slice(name);
        let start = record.len();
        self.fill(is_plain, record).ok_or(Failure::Input)?;
        Ok(start)
    }

    fn fill(&mut self, is_plain: bool, record: &mut Vec<u8>) -> Option<()> {
        let literals = half(&mut self.template)?;
        self.literal(record)?;
        for _ in 1..literals {
            let index = half(&mut self.template)?;
            let value = self.value(index)?;
            if is_plain || text::plain_end(value.as_bytes(), 0) == value.len() {
                record.extend_from_slice(value.as_bytes());
            } else if text::may_need_nfc(value) {
                text::encode(value.nfc(), record);
            } else {
                text::encode(value.chars(), record);
            }
            self.literal(record)?;
        }
        Some(())
    }

    #[inline(always)]
    fn literal(&mut self, record: &mut Vec<u8>) -> Option<()> {
        let bytes = half(&mut self.template)?;
        record.extend_from_slice(self.template.split_off(..bytes)?);
        Some(())
    }

    #[inline(always)]
    fn value(&self, index: usize) -> Option<&str> {
        let end = |index: usize| word(self.ends.get(4 * index..4 * index + 4)?);
        let start = if index == 0 { 0 } else { end(index - 1)? };
        self.values.get(start..end(index)?)
    }
}

//! JSON strings: where they end, what they hold, their canonical form.
//!
//! Almost every string of a record is plain ASCII without an escape; such a string is its own
//! canonical form and is only scanned, eight bytes at a time. Everything else goes through
//! [`decode`] and [`encode`], which are plain and slow.
//!
//! Source: FORMATS 1 rules 2 and 5.

use crate::reject::{Checked, Reject};
use crate::unassigned::UNASSIGNED;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// What a scan saw between the quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Position of the closing quote.
    pub end: usize,
    /// Holds a backslash.
    pub escaped: bool,
    /// Holds an escape that the canonical form may write otherwise: `\/` or `\uXXXX`.
    pub odd: bool,
    /// Holds a character from U+0300 on: below, everything is assigned and in NFC.
    pub wide: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = ONES * 0x80;

/// High bits set in the bytes below 0x20, at `"`, at `\` and from 0x80 on. A borrow can set a
/// wrong bit only above a right one, so the lowest bit is always right.
#[inline(always)]
fn special_bytes(word: u64) -> u64 {
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let control = word.wrapping_sub(ONES * 0x20);
    (control | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES) | word) & HIGH_BITS
}

/// The first byte from `at` on that ends or interrupts a run of plain characters.
#[inline(always)]
pub(crate) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = text.get(at..at + 8) {
        let word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let special = special_bytes(word);
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while at < text.len() && !matches!(text[at], 0..0x20 | b'"' | b'\\' | 0x80..) {
        at += 1;
    }
    at
}

/// Scans a string whose first character is at `at`.
pub(crate) fn scan(text: &[u8], mut at: usize) -> Checked<Shape> {
    let mut shape = Shape::default();
    loop {
        match *text.get(at).ok_or(Reject::Json)? {
            b'"' => return Ok(Shape { end: at, ..shape }),
            b'\\' => {
                shape.escaped = true;
                at += match text.get(at + 1) {
                    Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                    Some(b'/') => {
                        shape.odd = true;
                        2
                    }
                    Some(b'u') if is_hex4(text, at + 2) => {
                        shape.odd = true;
                        6
                    }
                    _ => return Err(Reject::Json),
                };
            }
            0..0x20 => return Err(Reject::Json),
            lead @ 0x80.. => {
                // 0xCC begins U+0300; a continuation byte is below it.
                shape.wide |= lead >= 0xcc;
                at += 1;
            }
            _ => at = plain_end(text, at),
        }
    }
}

fn is_hex4(text: &[u8], at: usize) -> bool {
    text.get(at..at + 4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Whether Unicode 16.0 assigns a code point (noncharacters count as assigned).
pub(crate) fn is_assigned(character: char) -> bool {
    let code = u32::from(character);
    let index = UNASSIGNED.partition_point(|&(_, last)| last < code);
    UNASSIGNED.get(index).is_none_or(|&(first, _)| code < first)
}

pub(crate) fn check_assigned(text: &str) -> Checked<()> {
    // Everything below U+0300 is.
    if text.chars().all(|character| character < '\u{300}' || is_assigned(character)) {
        Ok(())
    } else {
        Err(Reject::Unassigned)
    }
}

/// Whether a string may change under NFC; escapes in it change nothing about a `false`, since
/// they are ASCII and ASCII never decides the quick check.
pub(crate) fn may_need_nfc(text: &str) -> bool {
    is_nfc_quick(text.chars()) != IsNormalized::Yes
}

pub(crate) fn is_nfc(text: &str) -> bool {
    text.chars().nfc().eq(text.chars())
}

/// The characters of a scanned string. Errors: `surrogate`.
pub(crate) fn decode(text: &str) -> Checked<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let letter = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        match letter {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let (character, used) = decode_units(rest)?;
                out.push(character);
                rest = &rest[used..];
            }
            other => out.push(char::from(other)),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The character at the four hex digits behind a `\u`, and the bytes it takes with its partner.
fn decode_units(rest: &str) -> Checked<(char, usize)> {
    let unit =
        |at: usize| rest.get(at..at + 4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let first = unit(0).ok_or(Reject::Json)?;
    let second = if rest.get(4..6) == Some("\\u") { unit(6) } else { None };
    let units = [first, second.unwrap_or(0)];
    match char::decode_utf16(units).next() {
        Some(Ok(character)) => Ok((character, if character > '\u{ffff}' { 10 } else { 4 })),
        _ => Err(Reject::Surrogate),
    }
}

/// Appends the canonical form of a string's characters, without quotes.
pub(crate) fn encode(characters: impl Iterator<Item = char>, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for character in characters {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..' ' => {
                let code = character as usize;
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[code >> 4], HEX[code & 15]]);
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Bytes that the characters of a canonical string take, escapes undone.
pub(crate) fn decoded_bytes(canonical: &[u8]) -> usize {
    let mut bytes = 0;
    let mut at = 0;
    while at < canonical.len() {
        at += match (canonical[at], canonical.get(at + 1)) {
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            _ => 1,
        };
        bytes += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_scan_finds_what_a_byte_scan_finds() {
        let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x80;
        for special in 0..=255u8 {
            for at in 0..20 {
                let mut text = [b'~'; 20];
                text[at] = special;
                text[19] = 0x1f;
                let want = text.iter().position(|&byte| is_special(byte)).unwrap_or(20);
                assert_eq!(plain_end(&text, 0), want, "{special} at {at}");
            }
        }
    }

    #[test]
    fn the_table_is_that_of_the_vectors() {
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/vectors/unicode-16-unassigned.json");
        let bytes = std::fs::read(path).expect("the vectors");
        let vectors: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let ranges = vectors["ranges"].as_array().expect("ranges");
        assert_eq!(ranges.len(), UNASSIGNED.len());
        for (range, (first, last)) in ranges.iter().zip(UNASSIGNED) {
            assert_eq!(range, &serde_json::json!([first, last]));
        }
    }

    #[test]
    fn the_table_decides_as_its_ranges_say() {
        let mut listed = vec![false; 0x11_0000];
        for (first, last) in UNASSIGNED {
            listed[first as usize..=last as usize].fill(true);
        }
        for code in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert_eq!(is_assigned(code), !listed[code as usize], "{code:?}");
        }
    }

    #[test]
    fn normalization_data_is_of_unicode_16_or_later() {
        let (major, _, _) = unicode_normalization::UNICODE_VERSION;
        assert!(major >= 16);
        // Todhri, new in 16.0.
        assert!("\u{105d2}\u{307}".chars().nfc().eq(['\u{105c9}']));
    }

    #[test]
    fn encode_undoes_decode() {
        for code in (0..=0x10_ffff).filter_map(char::from_u32) {
            let mut out = Vec::new();
            encode(std::iter::once(code), &mut out);
            let text = std::str::from_utf8(&out).expect("UTF-8");
            assert_eq!(decode(text).expect("valid"), code.to_string());
            assert_eq!(decoded_bytes(&out), code.len_utf8());
        }
    }

    #[test]
    fn surrogates_pair_or_are_refused() {
        assert_eq!(decode(r"\ud83d\ude00x").expect("a pair"), "\u{1f600}x");
        for lone in
            [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\u0041", r"\ud83d\ud83d", r"\ude00\ud83d"]
        {
            assert_eq!(decode(lone), Err(Reject::Surrogate), "{lone}");
        }
    }
}

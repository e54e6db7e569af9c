//! Entries of a `.sig` file, and the envelopes in them: deterministic CBOR.
//!
//! Only what this engine signs is written here; reading is done where trust is.
//!
//! Source: FORMATS 4 (`.sig`), FORMATS 6 (envelope), RFC 8949 section 4.2.1.

use crate::hash::Digest;

const UNSIGNED: u8 = 0 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const NULL: u8 = 0xf6;

/// No entry is longer.
pub const ENTRY_BYTES_MAX: usize = 4 + 1 + 9 + 9 + 34 + 1 + ENVELOPE_BYTES;
const ENVELOPE_BYTES: usize = 1 + 1 + 1 + 7 + 1 + 2 + 64 + 1 + 2 + 35;

pub(crate) struct Entry<'a> {
    pub first: u64,
    pub last: u64,
    /// `None` for the signature of one record.
    pub root: Option<&'a Digest>,
    pub key_id: &'a str,
    pub signature: &'a [u8; 64],
}

/// The shortest head for an argument, as the deterministic encoding demands.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    match argument {
        0..24 => out.push(major | argument as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    head(TEXT, value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    head(BYTES, value.len() as u64, out);
    out.extend_from_slice(value);
}

impl Entry<'_> {
    /// Appends `u32 len | [first, last, root or null, [envelope]]`.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        head(ARRAY, 4, out);
        head(UNSIGNED, self.first, out);
        head(UNSIGNED, self.last, out);
        match self.root {
            Some(root) => bytes(root, out),
            None => out.push(NULL),
        }
        head(ARRAY, 1, out);
        self.append_envelope(out);
        let len = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn append_envelope(&self, out: &mut Vec<u8>) {
        head(MAP, 3, out);
        head(UNSIGNED, 1, out);
        text("ed25519", out);
        head(UNSIGNED, 2, out);
        bytes(self.signature, out);
        head(UNSIGNED, 3, out);
        text(self.key_id, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_the_shortest() {
        // RFC 8949 appendix A.
        for (value, want) in [
            (0, &[0x00u8][..]),
            (23, &[0x17]),
            (24, &[0x18, 24]),
            (255, &[0x18, 0xff]),
            (256, &[0x19, 1, 0]),
            (65_535, &[0x19, 0xff, 0xff]),
            (65_536, &[0x1a, 0, 1, 0, 0]),
            (1_000_000_000_000, &[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0]),
        ] {
            let mut out = Vec::new();
            head(UNSIGNED, value, &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn no_entry_is_longer_than_the_bound() {
        let key_id = format!("b3:{}", "0".repeat(32));
        let root = [0; 32];
        let entry = Entry {
            first: u64::MAX,
            last: u64::MAX,
            root: Some(&root),
            key_id: &key_id,
            signature: &[0; 64],
        };
        let mut out = Vec::new();
        entry.append(&mut out);
        assert_eq!(out.len(), ENTRY_BYTES_MAX);
    }
}

//! What no record may hold: credentials, by their form or by the key that they stand under.
//!
//! Patterns match nothing that canonical JSON escapes, so that a match in canonical text is one in
//! one string of it. Every pattern holds one of `LITERALS` (or an `@` or a `~`); those are looked
//! for first, in one pass over the input, and almost every draft ends there.
//!
//! The lists are those of `src/record/Secret.ts`; a test compares them. Source: LEDGER A-206, C-82.

use aho_corasick::packed::{Config, Searcher};
use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

const PATTERNS: [&str; 20] = [
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    r"eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.",
    r"[Bb]earer (?:[0-9A-Za-z._~+/-]{0,8}[0-9][0-9A-Za-z._~+/-]{6,}|[0-9A-Za-z._~+/-]{16,})",
    r"X-Amz-S(?:ignature|ecurity-Token)=[0-9A-Za-z%+/]{16,}",
    r"(?:aws_secret_access_key|[Ss]ecretAccessKey)[ :=]+[0-9A-Za-z+/]{40}",
    r"AWS_SECRET_ACCESS_KEY[ :=]+[0-9A-Za-z+/]{40}",
    r"AIza[0-9A-Za-z_-]{35}",
    r"GOCSPX-[0-9A-Za-z_-]{20,}",
    r"ya29\.[0-9A-Za-z_-]{20,}",
    r"Key=[0-9A-Za-z+/]{40,}",
    r"sig=[0-9A-Za-z%+/]{40,}",
    r"[0-9]Q~[0-9A-Za-z_~.-]{31,34}",
    r"gh[oprsu]_[0-9A-Za-z]{36,}",
    r"github_pat_[0-9A-Za-z_]{22,}",
    r"xox[abeprs]-[0-9A-Za-z-]{10,}",
    r"xapp-[0-9A-Za-z-]{10,}",
    r"hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z/]{20,}",
    r"(?:[rs]k_(?:live|test)|whsec)_[0-9A-Za-z+/]{16,}",
    r"hv[bs]\.[0-9A-Za-z_-]{24,}",
    "://[^/?#@: \"\\\\]*:[^/?#@ \"\\\\]+@",
];

/// At most 32 of at least four bytes: what the searcher does at its full width. Each goes into one
/// of its eight buckets by its place here, and this order is one by which little else looks like a
/// bucket's literals; a bad one costs half as much again.
const LITERALS: [&str; 31] = [
    "_access_k",
    "xoxb-",
    "xoxs-",
    "hvb.",
    "hub_pat_",
    "s.slack.com/",
    "rer ",
    "xoxa-",
    "Key=",
    "ghp_",
    "AIza",
    "hvs.",
    "ghs_",
    "k_test_",
    "ATE KEY",
    "k_live_",
    "Amz-S",
    "ghr_",
    "xapp-",
    ".eyJ",
    "gho_",
    "whsec_",
    "tAccessK",
    "_ACCESS_K",
    "sig=",
    "xoxr-",
    "ghu_",
    "ya29.",
    "xoxp-",
    "xoxe-",
    "GOCSPX-",
];

/// A key that is one of these, upper and lower case alike, holds a secret.
const KEYS: [&str; 14] = [
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "passcode",
    "proxy-authorization",
    "pwd",
    "secret",
    "secretbinary",
    "secretstring",
    "set-cookie",
    "token",
];

/// And so does one that ends with one of these.
const KEY_ENDS: [&str; 36] = [
    "access-token",
    "access_token",
    "accesstoken",
    "api-key",
    "api_key",
    "apikey",
    "auth-token",
    "auth_token",
    "authtoken",
    "bearer-token",
    "bearer_token",
    "bearertoken",
    "client-secret",
    "client_secret",
    "clientsecret",
    "id-token",
    "id_token",
    "idtoken",
    "passphrase",
    "passwd",
    "password",
    "private-key",
    "private_key",
    "privatekey",
    "refresh-token",
    "refresh_token",
    "refreshtoken",
    "secret-access-key",
    "secret_access_key",
    "secret-key",
    "secret_key",
    "secretaccesskey",
    "secretkey",
    "session-token",
    "session_token",
    "sessiontoken",
];

/// Stands for a secret and is none: these words, letters in brackets, nothing but `*` or `x`.
const MASKS: [&str; 7] =
    ["hidden", "hidden_due_to_security_reasons", "masked", "none", "null", "redacted", "removed"];

const ACCESS_KEY_ID: &str = "A(?:KIA|SIA)[0-9A-Z]{16}";
const ACCESS_KEY_SECRET: &str = r#"[:,\[]"([0-9A-Za-z+/]{40})"[,\]}]"#;

/// Characters of the secret half of an AWS access key.
pub(crate) const ACCESS_KEY_SECRET_LENGTH: usize = 40;

static SEARCHER: LazyLock<Option<Searcher>> =
    LazyLock::new(|| Config::new().builder().extend(LITERALS).build());

fn compile(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("a constant pattern")
}

static FORMS: LazyLock<Regex> = LazyLock::new(|| compile(&PATTERNS.join("|")));
static ID_FORM: LazyLock<Regex> = LazyLock::new(|| compile(ACCESS_KEY_ID));
static SECRET_FORM: LazyLock<Regex> = LazyLock::new(|| compile(ACCESS_KEY_SECRET));

/// Whether a text can hold what `is_found` looks for; `false` is certain.
pub(crate) fn may_be_found(canonical: &[u8]) -> bool {
    Traces::new(canonical).lie_within(0, canonical.len())
}

/// Where in the input of a batch secrets may lie: one search over all of it, a step at a time.
pub(crate) struct Traces<'a> {
    input: &'a [u8],
    /// The next literal and the next `@` or `~`, of those looked for so far.
    literal: usize,
    sign: usize,
    searched: bool,
}

impl<'a> Traces<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Traces { input, literal: 0, sign: 0, searched: false }
    }

    /// Whether there is one in a part of the input. Duty: parts are asked for in their order.
    #[inline]
    pub(crate) fn lie_within(&mut self, start: usize, end: usize) -> bool {
        if self.literal < start || !self.searched {
            self.literal = self.find_literal(start);
        }
        if self.sign < start || !self.searched {
            let found = memchr::memchr2(b'@', b'~', self.input.get(start..).unwrap_or(&[]));
            self.sign = found.map_or(usize::MAX, |at| start + at);
        }
        self.searched = true;
        self.literal < end || self.sign < end
    }

    fn find_literal(&self, start: usize) -> usize {
        let Some(searcher) = SEARCHER.as_ref() else {
            // Where the machine has no vectors to search with, every text is looked at.
            return start;
        };
        let rest = self.input.get(start..).unwrap_or(&[]);
        searcher.find(rest).map_or(usize::MAX, |found| start + found.start())
    }
}

/// Whether canonical JSON holds a string with a credential in it.
pub(crate) fn is_found(canonical: &[u8]) -> bool {
    FORMS.is_match(canonical)
}

/// Whether a string is the secret half of an AWS access key whose id stands in the same text.
pub(crate) fn has_access_key(canonical: &[u8]) -> bool {
    let is_mixed = |secret: &[u8]| {
        secret.iter().any(u8::is_ascii_uppercase)
            && secret.iter().any(u8::is_ascii_lowercase)
            && secret.iter().any(u8::is_ascii_digit)
    };
    SECRET_FORM.captures_iter(canonical).any(|found| is_mixed(&found[1]))
        && ID_FORM.is_match(canonical)
}

/// Whether a key says that its value is a secret.
pub(crate) fn is_secret_key(key: &[u8]) -> bool {
    let ends = |end: &str| {
        key.len()
            .checked_sub(end.len())
            .is_some_and(|start| key[start..].eq_ignore_ascii_case(end.as_bytes()))
    };
    KEY_ENDS.iter().any(|end| ends(end))
        || KEYS.iter().any(|whole| whole.len() == key.len() && ends(whole))
}

/// Whether a string under such a key only stands for what was there.
pub(crate) fn is_mask(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_bracketed = inner.is_some_and(|inner| {
        (1..=32).contains(&inner.len())
            && inner.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b' ' | b'_' | b'-'))
    });
    is_bracketed
        || text.bytes().all(|b| matches!(b, b'*' | b'x' | b'X'))
        || MASKS.iter().any(|mask| text.eq_ignore_ascii_case(mask))
}

const TAIL_BITS: u32 = 14;

/// Upper case becomes lower case; what else changes here only costs a second look.
const fn tail_hash(tail: u32) -> usize {
    ((tail | 0x2020_2020).wrapping_mul(0x9e37_79b1) >> (32 - TAIL_BITS)) as usize
}

/// A bit for the hash of the last four bytes of every key that means something.
static TAILS: [u64; (1 << TAIL_BITS) / 64] = {
    let mut tails = [0; (1 << TAIL_BITS) / 64];
    let lists: [&[&str]; 3] = [&KEYS, &KEY_ENDS, &crate::privacy::ADDRESS_KEYS];
    let mut list = 0;
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            if let Some(tail) = lists[list][index].as_bytes().last_chunk() {
                let hash = tail_hash(u32::from_le_bytes(*tail));
                tails[hash / 64] |= 1 << (hash % 64);
            }
            index += 1;
        }
        list += 1;
    }
    tails
};

/// Whether the text of a key that ends so can be in a list; `false` is certain where the key has no
/// escape and no character beyond ASCII. The one key of fewer than four bytes that is in a list
/// brings the opening quote of its text along, and so does `pwd` with nothing before it.
#[inline(always)]
pub(crate) fn may_end_key(tail: [u8; 4]) -> bool {
    const IP: u32 = u32::from_le_bytes(*b"\"ip\0");
    const PWD: u32 = u32::from_le_bytes(*b"\"pwd");
    const JWT: u32 = u32::from_le_bytes(*b"\"jwt");
    let tail = u32::from_le_bytes(tail) | 0x2020_2020;
    let hash = tail_hash(tail);
    TAILS[hash / 64] >> (hash % 64) & 1 != 0 || tail >> 8 == IP || tail == PWD || tail == JWT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_searcher_exists_here() {
        assert!(SEARCHER.is_some());
        assert!(LITERALS.len() <= 32 && LITERALS.iter().all(|literal| literal.len() >= 4));
    }
}

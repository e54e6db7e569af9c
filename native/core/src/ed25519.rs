//! Ed25519: signing with a key that stays here, and verification by the strict rule.
//!
//! Libraries differ in which odd keys and signatures they take ("Taming the many EdDSAs", SSR
//! 2020). The cases on which they differ are decided here, before the library sees them: S < L,
//! canonical A and R, no A or R of small order. What is left for the library is the equation
//! without cofactor, `[S]B = R + [k]A`, which it checks by comparing the bytes of R.
//!
//! Source: FORMATS 6; RFC 8032 sections 5.1.6 and 5.1.7.

use crate::failure::Failure;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use std::sync::OnceLock;
use zeroize::Zeroizing;

pub const PUBLIC_KEY_BYTES: usize = 32;
pub const SIGNATURE_BYTES: usize = 64;
pub type Signature = [u8; SIGNATURE_BYTES];

pub(crate) const RECORD_CONTEXT: &str = "strongroom/r1";
pub(crate) const BATCH_CONTEXT: &str = "strongroom/batch/v1";
/// Longer contexts than those of FORMATS 6 do not occur.
const CONTEXT_BYTES_MAX: usize = 64;

/// p = 2^255 - 19, the order of the field, little-endian.
const FIELD_ORDER: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed;
    bytes[31] = 0x7f;
    bytes
};
/// L = 2^252 + 27742317777372353535851937790883648493, the order of B, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// y of the eight points whose order divides 8; the sign of x plays no part.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = FIELD_ORDER;
        minus_one[0] -= 1;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Which code signs and verifies in this process, `none` if it fails its self-test.
pub fn signing() -> &'static str {
    static NAME: OnceLock<&str> = OnceLock::new();
    NAME.get_or_init(|| if self_test().is_some() { "aws-lc" } else { "none" })
}

/// RFC 8032 section 7.1, test 2: key, signature, verification, and a wrong one.
fn self_test() -> Option<()> {
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let pair = Ed25519KeyPair::from_seed_unchecked(&unhex::<32>(SEED)?).ok()?;
    let public: [u8; 32] = pair.public_key().as_ref().try_into().ok()?;
    let signature: Signature = pair.try_sign(&[0x72]).ok()?.as_ref().try_into().ok()?;
    let is_right = public == unhex(PUBLIC)?
        && signature == unhex(SIGNATURE)?
        && verify(&public, &[0x72], &signature)
        && !verify(&public, &[0x73], &signature);
    is_right.then_some(())
}

fn unhex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// A signing key. Dropping it wipes it: the library clears what it frees.
pub struct Signer {
    pair: Ed25519KeyPair,
    public_key: [u8; PUBLIC_KEY_BYTES],
    key_id: String,
}

impl Signer {
    /// Copies the seed; the caller wipes its own.
    pub fn new(seed: &[u8; 32]) -> Result<Self, Failure> {
        if signing() == "none" {
            return Err(Failure::SigningUnavailable);
        }
        let seed = Zeroizing::new(*seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed[..]).map_err(|_| Failure::Signing)?;
        let public_key: [u8; 32] =
            pair.public_key().as_ref().try_into().map_err(|_| Failure::Signing)?;
        let key_id = format!("b3:{}", &blake3::hash(&public_key).to_hex()[..32]);
        Ok(Signer { pair, public_key, key_id })
    }

    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.public_key
    }

    /// `b3:` and 32 hex digits.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Signs `context 0x00 digest`.
    pub fn sign(&self, context: &str, digest: &[u8; 32]) -> Result<Signature, Failure> {
        let message = Message::new(context, digest).ok_or(Failure::Input)?;
        let signature = self.pair.try_sign(message.bytes()).map_err(|_| Failure::Signing)?;
        signature.as_ref().try_into().map_err(|_| Failure::Signing)
    }
}

/// `context 0x00 digest`.
struct Message {
    bytes: [u8; CONTEXT_BYTES_MAX + 33],
    len: usize,
}

impl Message {
    fn new(context: &str, digest: &[u8; 32]) -> Option<Self> {
        let len = context.len() + 33;
        let mut bytes = [0; CONTEXT_BYTES_MAX + 33];
        bytes.get_mut(..context.len())?.copy_from_slice(context.as_bytes());
        bytes.get_mut(context.len() + 1..len)?.copy_from_slice(digest);
        Some(Message { bytes, len })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether a signature is right by the strict rule.
pub fn verify(public_key: &[u8; 32], message: &[u8], signature: &Signature) -> bool {
    is_strict(public_key, signature)
        && ParsedPublicKey::new(&ED25519, public_key)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
}

/// Which signatures over `context 0x00 digest` are right: one byte 0 or 1 each. Digests have 32
/// bytes each, signatures 64.
pub fn verify_many(
    public_key: &[u8],
    context: &str,
    digests: &[u8],
    signatures: &[u8],
    out: &mut [u8],
) -> Result<(), Failure> {
    if signing() == "none" {
        return Err(Failure::SigningUnavailable);
    }
    let (digests, odd) = digests.as_chunks::<32>();
    let (signatures, odd_signature) = signatures.as_chunks::<SIGNATURE_BYTES>();
    let fits = odd.is_empty() && odd_signature.is_empty() && digests.len() == signatures.len();
    if !fits || context.len() > CONTEXT_BYTES_MAX {
        return Err(Failure::Input);
    }
    let out = out.get_mut(..digests.len()).ok_or(Failure::Output)?;
    out.fill(0);
    // A key of another length has no right signatures.
    let Ok(public_key) = <&[u8; 32]>::try_from(public_key) else { return Ok(()) };
    let Ok(key) = ParsedPublicKey::new(&ED25519, public_key) else { return Ok(()) };
    for ((digest, signature), out) in digests.iter().zip(signatures).zip(out) {
        let message = Message::new(context, digest).ok_or(Failure::Input)?;
        let is_right =
            is_strict(public_key, signature) && key.verify_sig(message.bytes(), signature).is_ok();
        *out = u8::from(is_right);
    }
    Ok(())
}

/// The checks that do not need the message.
fn is_strict(public_key: &[u8; 32], signature: &Signature) -> bool {
    let (r, s) = signature.split_at(32);
    is_below(s, &GROUP_ORDER) && is_point_text(public_key) && is_point_text(r)
}

/// Whether 32 bytes name a point in its one canonical way, and none of small order. That they are
/// on the curve at all is left to the library.
fn is_point_text(bytes: &[u8]) -> bool {
    let mut y: [u8; 32] = bytes.try_into().expect("32 bytes");
    y[31] &= 0x7f;
    is_below(&y, &FIELD_ORDER) && !SMALL_ORDER_Y.contains(&y)
}

/// Compares little-endian numbers.
fn is_below(number: &[u8], limit: &[u8]) -> bool {
    number.iter().rev().lt(limit.iter().rev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_signs() {
        assert_eq!(signing(), "aws-lc");
    }

    #[test]
    fn bounds_are_exclusive() {
        let mut below = GROUP_ORDER;
        below[0] -= 1;
        assert!(is_below(&below, &GROUP_ORDER));
        assert!(!is_below(&GROUP_ORDER, &GROUP_ORDER));
        assert!(!is_below(&[0xff; 32], &GROUP_ORDER));
    }

    #[test]
    fn a_context_has_a_bound() {
        let signer = Signer::new(&[1; 32]).expect("a signer");
        assert!(signer.sign(&"c".repeat(CONTEXT_BYTES_MAX), &[0; 32]).is_ok());
        assert_eq!(signer.sign(&"c".repeat(CONTEXT_BYTES_MAX + 1), &[0; 32]), Err(Failure::Input));
    }
}

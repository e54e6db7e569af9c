//! The strict rule of FORMATS 6 on the keys and signatures on which libraries differ.

use crate::fixture::*;
use strongroom_core::ed25519::{Signer, verify, verify_many};
use strongroom_core::failure::Failure;

/// "Taming the many EdDSAs", table 5. The only one to count is case 3: A and R of mixed order, the
/// equation without cofactor holds. Cases 4 and 5 hold with the cofactor only.
#[test]
fn speccheck() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/data/ed25519-speccheck.json");
    let cases: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("the cases")).expect("JSON");
    let cases = cases.as_array().expect("a list");
    assert_eq!(cases.len(), 12);
    for (index, case) in cases.iter().enumerate() {
        let [message, public_key, signature] =
            ["message", "pub_key", "signature"].map(|name| unhex(text(case, name)));
        let is_right = verify(&array(&public_key), &message, &array(&signature));
        assert_eq!(is_right, index == 3, "case {index}");
    }
}

/// All encodings of the eight small-order points, canonical or not, and nearby ones.
fn small_order() -> Vec<[u8; 32]> {
    let p = {
        let mut p = [0xff; 32];
        (p[0], p[31]) = (0xed, 0x7f);
        p
    };
    let plus = |mut bytes: [u8; 32], n: u8| {
        bytes[0] += n;
        bytes
    };
    let mut minus_one = p;
    minus_one[0] -= 1;
    let hex = |text: &str| array::<32>(&unhex(text));
    let y = [
        [0; 32],
        plus([0; 32], 1),
        minus_one,
        p,
        plus(p, 1),
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ];
    let with_sign = |mut bytes: [u8; 32]| {
        bytes[31] |= 0x80;
        bytes
    };
    y.into_iter().flat_map(|bytes| [bytes, with_sign(bytes)]).collect()
}

#[test]
fn small_order_points_are_refused_as_key_and_as_r() {
    let encodings = small_order();
    assert_eq!(encodings.len(), 14);
    let signer = Signer::new(&[7; 32]).expect("a signer");
    for a in &encodings {
        for r in &encodings {
            // With S = 0 many pairs satisfy the equation for some message; try several.
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(r);
            for message in 0..32u8 {
                assert!(!verify(a, &[message], &signature));
            }
        }
        let mut signature = signer.sign("c", &[1; 32]).expect("a signature");
        signature[..32].copy_from_slice(a);
        assert!(!verify(signer.public_key(), b"c", &signature));
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let signer = Signer::new(&[9; 32]).expect("a signer");
    let digest = [3; 32];
    let signature = signer.sign("strongroom/r1", &digest).expect("a signature");
    let check = |key: &[u8], digest: &[u8], signature: &[u8]| {
        let mut out = [9];
        verify_many(key, "strongroom/r1", digest, signature, &mut out).expect("an answer");
        out[0]
    };
    let key = signer.public_key();
    assert_eq!(check(key, &digest, &signature), 1);
    for bit in 0..512 {
        let mut wrong = signature;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(key, &digest, &wrong), 0, "signature bit {bit}");
    }
    for bit in 0..256 {
        let mut wrong = *key;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(check(&wrong, &digest, &signature), 0, "key bit {bit}");
    }
    let mut message = b"strongroom/r1\0".to_vec();
    message.extend_from_slice(&digest);
    assert!(verify(key, &message, &signature));
}

/// S + L is the same scalar; taking it would make signatures malleable.
#[test]
fn s_is_below_the_group_order() {
    let order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let signer = Signer::new(&[4; 32]).expect("a signer");
    let signature = signer.sign("c", &[0; 32]).expect("a signature");
    let mut large = signature;
    let mut carry = 0u16;
    for (byte, add) in large[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    let mut out = [9; 2];
    let both = [signature, large].concat();
    verify_many(signer.public_key(), "c", &[0; 64], &both, &mut out).expect("an answer");
    assert_eq!(out, [1, 0]);
}

#[test]
fn lengths_have_to_fit() {
    let key = [1; 32];
    let check = |key: &[u8], digests: usize, signatures: usize, out: usize| {
        let (digests, signatures) = (vec![0; digests], vec![0; signatures]);
        verify_many(key, "c", &digests, &signatures, &mut vec![9; out])
    };
    assert_eq!(check(&key, 0, 0, 0), Ok(()));
    assert_eq!(check(&key, 31, 64, 1), Err(Failure::Input));
    assert_eq!(check(&key, 32, 63, 1), Err(Failure::Input));
    assert_eq!(check(&key, 32, 128, 2), Err(Failure::Input));
    assert_eq!(check(&key, 64, 128, 1), Err(Failure::Output));
    assert_eq!(check(&key[1..], 32, 64, 1), Ok(()));
    let mut out = [9];
    verify_many(&key[1..], "c", &[0; 32], &[0; 64], &mut out).expect("an answer");
    assert_eq!(out, [0]);
}

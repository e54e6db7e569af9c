//! The outside vectors of `test/vectors`, which every implementation reads.

use crate::fixture::*;
use serde_json::{Map, Value};
use strongroom_core::canonical::canonicalize;
use strongroom_core::ed25519::{self, Signer};
use strongroom_core::merkle::{Level, Tree};
use strongroom_core::reject::Reject;
use strongroom_core::seal::Mode;
use strongroom_core::stored::parse_canonical;

#[test]
fn canonical_json() {
    let vectors = vectors("canonical.json");
    for case in cases(&vectors, "cases") {
        let given = text(case, "text");
        let got = canonicalize(given.as_bytes());
        let Some(want) = case["canonical"].as_str() else {
            assert!(got.is_err(), "{given} became {got:?}");
            continue;
        };
        let got = got.unwrap_or_else(|reject| panic!("{given}: {reject:?}"));
        assert_eq!(std::str::from_utf8(&got), Ok(want), "{given}");
        assert_eq!(blake3_text(&got), text(case, "b3"), "{given}");
        assert_eq!(parse_canonical(&got), Ok(()), "{given}");
        assert_eq!(parse_canonical(given.as_bytes()).is_ok(), given == want, "{given}");
    }
}

#[test]
fn records_json() {
    let vectors = vectors("records.json");
    let mut taken = 0;
    for case in cases(&vectors, "cases") {
        let (name, record) = (text(case, "name"), &case["record"]);
        let Some(canonical) = case["canonical"].as_str() else {
            // Fields of the draft that break their rule are refused on the way in, too.
            let rest = ["v", "ts_ms", "writer_id", "seq", "stream", "prev", "missing", "extra"];
            if ["kind", "reason", "actor", "content_id", "attrs"].iter().any(|f| name.contains(f))
                && !rest.iter().any(|field| name.contains(field))
            {
                let sealed = BATCH.seal(&draft(record));
                assert_ne!(sealed.statuses, [0], "{name}");
                taken += 1;
            }
            continue;
        };
        let seq = record["seq"].as_u64().expect("seq");
        let self_hash = text(case, "self_hash");
        assert_eq!(blake3_text(canonical.as_bytes()), self_hash, "{name}");
        let chain = strongroom_core::chain::Chain {
            writer_id: &as_stored(&record["writer_id"]),
            stream: &as_stored(&record["stream"]),
            ..CHAIN
        };
        let mut state = BATCH.state;
        if seq > 1 {
            state.seq = seq - 1;
            state.head = hash_of(text(record, "prev"));
        }
        let frame = frame(seq, canonical, self_hash);
        let verified = verify(&chain, state, &frame);
        assert_eq!((verified.stop, verified.bytes), (0, frame.len()), "{name}");
        let batch = Batch { chain, state, ts_ms: record["ts_ms"].as_u64().expect("ms"), ..BATCH };
        assert_eq!(batch.seal(&draft(record)).frames, frame, "{name}");
        taken += 1;
    }
    assert!(taken > 12, "only {taken} cases were checked");
}

fn as_stored(value: &Value) -> String {
    String::from_utf8(canonicalize(value.to_string().as_bytes()).expect("canonical")).expect("text")
}

#[test]
fn chain_json() {
    let vectors = vectors("chain.json");
    let records = cases(&vectors, "records");
    let mut state = BATCH.state;
    let (mut frames, mut hashes) = (Vec::new(), Vec::new());
    for record in records {
        let ts_ms = record["ts_ms"].as_u64().expect("ms");
        let sealed = Batch { state, ts_ms, ..BATCH }.seal(&draft(record));
        assert_eq!(sealed.hashes, hash_of(text(record, "self_hash")), "seq {}", state.seq + 1);
        state = sealed.state;
        frames.extend(sealed.frames);
        hashes.extend(sealed.hashes);
    }
    let verified = verify(&CHAIN, BATCH.state, &frames);
    assert_eq!((verified.stop, verified.state), (0, state));
    assert_eq!(verified.hashes, hashes);

    let [first, last] = [0, 1].map(|at| vectors["range"][at].as_u64().expect("a bound") as usize);
    let range = &mut hashes[32 * (first - 1)..32 * last];
    let mut tree = Tree::default();
    assert_eq!(tree.root(range, Level::Leaves), Some(hash_of(text(&vectors, "root"))));
    let tampered = vectors["tampered_seq"].as_u64().expect("seq") as usize;
    let leaf = &mut range[32 * (tampered - first)..][..32];
    let digest = unhex(&blake3_text(leaf)[3..]);
    leaf.copy_from_slice(&digest);
    assert_eq!(tree.root(range, Level::Leaves), Some(hash_of(text(&vectors, "tampered_root"))));
}

#[test]
fn merkle_json() {
    let chain = vectors("chain.json");
    let hashes: Vec<u8> =
        cases(&chain, "records").iter().flat_map(|r| hash_of(text(r, "self_hash"))).collect();
    let vectors = vectors("merkle.json");
    for case in cases(&vectors, "cases") {
        let size = case["size"].as_u64().expect("a size") as usize;
        let root = Tree::default().root(&hashes[..32 * size], Level::Leaves);
        assert_eq!(root, Some(hash_of(text(case, "root"))), "size {size}");
    }
}

#[test]
fn wal_json() {
    let (wal, chain, keys) =
        (vectors("wal.json"), vectors("chain.json"), vectors("signatures.json"));
    let records = cases(&chain, "records");
    let seed = unhex(text(&keys, "private_key_hex"));
    let signer = Signer::new(&array(&seed)).expect("a signer");
    let mut state = BATCH.state;
    let mut frames = Vec::new();
    for record in &records[..3] {
        let ts_ms = record["ts_ms"].as_u64().expect("ms");
        let sealed = Batch { state, ts_ms, ..BATCH }.seal(&draft(record));
        state = sealed.state;
        frames.extend(sealed.frames);
    }
    let segment = unhex(text(&wal, "hex"));
    assert_eq!(frames, segment[32..]);

    let first = Batch {
        mode: Mode::Record,
        signer: Some(&signer),
        ts_ms: records[0]["ts_ms"].as_u64().expect("ms"),
        ..BATCH
    };
    let record_entry = first.seal(&draft(&records[0])).signatures;
    let entries = unhex(text(&wal, "sig_hex"));
    assert_eq!(record_entry, entries[..record_entry.len()]);
    // The second entry's records differ in ts_ms, so no batch of ours seals them: its root.
    let batch_entry = &entries[record_entry.len()..];
    let hashes: Vec<u8> =
        records[1..3].iter().flat_map(|r| hash_of(text(r, "self_hash"))).collect();
    let root = Tree::default().root(&hashes, Level::Leaves).expect("a root");
    assert!(batch_entry.windows(32).any(|bytes| bytes == root));
}

#[test]
fn signatures_json() {
    let vectors = vectors("signatures.json");
    let signer = Signer::new(&array(&unhex(text(&vectors, "private_key_hex")))).expect("a signer");
    assert_eq!(signer.key_id(), text(&vectors, "pubkey_id"));
    let receipt = &vectors["receipt"];
    let hash = hash_of(text(&receipt["record"], "self_hash"));
    let signature = signer.sign("strongroom/r1", &hash).expect("a signature");
    let mut out = [0];
    let public = signer.public_key();
    ed25519::verify_many(public, "strongroom/r1", &hash, &signature, &mut out).expect("an answer");
    assert_eq!(out, [1]);
    let envelopes = unhex(text(&vectors, "envelopes_cbor_hex"));
    assert!(envelopes.windows(64).any(|bytes| bytes == signature));

    let leaf = Signer::new(&array(&unhex(text(&vectors, "leaf_private_key_hex")))).expect("a key");
    assert_eq!(leaf.key_id(), text(&vectors["certificate"], "pubkey_id"));
}

#[test]
fn reject_numbers_are_those_of_the_other_engine() {
    use Reject::*;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/record/Reject.ts");
    let source = std::fs::read_to_string(path).expect("Reject.ts");
    let mut table = Map::new();
    for line in source.lines() {
        if let Some((name, rest)) = line.trim().split_once(": [")
            && let Some((number, _)) = rest.split_once(',')
            && let Ok(number) = number.parse::<u8>()
        {
            table.insert(name.to_owned(), number.into());
        }
    }
    assert_eq!(table.len(), 32);
    let ours = [
        Json,
        Utf8,
        Float,
        NegativeZero,
        IntegerRange,
        DuplicateKey,
        Surrogate,
        Unassigned,
        Depth,
        NotCanonical,
        KeyOrder,
        NotNfc,
        FieldUnknown,
        FieldMissing,
        FieldType,
        Version,
        TsMs,
        WriterId,
        Seq,
        Stream,
        Kind,
        Actor,
        Subject,
        Reason,
        AttrsSize,
        RecordSize,
        Prev,
        SelfHash,
        OpId,
        PiiBlocked,
    ];
    for reject in ours {
        let name = format!("{reject:?}").chars().fold(String::new(), |mut name, letter| {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
            name
        });
        assert_eq!(table[&name], reject.number(), "{name}");
    }
}

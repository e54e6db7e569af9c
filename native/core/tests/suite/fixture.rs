//! What several suites need: the vectors, a chain, and batches through the seam's layouts.

use serde_json::Value;
use strongroom_core::chain::{Chain, STATE_BYTES, State};
use strongroom_core::ed25519::Signer;
use strongroom_core::failure::Failure;
use strongroom_core::hash::{Body, Lanes};
use strongroom_core::seal::{Mode, Request, Sealer};
use strongroom_core::verify::Verifier;

pub const LOG_ID: &str = "a75e72aaf01d6331dd8c22950dfe1c76";

pub const CHAIN: Chain = Chain {
    writer_id: "\"svc-gateway@inst-1\"",
    stream: "\"ingress\"",
    log_id: LOG_ID,
    attrs_bytes_max: 1024,
    record_bytes_max: 4096,
};

pub fn vectors(file: &str) -> Value {
    let path = format!("{}/../../test/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&bytes).expect("a vector file is JSON")
}

/// The cases of a vector file; a file without any fails the test.
pub fn cases<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let cases = vectors[name].as_array().expect("a list of cases");
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a string in {value}"))
}

pub fn unhex(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0);
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

pub fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the right length")
}

pub fn hash_of(text: &str) -> [u8; 32] {
    array(&unhex(text.strip_prefix("b3:").expect("a hash")))
}

/// The line of a record's draft.
pub fn draft(record: &Value) -> String {
    let parts =
        ["kind", "actor", "subject", "reason", "attrs"].map(|name| record[name].to_string());
    format!("[{}]\n", parts.join(","))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub state: State,
    pub statuses: Vec<u8>,
    pub hashes: Vec<u8>,
    pub signatures: Vec<u8>,
    pub frames: Vec<u8>,
}

pub struct Batch<'a> {
    pub chain: Chain<'a>,
    pub state: State,
    pub ts_ms: u64,
    pub mode: Mode,
    pub signer: Option<&'a Signer>,
    pub frames_bytes_max: usize,
}

pub const BATCH: Batch = Batch {
    chain: CHAIN,
    state: State { seq: 0, ts_ms: 0, head: [0; 32] },
    ts_ms: 5,
    mode: Mode::Unsigned,
    signer: None,
    frames_bytes_max: usize::MAX,
};

pub fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(array(&bytes[at..at + 4])) as usize
}

impl Batch<'_> {
    pub fn request<'a>(&'a self, input: &'a [u8]) -> Request<'a> {
        Request {
            chain: self.chain,
            state: self.state,
            input,
            table: &[],
            marks: &[],
            privacy: strongroom_core::privacy::Policy::Drop,
            count: input.iter().filter(|&&byte| byte == b'\n').count() as u32,
            ts_ms: self.ts_ms,
            mode: self.mode,
            signer: self.signer,
            frames_bytes_max: self.frames_bytes_max,
        }
    }

    pub fn seal_with(&self, sealer: &mut Sealer, input: &[u8]) -> Result<Sealed, Failure> {
        let mut out = vec![0; input.len() * 8 + 100_000];
        let sealed = sealer.seal(&self.request(input), &mut out)?;
        let counts = [0, 4, 8, 12].map(|at| word(&out, STATE_BYTES + at));
        assert_eq!(sealed as usize, counts[1]);
        let mut rest = &out[STATE_BYTES + 24..];
        let mut take = |count: usize| rest.split_off(..count).expect("bytes").to_vec();
        Ok(Sealed {
            state: State::decode(&out[..STATE_BYTES]).expect("a state"),
            statuses: take(counts[0]),
            hashes: take(32 * counts[1]),
            signatures: take(counts[2]),
            frames: take(counts[3]),
        })
    }

    pub fn seal(&self, input: &str) -> Sealed {
        self.seal_with(&mut Sealer::default(), input.as_bytes()).expect("a sealed batch")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub state: State,
    pub bytes: usize,
    /// 0 end, 1 incomplete, 2 bad.
    pub stop: usize,
    pub hashes: Vec<u8>,
    pub infos: Vec<u8>,
}

pub fn verify(chain: &Chain, state: State, frames: &[u8]) -> Verified {
    let room = frames.len() / 84 + 1;
    let mut out = vec![0; STATE_BYTES + 16 + 64 * room];
    let count = Verifier::default().verify(chain, state, frames, &mut out).expect("an answer");
    let numbers = [0, 4, 8].map(|at| word(&out, STATE_BYTES + at));
    assert_eq!(count as usize, numbers[0]);
    let (hashes, infos) = out[STATE_BYTES + 16..].split_at(32 * room);
    Verified {
        state: State::decode(&out[..STATE_BYTES]).expect("a state"),
        bytes: numbers[1],
        stop: numbers[2],
        hashes: hashes[..32 * numbers[0]].to_vec(),
        infos: infos[..32 * numbers[0]].to_vec(),
    }
}

pub fn blake3_text(bytes: &[u8]) -> String {
    let mut lanes = Lanes::default();
    lanes.lead(bytes, &[Body { at: 0, len: bytes.len(), known: bytes.len() }]);
    let digest = lanes.finish(0, bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("b3:{hex}")
}

/// A frame around any body.
pub fn frame(seq: u64, body: &str, self_hash: &str) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.push(1);
    frame.extend_from_slice(&seq.to_le_bytes());
    frame.extend_from_slice(body.as_bytes());
    frame.extend_from_slice(&67u32.to_le_bytes());
    frame.extend_from_slice(self_hash.as_bytes());
    frame
}

/// A small generator, so that a failure is the same on every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

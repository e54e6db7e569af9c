//! The addon's skin over `strongroom-core`: arguments in, results out, nothing decided here.
//!
//! A panic of the core becomes an error like any other (ENGINE_FAILED) and leaves nothing locked or
//! half done: the core keeps no chain state, and each call clears its scratch memory first.

#![deny(unsafe_code)]

use engine::chain::{Chain, State};
use engine::ed25519;
use engine::failure::{FAILED, Failure};
use engine::merkle::{Level, Tree};
use engine::seal::{Request, Sealer};
use engine::verify::Verifier;
use napi::bindgen_prelude::{Buffer, Either, Result, Uint8ArraySlice};
use napi_derive::napi;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Of the functions below and the layouts in core/src/seal.rs, shape.rs and verify.rs.
const ABI: u32 = 3;

/// What JavaScript sees as `error.code`.
type Code = &'static str;

thread_local! {
    static SEALER: RefCell<Sealer> = RefCell::default();
    static VERIFIER: RefCell<Verifier> = RefCell::default();
    static TREE: RefCell<Tree> = RefCell::default();
}

fn guard<T>(run: impl FnOnce() -> std::result::Result<T, Failure>) -> Result<T, Code> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(failure)) => Err(napi::Error::new(failure.code(), failure.message())),
        Err(_) => Err(napi::Error::new(FAILED, "the native engine panicked")),
    }
}

/// The bytes of a typed array that the caller gave to be written.
#[expect(unsafe_code)]
fn writable<'a>(array: &'a mut Uint8ArraySlice<'_>) -> &'a mut [u8] {
    // SAFETY: the call is synchronous, so no JavaScript runs while the slice lives, and
    // EngineNative.ts, the only caller, passes buffers of its own that overlap nothing else.
    unsafe { array.as_mut() }
}

/// The version of this interface and the code that signs: `3 aws-lc`, or `3 none`.
#[napi]
pub fn abi() -> String {
    format!("{ABI} {}", ed25519::signing())
}

/// An Ed25519 key.
#[napi]
pub struct Signer(Option<ed25519::Signer>);

impl Signer {
    fn open(&self) -> std::result::Result<&ed25519::Signer, Failure> {
        self.0.as_ref().ok_or(Failure::SignerClosed)
    }
}

#[napi]
impl Signer {
    /// Copies the 32-byte seed.
    #[napi(constructor)]
    pub fn new(seed: &[u8]) -> Result<Self, Code> {
        guard(|| {
            let seed = seed.try_into().map_err(|_| Failure::Input)?;
            Ok(Signer(Some(ed25519::Signer::new(seed)?)))
        })
    }

    /// 32 bytes.
    #[napi(getter)]
    pub fn public_key(&self) -> Result<Buffer, Code> {
        guard(|| Ok(self.open()?.public_key().to_vec().into()))
    }

    /// `b3:` and 32 hex digits.
    #[napi(getter)]
    pub fn key_id(&self) -> Result<String, Code> {
        guard(|| Ok(self.open()?.key_id().to_owned()))
    }

    /// Signs `context 0x00 digest`; 64 bytes.
    #[napi]
    pub fn sign(&self, context: String, digest: &[u8]) -> Result<Buffer, Code> {
        guard(|| {
            let digest = digest.try_into().map_err(|_| Failure::Input)?;
            Ok(self.open()?.sign(&context, digest)?.to_vec().into())
        })
    }

    /// Wipes the key.
    #[napi]
    pub fn close(&mut self) {
        self.0 = None;
    }
}

/// BLAKE3-256 of a stream.
#[napi]
#[derive(Default)]
pub struct Hasher(engine::hash::Hasher);

#[napi]
impl Hasher {
    #[napi(constructor)]
    pub fn new() -> Self {
        Hasher::default()
    }

    #[napi]
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 32 bytes.
    #[napi]
    pub fn digest(&self) -> Buffer {
        self.0.finalize().as_bytes().to_vec().into()
    }
}

/// Layouts: core/src/seal.rs. Returns how many records were sealed.
#[napi]
pub fn seal_batch(
    signer: Option<&Signer>,
    chain: &[u8],
    call: &[u8],
    input: &[u8],
    table: &[u8],
    marks: &[u8],
    mut out: Uint8ArraySlice,
) -> Result<u32, Code> {
    guard(|| {
        let signer = signer.map(Signer::open).transpose()?;
        let request = Request::decode(signer, chain, call, input, table, marks)?;
        SEALER.with_borrow_mut(|sealer| sealer.seal(&request, writable(&mut out)))
    })
}

/// Layouts: core/src/verify.rs. Returns how many frames are right.
#[napi]
pub fn verify_batch(
    chain: &[u8],
    state: &[u8],
    frames: &[u8],
    mut out: Uint8ArraySlice,
) -> Result<u32, Code> {
    guard(|| {
        let (chain, state, out) =
            (Chain::decode(chain)?, State::decode(state)?, writable(&mut out));
        VERIFIER.with_borrow_mut(|verifier| verifier.verify(&chain, state, frames, out))
    })
}

/// One byte 0 or 1 for each 32-byte digest and 64-byte signature.
#[napi]
pub fn verify_signatures(
    public_key: &[u8],
    context: String,
    digests: &[u8],
    signatures: &[u8],
    mut out: Uint8ArraySlice,
) -> Result<(), Code> {
    let out = writable(&mut out);
    guard(|| ed25519::verify_many(public_key, &context, digests, signatures, out))
}

/// Root over 32-byte hashes: leaf data (level 0) or finished subtrees (level 1).
#[napi]
pub fn merkle_root(hashes: &[u8], level: u32, mut out: Uint8ArraySlice) -> Result<(), Code> {
    guard(|| {
        let level = if level == 0 { Level::Leaves } else { Level::Nodes };
        let root = TREE.with_borrow_mut(|tree| tree.root(hashes, level)).ok_or(Failure::Input)?;
        writable(&mut out).get_mut(..32).ok_or(Failure::Output)?.copy_from_slice(&root);
        Ok(())
    })
}

/// Canonical bytes of one JSON text, or a reject number.
#[napi]
pub fn canonicalize(text: &[u8]) -> Result<Either<Buffer, u32>, Code> {
    guard(|| match engine::canonical::canonicalize(text) {
        Ok(bytes) => Ok(Either::A(bytes.into())),
        Err(reject) => Ok(Either::B(reject.number().into())),
    })
}

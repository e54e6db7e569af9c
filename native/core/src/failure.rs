//! What a whole call fails with. A refused draft is not a failure: it is a status byte.

/// The code of everything that is not about a key: a wrong call, or a defect inside.
pub const FAILED: &str = "ENGINE_FAILED";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Chain,
    State,
    Input,
    Output,
    SignerMissing,
    SignerClosed,
    SigningUnavailable,
    Signing,
}

impl Failure {
    /// Stable; `src/engine/EngineError.ts` lists them.
    pub fn code(self) -> &'static str {
        match self {
            Failure::SignerMissing | Failure::SignerClosed | Failure::SigningUnavailable => {
                "SIGNING_UNAVAILABLE"
            }
            Failure::Chain
            | Failure::State
            | Failure::Input
            | Failure::Output
            | Failure::Signing => FAILED,
        }
    }

    pub fn message(self) -> &'static str {
        match self {
            Failure::Chain => "log_id, writer_id or stream breaks its rule",
            Failure::State => "the chain's state is not one, or its last seq was reached",
            Failure::Input => "the input does not have the shape that the call names",
            Failure::Output => "an output buffer is too small",
            Failure::SignerMissing => "this signing mode needs a signer",
            Failure::SignerClosed => "the signer is closed",
            Failure::SigningUnavailable => "Ed25519 failed its self-test in this process",
            Failure::Signing => "Ed25519 signing failed",
        }
    }
}

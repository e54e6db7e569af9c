//! The engine: canonical form, hash chain, Merkle roots and Ed25519 over whole batches of records.
//!
//! Pure: no clock, no randomness, no I/O, no unsafe, nothing of Node. `EngineJs` gives the same
//! bytes and verdicts; a shared suite says so.

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod address;
pub mod canonical;
pub mod chain;
mod draft;
pub mod ed25519;
mod entry;
pub mod failure;
mod frame;
pub mod hash;
pub mod merkle;
pub mod number;
pub mod privacy;
pub mod record;
mod redact;
pub mod reject;
pub mod seal;
mod secret;
mod shape;
pub mod stored;
mod text;
mod unassigned;
pub mod verify;

pub use entry::ENTRY_BYTES_MAX;

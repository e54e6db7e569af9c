//! The engine from outside: vectors, odd signatures, random inputs.

mod ed25519;
mod fixture;
mod properties;
mod rules;
mod vectors;

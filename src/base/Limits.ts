/** Every bound of the formats and of the runtime, with its reason. Source: FORMATS. */

/** Canonical attrs, bytes; configuration can only tighten it. FORMATS 2 */
export const attrsBytesMax = 1024
/** Canonical record without self_hash, bytes; configuration can only tighten it. FORMATS 2 */
export const recordBytesMax = 4096
/** Objects and arrays around a value; a record is level 1. FORMATS 1 */
export const depthMax = 16
/** `b3:` and 64 hex digits. FORMATS 4 */
export const selfHashBytes = 67
/** u32 len, u8 v, u64 seq before the body; u32 and the hash text behind it. FORMATS 4 */
export const frameHeadBytes = 13
export const frameTailBytes = 4 + selfHashBytes
export const frameOverheadBytes = frameHeadBytes + frameTailBytes
export const frameBytesMax = frameOverheadBytes + recordBytesMax
export const segmentHeaderBytes = 32

/** With fsync=always no more than this is written between two fsyncs. FORMATS 4 */
export const unsyncedBytesMax = 1 << 20

/** op_ids a writer remembers for each chain. FORMATS 2 */
export const opIdWindow = 65_536

/** One envelope's signature, one `.sig` entry, envelopes in an array. FORMATS 6 */
export const signatureBytesMax = 24 * 1024
export const sigEntryBytesMax = 256 * 1024
export const envelopesMax = 8

/** A JSON file (checkpoint, manifest, trust). FORMATS 5 */
export const jsonFileBytesMax = 64 << 20

/** An inclusion path and the certificates of a receipt. FORMATS 8 */
export const pathMax = 64
export const certificatesMax = 8

/** One encoded folder name. FORMATS 4 */
export const nameBytesMax = 255

/** Records sealed in one crossing of the engine's seam; bench/engine.bench.ts chose it. */
export const batchRecordsMax = 256

/** wal.rotate_bytes. LEDGER A-134 */
export const rotateBytesDefault = 128 << 20
/** Units: bytes set aside for a full disk. */
export const reserveBytesDefault = 1 << 20
export const rotateBytesMin = 8 << 20
/** The longest that a timer of Node can wait; what is longer fires at once. Units: milliseconds */
export const timerMsMax = 2 ** 31 - 1
/** Lifts `rotateBytesMin`, for tests that fill segments; the package does not export it. */
export const smallSegments: unique symbol = Symbol("smallSegments")
/** How often the scrub looks, for tests that cannot wait; the package does not export it. */
export const scrubTermsOf: unique symbol = Symbol("scrubTermsOf")

/** Records between two checkpoints. LEDGER A-162 */
export const checkpointEveryDefault = 50_000

/**
 * The engine: canonical form, hash chain, Merkle roots and Ed25519 over whole batches of bytes.
 *
 * Two implementations answer alike, byte for byte: `EngineNative` (Rust) and `EngineJs`.
 * A batch crosses, never a record; a private key never comes back out. Calls are synchronous and
 * keep no chain state: the caller commits `state` only after the sink took the frames, so a refused
 * or failed batch leaves the chain where it was.
 */
import type { Hasher } from "../base/Hash.ts"
import type { ChainPosition as ChainState } from "../chain/Chain.ts"
import type { PrivacyPolicy } from "../record/Privacy.ts"
import type { RejectCode } from "../record/Reject.ts"
import type { Packed } from "../record/Shape.ts"

/** Where a chain stands. */
export type { ChainPosition as ChainState } from "../chain/Chain.ts"

/** What is the same for every record of a chain. */
export interface ChainContext {
  readonly logId: string
  readonly writerId: string
  readonly stream: string
  readonly attrsBytesMax: number
  readonly recordBytesMax: number
}

export type SealMode = "unsigned" | "batch" | "record"

export interface SealRequest {
  readonly chain: ChainContext
  readonly state: ChainState
  /** Shape: `count` texts `[kind,actor,subject,reason,attrs]`, each followed by a newline. */
  readonly input: Uint8Array
  /** Says what lies in `input` instead, where there is more than lines. */
  readonly packed?: Packed | undefined
  readonly count: number
  /** Units: Unix milliseconds; raised to the state's where it is behind. */
  readonly tsMs: number
  readonly mode: SealMode
  /** Default: `drop`. `none` is for measuring and for tests: what is sealed stays for good. */
  readonly privacy?: PrivacyPolicy | "none" | undefined
  /** Needed by the modes batch and record. */
  readonly signer?: EngineSigner | undefined
  /** Sealing stops before the frame that would take the frames past this many bytes. */
  readonly framesBytesMax: number
}

export interface SealResult {
  /** Drafts looked at; fewer than `count` when framesBytesMax was reached. */
  readonly consumed: number
  /** Shape: one reject number a consumed draft, 0 where it was sealed. */
  readonly statuses: Uint8Array
  /** Shape: WAL frames of the sealed records (FORMATS 4). Valid until the next call. */
  readonly frames: Uint8Array
  /** Shape: `.sig` entries (FORMATS 4). Valid until the next call. */
  readonly signatures: Uint8Array
  /** Shape: 32 bytes of self_hash a sealed record; owned by the caller. */
  readonly hashes: Uint8Array
  /** Sealed records that privacy changed, and how many values in them. */
  readonly redacted: { readonly records: number; readonly values: number }
  readonly state: ChainState
}

export interface VerifyRequest {
  readonly chain: ChainContext
  readonly state: ChainState
  /** Shape: frames from the first byte on; the last one may be incomplete. */
  readonly frames: Uint8Array
}

/** Bits of `FrameInfo.flags`. */
export const flagReservedKind = 1
export const flagTimeFell = 2
export const flagOpId = 4

/** Bytes of one entry of `VerifyResult.infos`. */
export const frameInfoBytes = 32

export interface VerifyResult {
  /** Frames that are well formed, canonical, hash right and link to `state`. */
  readonly count: number
  readonly bytes: number
  /**
   * `end`: all bytes were read; `incomplete`: the next frame runs past the end of the bytes;
   * `bad`: the next frame is wrong, `audit/Verify` says how.
   */
  readonly stop: "end" | "incomplete" | "bad"
  /** Shape: 32 bytes of self_hash a frame; owned by the caller. */
  readonly hashes: Uint8Array
  /**
   * Shape: frameInfoBytes a frame: u32 offset in `frames`, u32 flags, f64 ts_ms, 16 bytes of the
   * UUID in attrs.op_id (zero without flagOpId). Little-endian. Owned by the caller.
   */
  readonly infos: Uint8Array
  readonly state: ChainState
}

/** An Ed25519 key inside the engine. */
export interface EngineSigner {
  /** Shape: 32 bytes. */
  readonly publicKey: Uint8Array
  /** Shape: `b3:` and 32 hex digits. */
  readonly keyId: string
  /** Signs `context 0x00 digest` (FORMATS 6). */
  readonly sign: (context: string, digest: Uint8Array) => Uint8Array
  /** Wipes the key. Duty: signing afterwards throws. */
  readonly close: () => void
}

export type Canonicalized =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: RejectCode }

export interface Engine {
  readonly name: "native" | "js"
  /** Which Ed25519 code signs: `aws-lc`, `node:crypto`, `noble`; `none` where it must not. */
  readonly signing: string
  /** Duty: copies the 32-byte seed; the caller wipes its own. */
  readonly openSigner: (seed: Uint8Array) => EngineSigner
  readonly sealBatch: (request: SealRequest) => SealResult
  readonly verifyBatch: (request: VerifyRequest) => VerifyResult
  /**
   * Which of the signatures over `context 0x00 digest` are right, by the strict rule of FORMATS 6.
   * Shape: digests 32 bytes each, signatures 64 bytes each; one byte 0 or 1 each out.
   */
  readonly verifySignatures: (
    publicKey: Uint8Array,
    context: string,
    digests: Uint8Array,
    signatures: Uint8Array,
  ) => Uint8Array
  /** Root of FORMATS 3.1 over 32-byte leaf data (`leaves`) or over finished subtrees (`nodes`). */
  readonly merkleRoot: (hashes: Uint8Array, level: "leaves" | "nodes") => Uint8Array
  /** For whole files: the digests of a manifest. */
  readonly openHasher: () => Hasher
  /** `canonicalize` of FORMATS 1 for one JSON text. */
  readonly canonicalize: (text: Uint8Array) => Canonicalized
}

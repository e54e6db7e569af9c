/**
 * The engine in Rust, behind an addon.
 *
 * One crossing carries one batch; its bytes are laid out as the heads of native/core/src/seal.rs,
 * shape.rs and verify.rs say. Buffers are reused: what the port calls "valid until the next call"
 * are views into them, all else is copied. None of them is ever given to the addon twice in one
 * call.
 *
 * Source: FORMATS 1 to 6; the seam is ours and has a version, `abi`.
 */
import { loadAddon } from "../../native/load.mjs"
import { dataView, utf8 } from "../base/Bytes.ts"
import { hashBytes } from "../base/Hash.ts"
import { frameBytesMax } from "../base/Limits.ts"
import { defaultPrivacy } from "../record/Privacy.ts"
import { rejectCode } from "../record/Reject.ts"
import {
  type Canonicalized,
  type ChainContext,
  type ChainState,
  type Engine,
  type EngineSigner,
  frameInfoBytes,
  type SealRequest,
  type SealResult,
  type VerifyRequest,
  type VerifyResult,
} from "./Engine.ts"
import { EngineError } from "./EngineError.ts"

type Addon = ReturnType<typeof loadAddon>
type NativeSigner = InstanceType<Addon["Signer"]>

const abi = "3"

const stateBytes = 16 + hashBytes
/** `POLICY_BYTES` of native/core/src/privacy.rs. */
const policyBytes = 40
const callBytes = stateBytes + 20 + policyBytes
const sealHeadBytes = stateBytes + 24
const outHeadBytes = stateBytes + 16
/** `ENTRY_BYTES_MAX` of native/core/src/entry.rs. */
const signatureEntryBytesMax = 173
/** No frame is shorter: 84 bytes around a body whose fields are all as short as they can be. */
const frameBytesMin = 84 + 127
const u32Max = 2 ** 32 - 1
const u32Values = 2 ** 32

const modes = { unsigned: 0, batch: 1, record: 2 } as const
const ipModes = { drop: 0, prefix: 1, hash: 2 } as const
const noPrivacy = 3
const stops = ["end", "incomplete", "bad"] as const

const failed = (message: string, cause?: unknown): EngineError =>
  new EngineError({ code: "ENGINE_FAILED", message, cause })

/** Runs a call of the addon; its errors carry a code. */
const cross = <A>(call: () => A): A => {
  try {
    return call()
  } catch (error) {
    const { code, message } = error as { readonly code?: unknown; readonly message: string }
    if (code !== "SIGNING_UNAVAILABLE") throw failed(message, error)
    throw new EngineError({ code, message })
  }
}

const expect = (holds: boolean, statement: string): void => {
  if (!holds) throw failed(`not so: ${statement}`)
}

/** A buffer that grows, and whose old bytes stay with whoever holds a view into them. */
const growing = () => {
  let buffer = new Uint8Array(0)
  return (size: number): Uint8Array => {
    // Of its own, so that nothing from the shared pool is written to.
    if (buffer.length < size) buffer = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
    return buffer
  }
}

/** A u64 from a safe integer, without a bigint. */
const setU64 = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, value % u32Values, true)
  view.setUint32(at + 4, Math.floor(value / u32Values), true)
}

const getU64 = (view: DataView, at: number): number =>
  view.getUint32(at, true) + view.getUint32(at + 4, true) * u32Values

const writeState = (bytes: Uint8Array, view: DataView, state: ChainState): void => {
  expect(Number.isSafeInteger(state.seq) && state.seq >= 0, "seq is an integer from 0")
  expect(Number.isSafeInteger(state.tsMs) && state.tsMs >= 0, "ts_ms is an integer from 0")
  expect(state.head.length === hashBytes, "a head has 32 bytes")
  setU64(view, 0, state.seq)
  setU64(view, 8, state.tsMs)
  bytes.set(state.head, 16)
}

const readState = (bytes: Uint8Array, view: DataView): ChainState => ({
  seq: getU64(view, 0),
  tsMs: getU64(view, 8),
  head: bytes.slice(16, stateBytes),
})

/** `native/core/src/seal.rs`, `chain`. */
const encodeChain = (addon: Addon, chain: ChainContext): Uint8Array => {
  const text = (name: string): Uint8Array => {
    const canonical = addon.canonicalize(utf8(JSON.stringify(name)))
    if (typeof canonical === "number") throw failed("writer_id or stream breaks its rule")
    return canonical
  }
  const [writerId, stream, logId] = [text(chain.writerId), text(chain.stream), utf8(chain.logId)]
  expect(logId.length === 32, "log_id is 32 hex digits")
  const bytes = new Uint8Array(16 + writerId.length + stream.length + logId.length)
  const view = dataView(bytes)
  let at = 0
  for (const part of [writerId, stream]) {
    view.setUint32(at, part.length, true)
    bytes.set(part, at + 4)
    at += 4 + part.length
  }
  bytes.set(logId, at)
  view.setUint32(at + 32, Math.min(chain.attrsBytesMax, u32Max), true)
  view.setUint32(at + 36, Math.min(chain.recordBytesMax, u32Max), true)
  return bytes
}

const chainEncoder = (addon: Addon) => {
  const known = new WeakMap<ChainContext, Uint8Array>()
  return (chain: ChainContext): Uint8Array => {
    const encoded = known.get(chain) ?? cross(() => encodeChain(addon, chain))
    known.set(chain, encoded)
    return encoded
  }
}

const nothing = new Uint8Array(0)

/** As they cross: marks are little-endian, as the machines are that the addon is built for. */
const packedBytes = (packed: SealRequest["packed"]): Record<"table" | "marks", Uint8Array> => {
  if (packed === undefined) return { table: nothing, marks: nothing }
  const { table, marks } = packed
  return { table, marks: new Uint8Array(marks.buffer, marks.byteOffset, marks.byteLength) }
}

/** `native/core/src/privacy.rs`, `Policy`. */
const writePolicy = (bytes: Uint8Array, view: DataView, privacy: SealRequest["privacy"]): void => {
  const at = stateBytes + 20
  const policy = privacy ?? defaultPrivacy
  // The key of an earlier call does not stay.
  bytes.fill(0, at)
  view.setUint32(at, policy === "none" ? noPrivacy : ipModes[policy.ipMode], true)
  if (policy === "none" || policy.ipMode !== "hash") return
  const { epoch, key } = policy.salt
  expect(Number.isSafeInteger(epoch) && epoch > 0 && epoch <= u32Max, "an epoch is from 1")
  expect(key.length === hashBytes, "the key of a salt has 32 bytes")
  view.setUint32(at + 4, epoch, true)
  bytes.set(key, at + 8)
}

type EncodeChain = ReturnType<typeof chainEncoder>
type FindSigner = (signer: EngineSigner) => NativeSigner

const sealer = (addon: Addon, encode: EncodeChain, find: FindSigner): Engine["sealBatch"] => {
  const call = new Uint8Array(callBytes)
  const callView = dataView(call)
  const grow = growing()
  return (request: SealRequest): SealResult => {
    const { chain, state, input, count, mode } = request
    const chainBytes = encode(chain)
    const signer = request.signer === undefined ? undefined : find(request.signer)
    expect(Number.isSafeInteger(request.tsMs) && request.tsMs >= 0, "ts_ms is an integer from 0")
    const framesBytes = Math.min(request.framesBytesMax, count * frameBytesMax)
    writeState(call, callView, state)
    setU64(callView, stateBytes, request.tsMs)
    callView.setUint32(stateBytes + 8, count, true)
    callView.setUint32(stateBytes + 12, modes[mode], true)
    callView.setUint32(stateBytes + 16, Math.min(framesBytes, u32Max), true)
    writePolicy(call, callView, request.privacy)
    const perDraft = 1 + hashBytes + signatureEntryBytesMax
    const out = grow(sealHeadBytes + count * perDraft + framesBytes)
    const { table, marks } = packedBytes(request.packed)
    cross(() => addon.sealBatch(signer, chainBytes, call, input, table, marks, out))
    return readSealed(out)
  }
}

/** `native/core/src/seal.rs`, `out`. */
const readSealed = (out: Uint8Array): SealResult => {
  const view = dataView(out)
  const count = (index: number): number => view.getUint32(stateBytes + 4 * index, true)
  const [consumed, sealed, signatureBytes, frameBytes] = [count(0), count(1), count(2), count(3)]
  const hashesAt = sealHeadBytes + consumed
  const signaturesAt = hashesAt + sealed * hashBytes
  const framesAt = signaturesAt + signatureBytes
  return {
    consumed,
    statuses: out.slice(sealHeadBytes, hashesAt),
    frames: out.subarray(framesAt, framesAt + frameBytes),
    signatures: out.subarray(signaturesAt, framesAt),
    hashes: out.slice(hashesAt, signaturesAt),
    redacted: { records: count(4), values: count(5) },
    state: readState(out, view),
  }
}

const verifier = (addon: Addon, encode: EncodeChain): Engine["verifyBatch"] => {
  const before = new Uint8Array(stateBytes)
  const beforeView = dataView(before)
  const grow = growing()
  return ({ chain, state, frames }: VerifyRequest): VerifyResult => {
    const chainBytes = encode(chain)
    writeState(before, beforeView, state)
    const room = Math.floor(frames.length / frameBytesMin)
    const infosAt = outHeadBytes + room * hashBytes
    const out = grow(infosAt + room * frameInfoBytes).subarray(0, infosAt + room * frameInfoBytes)
    const count = cross(() => addon.verifyBatch(chainBytes, before, frames, out))
    const view = dataView(out)
    return {
      count,
      bytes: view.getUint32(stateBytes + 4, true),
      stop: stops[view.getUint32(stateBytes + 8, true)] ?? "bad",
      hashes: out.slice(outHeadBytes, outHeadBytes + count * hashBytes),
      infos: out.slice(infosAt, infosAt + count * frameInfoBytes),
      state: readState(out, view),
    }
  }
}

const signers = (addon: Addon) => {
  const known = new WeakMap<EngineSigner, NativeSigner>()
  const open = (seed: Uint8Array): EngineSigner => {
    const native = cross(() => new addon.Signer(seed))
    const signer: EngineSigner = {
      publicKey: new Uint8Array(native.publicKey),
      keyId: native.keyId,
      sign: (context, digest) => new Uint8Array(cross(() => native.sign(context, digest))),
      close: () => native.close(),
    }
    known.set(signer, native)
    return signer
  }
  const find = (signer: EngineSigner): NativeSigner => {
    const native = known.get(signer)
    if (native === undefined) throw failed("the signer belongs to another engine")
    return native
  }
  return { open, find }
}

const canonicalize = (addon: Addon, text: Uint8Array): Canonicalized => {
  const answer = cross(() => addon.canonicalize(text))
  if (typeof answer !== "number") return { ok: true, bytes: new Uint8Array(answer) }
  const code = rejectCode(answer)
  if (code === undefined) throw failed(`no reject code has the number ${answer}`)
  return { ok: false, code }
}

const openHasher = (addon: Addon): ReturnType<Engine["openHasher"]> => {
  const hasher = new addon.Hasher()
  return {
    update: (bytes) => hasher.update(bytes),
    digest: () => new Uint8Array(hasher.digest()),
  }
}

const verifySignatures = (
  addon: Addon,
  [publicKey, context, digests, signatures]: Parameters<Engine["verifySignatures"]>,
): Uint8Array => {
  const out = new Uint8Array(digests.length / hashBytes)
  cross(() => addon.verifySignatures(publicKey, context, digests, signatures, out))
  return out
}

const merkleRoot = (
  addon: Addon,
  [hashes, level]: Parameters<Engine["merkleRoot"]>,
): Uint8Array => {
  const out = new Uint8Array(hashBytes)
  cross(() => addon.merkleRoot(hashes, level === "leaves" ? 0 : 1, out))
  return out
}

const unavailable = (message: string, cause?: unknown): EngineError =>
  new EngineError({ code: "ENGINE_UNAVAILABLE", message, cause })

/**
 * Errors: EngineError ENGINE_UNAVAILABLE, with the loader's reason, where there is no addon or one
 * of another version.
 */
export const openNative = (load: () => Addon = loadAddon): Engine => {
  let addon: Addon
  let version: string | undefined
  let signing: string | undefined
  try {
    addon = load()
    ;[version, signing] = addon.abi().split(" ")
  } catch (error) {
    const [reason] = String((error as Error).message).split("\n")
    throw unavailable(`the addon does not load: ${reason}`, error)
  }
  if (version !== abi) {
    throw unavailable(`the addon has interface ${version}, ${abi} is needed: build it again`)
  }
  const { open, find } = signers(addon)
  const encode = chainEncoder(addon)
  return {
    name: "native",
    signing: signing ?? "none",
    openSigner: open,
    sealBatch: sealer(addon, encode, find),
    verifyBatch: verifier(addon, encode),
    verifySignatures: (...request) => verifySignatures(addon, request),
    merkleRoot: (...request) => merkleRoot(addon, request),
    openHasher: () => openHasher(addon),
    canonicalize: (text) => canonicalize(addon, text),
  }
}

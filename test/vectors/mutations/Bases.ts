/** The logs that the cases damage. */
import { concat, dataView } from "../../../src/base/Bytes.ts"
import { b3Text, genesis } from "../../../src/base/Hash.ts"
import { formatFrame } from "../../../src/record/Frame.ts"
import { formatBody } from "../../../src/record/Record.ts"
import { formatSigEntry } from "../../../src/signing/Envelope.ts"
import { bodyAt, change } from "./Edits.ts"
import {
  addCertificate,
  addChain,
  addControl,
  addManifest,
  addRevocation,
  type CertificatePlan,
  type Chain,
  type ChainPlan,
  checkpointFile,
  entryOf,
  type Files,
  folderOf,
  get,
  keys,
  name,
  start,
  trustFile,
  writer,
} from "./Log.ts"

export const trust = trustFile([keys.anchor.anchor()])
export const ingress = folderOf("ingress")
export const seg = (n: number): string => `${ingress}/${name("seg", n)}`
export const sig = (n: number): string => `${ingress}/${name("sig", n)}`
export const checkpoint = (n: number): string => `${ingress}/${checkpointFile(n)}`

export const basePlan: ChainPlan = { stream: "ingress", segments: [6, 6, 5], checkpointsAt: [6, 12] }

export interface Base {
  readonly files: Files
  readonly plan: ChainPlan
  readonly chain: Chain
}

export const make = (more: Partial<ChainPlan> = {}): Base => {
  const plan = { ...basePlan, ...more }
  const files: Files = new Map()
  const chain = addChain(files, plan)
  addControl(files, [chain])
  return { files, plan, chain }
}

/** A line as --acks prints it. */
export const ack = (chain: Chain, seq: number, hash = chain.hashes[seq - 1]) => ({
  writer_id: writer,
  stream: "ingress",
  seq,
  self_hash: hash,
  level: "durable",
})

export const base = make()
export const bySeal = make({ sealLast: true, checkpointsAt: [6, 12, 17] })
export const byRecord = make({ signing: "record" })
export const byCheckpoint = make({ signing: "checkpoint", checkpointsAt: [6, 12, 17] })

export const otherTail = make({
  alter: (body) =>
    body.seq === 15 ? { ...body, attrs: { ...body.attrs, note: "the other history" } } : body,
})

/** Appends to the newest segment. */
export const append = (files: Files, bytes: Uint8Array): Files =>
  change(files, seg(3), (given) => concat(given, bytes))
/** The frame that could come next. */
export const nextFrame = (() => {
  const last = bodyAt(get(base.files, seg(3)), 4)
  const body = formatBody({ ...last, seq: 18, prev: base.chain.hashes[16] as string })
  return formatFrame(18, body, b3Text(body))
})()
export const unsignedTail = make({ unsignedFrom: 13 })

export const exported = (() => {
  const made = make({ sealLast: true, checkpointsAt: [6, 12, 17] })
  const files = new Map([...made.files].filter(([path]) => !path.includes("control")))
  const first = addManifest(files, made.plan, made.chain, 1, [1, 2], genesis)
  addManifest(files, made.plan, made.chain, 2, [3, 3], first)
  return { ...made, files }
})()
export const manifest = (n: number, kind: "json" | "sig"): string => `${ingress}/manifest-00000${n}.${kind}`
export const manifestText = Buffer.from(get(exported.files, manifest(1, "json")))

export const certified = (
  plan: Partial<CertificatePlan> = {},
  more: Partial<ChainPlan> & { readonly announce?: boolean } = {},
): Base => {
  const files: Files = new Map()
  const attrs = addCertificate(files, { key: keys.leaf, ...plan })
  const kinds = more.announce === false ? {} : { 2: { kind: "KeyCertified", attrs } }
  const chainPlan: ChainPlan = {
    ...basePlan,
    checkpointsAt: [6, 12, 17],
    recordKey: keys.leaf,
    batchEvery: 1,
    kinds,
    ...more,
  }
  const chain = addChain(files, chainPlan)
  // The anchor signs what comes before the announcement.
  const first = entryOf(chainPlan, chain, 1, 1, "batch", keys.anchor)
  const rest = get(files, sig(1))
  const size = 4 + dataView(rest).getUint32(0, true)
  files.set(sig(1), concat(formatSigEntry(first), rest.slice(size)))
  addControl(files, [chain])
  return { files, plan: chainPlan, chain }
}
export const certificatePath = `~keys/${keys.leaf.keyId.slice(3)}.cert.json`
export const revocationPath = `~keys/${keys.leaf.keyId.slice(3)}.revoked.json`

export const revoked = (() => {
  const files: Files = new Map()
  const attrs = addCertificate(files, { key: keys.leaf })
  const revocation = addRevocation(files, keys.leaf, start + 13_000)
  const plan: ChainPlan = {
    ...basePlan,
    checkpointsAt: [6, 12, 17],
    batchEvery: 1,
    kinds: { 2: { kind: "KeyCertified", attrs }, 14: { kind: "KeyCompromised", attrs: revocation } },
  }
  const chain = addChain(files, plan)
  const byLeaf: Files = new Map()
  addChain(byLeaf, { ...plan, recordKey: keys.leaf })
  // The leaf signs segment 2, the anchor the rest.
  files.set(sig(2), get(byLeaf, sig(2)))
  addControl(files, [chain])
  return files
})()

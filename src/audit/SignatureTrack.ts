/**
 * The `.sig` entries of a chain, checked beside the walk over its frames.
 *
 * Entries come in seq order and stay inside their segment. A batch entry's root is rebuilt from the
 * hashes that the frames store, so an edited record is reported where it is, not again here.
 * Signatures are verified in bulk, key by key.
 *
 * Source: FORMATS 4 and 6.
 */
import { concat, equal } from "../base/Bytes.ts"
import { formatHash } from "../base/Hash.ts"
import type { ChainContext, Engine } from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { signatureBytes } from "../signing/Ed25519.ts"
import type { Envelope, SigEntry } from "../signing/Envelope.ts"
import { batchDigest, contexts } from "../signing/Message.ts"
import type { Numbered } from "../sink/Segment.ts"
import { appendRun, type Run, type SignatureState } from "./Coverage.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import { type PlacedEntry, type SignatureBreak, SignatureReader } from "./SignatureFile.ts"

/** How a key's signature on records and batches counts. */
export type RecordKey =
  | { readonly kind: "counts"; readonly publicKey: Uint8Array }
  /** Counts once its time is known: `later` names the rule that decides. */
  | { readonly kind: "later"; readonly publicKey: Uint8Array; readonly later: string }
  | { readonly kind: "unknown" }
  | { readonly kind: "unsupported" }
  | {
      readonly kind: "refused"
      readonly finding: FindingKind
      readonly expected: string
      readonly found: string
    }

/** A run whose signature is right and waits for its place in time. */
export type TrackedState = SignatureState | `${"record" | "batch"}:${string}`

interface Pending {
  readonly first: number
  readonly last: number
  readonly offset: number
  readonly file: string
  readonly strength: "record" | "batch"
  readonly digest: Uint8Array
  readonly envelopes: ReadonlyArray<Envelope>
}

const flushAt = 512

export class SignatureTrack {
  readonly runs: Array<Run<TrackedState>> = []
  readonly #engine: Engine
  readonly #chain: ChainContext
  readonly #keyOf: (envelope: Envelope, firstSeq: number) => RecordKey
  readonly #report: (finding: Finding) => void
  #pending: Array<Pending> = []

  // Owned by the segment in progress.
  #reader: SignatureReader | undefined
  #file = ""
  #next = 1
  #unreadFrom: number | undefined
  #range: RangeRoot | undefined
  #abandoned = false

  constructor(options: {
    readonly engine: Engine
    readonly chain: ChainContext
    readonly keyOf: (envelope: Envelope, firstSeq: number) => RecordKey
    readonly report: (finding: Finding) => void
  }) {
    this.#engine = options.engine
    this.#chain = options.chain
    this.#keyOf = options.keyOf
    this.#report = options.report
  }

  /** Begins a segment whose first record is `firstSeq`. */
  begin(file: Numbered | undefined, name: string, firstSeq: number): void {
    this.#reader = new SignatureReader(file)
    this.#file = name
    this.#next = firstSeq
    this.#unreadFrom = undefined
    this.#range = undefined
    this.#abandoned = false
  }

  /** Closes what a walk that did not come to its end left open. */
  close(): void {
    this.#reader?.close()
    this.#reader = undefined
  }

  /** Records `firstSeq` and following, by the hashes that their frames store. */
  feed(firstSeq: number, hashes: Uint8Array): void {
    if (firstSeq !== this.#next) this.#jump(firstSeq)
    const last = firstSeq + hashes.length / 32 - 1
    while (this.#next <= last) {
      const placed = this.#current()
      const from = this.#next
      if (placed === undefined) this.#unreadFrom ??= from
      if (placed === undefined || placed.entry.first > last) {
        this.#cover(from, last, "none")
        this.#next = last + 1
        return
      }
      const { entry } = placed
      if (entry.first > from) {
        this.#cover(from, entry.first - 1, "none")
        this.#next = entry.first
        continue
      }
      const to = Math.min(entry.last, last)
      const part = hashes.subarray((from - firstSeq) * 32, (to + 1 - firstSeq) * 32)
      this.#next = to + 1
      if (to < entry.last) this.#accumulate(part)
      else this.#complete(placed, part)
    }
  }

  /** Whether a complete entry covers a record behind `lastSeq`. */
  goesBeyond(lastSeq: number): boolean {
    const placed = this.#current()
    return placed !== undefined && placed.entry.last > lastSeq
  }

  /**
   * Ends the segment after record `lastSeq`. What is left of the file is for the caller to judge:
   * an entry that goes beyond the records, or bytes that are no entry.
   */
  end(lastSeq: number): {
    readonly beyond: PlacedEntry | undefined
    readonly broken: SignatureBreak | undefined
    /** The first record behind the last entry that could be read. */
    readonly unreadFrom: number
  } {
    const reader = this.#reader
    const placed = this.#current()
    if (placed !== undefined && placed.entry.first <= lastSeq) {
      // What is left of its range can be signed again; where it cannot, the caller says so.
      this.#cover(placed.entry.first, lastSeq, "none")
    }
    this.#flush()
    reader?.close()
    this.#reader = undefined
    return {
      beyond: placed,
      broken: reader?.broken,
      unreadFrom: this.#unreadFrom ?? this.#next,
    }
  }

  /** Nobody can say what signs the records from `seq` on: what hides it was reported. */
  excuse(seq: number): void {
    const last = this.runs.at(-1)
    if (last === undefined || last.state !== "none" || last.last < seq) return
    this.runs.pop()
    const first = Math.max(last.first, seq)
    appendRun(this.runs, last.first, first - 1, "none")
    appendRun(this.runs, first, last.last, "excused")
  }

  /** The entry that covers or follows the next record; wrong ones before it are reported. */
  #current(): PlacedEntry | undefined {
    for (;;) {
      const placed = this.#reader?.peek()
      if (placed === undefined || placed.entry.first >= this.#next) return placed
      if (this.#range !== undefined || this.#abandoned) return placed
      const { entry, offset } = placed
      const range = `${entry.first} to ${entry.last}`
      this.#find("frame", this.#next, offset, `an entry from seq ${this.#next} on`, range)
      this.#reader?.take()
    }
  }

  #accumulate(hashes: Uint8Array): void {
    if (this.#abandoned) return
    this.#range ??= new RangeRoot(this.#engine.merkleRoot)
    this.#range.add(hashes)
  }

  #complete(placed: PlacedEntry, hashes: Uint8Array): void {
    const { entry } = placed
    this.#reader?.take()
    const range = this.#range
    const abandoned = this.#abandoned
    this.#range = undefined
    this.#abandoned = false
    if (abandoned) {
      this.#cover(entry.first, entry.last, "excused")
      return
    }
    if (entry.root === null) {
      this.#queue(placed, "record", hashes.slice())
      return
    }
    const whole = range === undefined ? this.#engine.merkleRoot(hashes, "leaves") : undefined
    range?.add(hashes)
    const root = whole ?? range?.root() ?? hashes
    if (!equal(root, entry.root)) {
      this.#find(
        "root_mismatch",
        entry.first,
        placed.offset,
        formatHash(entry.root),
        formatHash(root),
      )
      this.#cover(entry.first, entry.last, "excused")
      return
    }
    this.#queue(placed, "batch", this.#batchDigest(entry, entry.root))
  }

  #batchDigest(entry: SigEntry, root: Uint8Array): Uint8Array {
    const { logId, writerId, stream } = this.#chain
    const { first, last } = entry
    return batchDigest({ first, last, logId, root: formatHash(root), stream, writerId })
  }

  /** The walk went on behind a hole: entries over the hole cannot be rebuilt. */
  #jump(firstSeq: number): void {
    this.#range = undefined
    this.#abandoned = false
    for (let placed = this.#reader?.peek(); placed !== undefined; placed = this.#reader?.peek()) {
      if (placed.entry.last >= firstSeq) {
        this.#abandoned = placed.entry.first < firstSeq
        break
      }
      this.#reader?.take()
    }
    this.#next = firstSeq
  }

  #queue(placed: PlacedEntry, strength: "record" | "batch", digest: Uint8Array): void {
    const { first, last, envelopes } = placed.entry
    const { offset } = placed
    this.#pending.push({ first, last, offset, file: this.#file, strength, digest, envelopes })
    if (this.#pending.length >= flushAt) this.#flush()
  }

  /** A run that needs no check keeps its place behind those that wait for theirs. */
  #cover(first: number, last: number, state: TrackedState): void {
    if (last < first) return
    this.#flush()
    appendRun(this.runs, first, last, state)
  }

  /** Verifies what waits, one call of the engine for each key and context. */
  #flush(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    const right = new Map<Envelope, boolean>()
    const groups = new Map<string, Array<{ item: Pending; envelope: Envelope; key: Uint8Array }>>()
    for (const item of pending) {
      for (const envelope of item.envelopes) {
        const key = this.#keyOf(envelope, item.first)
        if (!("publicKey" in key)) continue
        const group = `${item.strength} ${envelope.keyId}`
        const list = groups.get(group)
        const entry = { item, envelope, key: key.publicKey }
        if (list === undefined) groups.set(group, [entry])
        else list.push(entry)
      }
    }
    for (const list of groups.values()) {
      const { item, key } = list[0]!
      const digests = concat(...list.map((entry) => entry.item.digest))
      // A signature of another size is wrong by itself, and only itself.
      const sigs = list.map(({ envelope: { sig } }) =>
        sig.length === signatureBytes ? sig : new Uint8Array(signatureBytes),
      )
      const context = contexts[item.strength]
      const verdicts = this.#engine.verifySignatures(key, context, digests, concat(...sigs))
      for (const [index, entry] of list.entries()) right.set(entry.envelope, verdicts[index] === 1)
    }
    for (const item of pending) this.#settle(item, right)
  }

  #settle(item: Pending, right: ReadonlyMap<Envelope, boolean>): void {
    let state: TrackedState = "none"
    let isUnknown = false
    for (const envelope of item.envelopes) {
      const key = this.#keyOf(envelope, item.first)
      if (key.kind === "unknown" || key.kind === "unsupported") {
        isUnknown = true
      } else if (key.kind === "refused") {
        this.#findIn(item, key.finding, key.expected, key.found)
        if (state === "none") state = "excused"
      } else if (right.get(envelope) !== true) {
        const found = `a wrong signature of ${envelope.keyId}`
        this.#findIn(item, "sig_invalid", `a signature over ${item.strength} ${item.first}`, found)
        if (state === "none") state = "excused"
      } else if (key.kind === "counts") state = item.strength
      else if (state !== item.strength) state = `${item.strength}:${key.later}`
    }
    if (state === "none" && isUnknown) state = "key_unknown"
    appendRun(this.runs, item.first, item.last, state)
  }

  #findIn(item: Pending, kind: FindingKind, expected: string, found: string): void {
    const { file, offset } = item
    this.#report({ kind, seq: item.first, file, offset, expected, found })
  }

  #find(kind: FindingKind, seq: number, offset: number, expected: string, found: string): void {
    this.#report({ kind, seq, file: this.#file, offset, expected, found })
  }
}

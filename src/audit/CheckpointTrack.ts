/**
 * The checkpoints of a chain, checked beside the walk over its frames.
 *
 * Ranges tile the chain, each names its predecessor's digest, and its root is rebuilt from the
 * hashes that the frames store. Whose signature counts is decided at the end, because a key that
 * has expired or was revoked needs a later checkpoint by another key.
 *
 * Source: FORMATS 5, 6, 7.
 */
import { fromBase64 } from "../base/Bytes.ts"
import { b3, formatHash, genesis } from "../base/Hash.ts"
import * as Checkpoint from "../checkpoint/Checkpoint.ts"
import type { ChainContext, Engine } from "../engine/Engine.ts"
import { RangeRoot } from "../merkle/Tree.ts"
import { Rejected } from "../record/Reject.ts"
import { DocumentError } from "../signing/Document.ts"
import type { Envelope } from "../signing/Envelope.ts"
import { checkpointName } from "../sink/FileName.ts"
import { type ChainFiles, type Numbered, readSmallFile } from "../sink/Segment.ts"
import { insteadOf } from "../sink/SinkError.ts"
import type { Finding, FindingKind } from "./Finding.ts"
import { readEnvelopes } from "./SignatureFile.ts"

/** A checkpoint whose place and root are right; its signatures are still to be judged. */
export interface TrackedCheckpoint {
  readonly number: number
  readonly file: string
  readonly first: number
  readonly last: number
  readonly tsMs: number
  /** Digest that its signatures are over. */
  readonly signedDigest: Uint8Array
  readonly envelopes: ReadonlyArray<Envelope>
  /** False where the root could not be rebuilt because the walk began behind its first record. */
  readonly isRebuilt: boolean
}

interface Current {
  readonly file: Numbered
  readonly checkpoint: Checkpoint.Checkpoint
  readonly range: RangeRoot | undefined
}

export class CheckpointTrack {
  readonly tracked: Array<TrackedCheckpoint> = []
  readonly #engine: Engine
  readonly #chain: ChainContext
  readonly #files: ChainFiles
  readonly #report: (finding: Finding) => void
  readonly #firstSeq: number
  #index = 0
  #nextFirst = 1
  #prev: string = genesis
  #isLinked = true
  #current: Current | undefined
  #holeAt = 0

  /** `firstSeq`: the first record that will be fed. */
  constructor(options: {
    readonly engine: Engine
    readonly chain: ChainContext
    readonly files: ChainFiles
    readonly firstSeq: number
    readonly report: (finding: Finding) => void
  }) {
    this.#engine = options.engine
    this.#chain = options.chain
    this.#files = options.files
    this.#firstSeq = options.firstSeq
    this.#report = options.report
    // A walk from the middle takes the first checkpoint that is there as it comes.
    if (options.firstSeq > 1) this.#isLinked = false
    this.#begin()
  }

  feed(firstSeq: number, hashes: Uint8Array): void {
    const last = firstSeq + hashes.length / 32 - 1
    let from = firstSeq
    while (this.#current !== undefined) {
      const [first, end] = this.#current.checkpoint.range
      if (first > last) return
      const to = Math.min(end, last)
      if (to >= from) {
        const part = hashes.subarray(
          (Math.max(from, first) - firstSeq) * 32,
          (to + 1 - firstSeq) * 32,
        )
        this.#current.range?.add(part)
      }
      if (end > last) return
      this.#complete(this.#current)
      from = Math.max(from, end + 1)
    }
  }

  /** Records from `seq` on were not fed in order: what covers the hole cannot be rebuilt. */
  hole(seq: number): void {
    this.#holeAt = seq
  }

  /** Whether a readable checkpoint covers a record behind `lastSeq`. */
  claimsBeyond(lastSeq: number): boolean {
    const coveredTo = this.#current?.checkpoint.range[1] ?? this.#nextFirst - 1
    return coveredTo > lastSeq
  }

  /** Reports the checkpoints that go beyond the last record, unless more records were not read. */
  end(lastSeq: number, endsEarly: boolean): void {
    while (this.#current !== undefined) {
      const { file, checkpoint } = this.#current
      const last = checkpoint.range[1]
      const expected = `records to seq ${last}`
      if (!endsEarly) this.#find(file, "truncated", lastSeq + 1, expected, `${lastSeq}`)
      this.#pass(checkpoint)
    }
  }

  #begin(): void {
    this.#current = undefined
    for (;;) {
      const file = this.#files.checkpoints[this.#index]
      if (file === undefined) return
      const checkpoint = this.#parse(file)
      if (checkpoint === undefined) {
        this.#index += 1
        this.#isLinked = false
        continue
      }
      if (checkpoint.range[1] < this.#firstSeq) {
        this.#index += 1
        this.#nextFirst = checkpoint.range[1] + 1
        this.#prev = Checkpoint.digestOf(checkpoint)
        this.#isLinked = true
        continue
      }
      this.#place(file, checkpoint)
      const isWhole = checkpoint.range[0] >= this.#firstSeq
      const range = isWhole ? new RangeRoot(this.#engine.merkleRoot) : undefined
      this.#current = { file, checkpoint, range }
      return
    }
  }

  #parse(file: Numbered): Checkpoint.Checkpoint | undefined {
    try {
      return Checkpoint.parse(readSmallFile(file.path))
    } catch (error) {
      const instead = insteadOf(error)
      const isDocument = error instanceof DocumentError || error instanceof Rejected
      if (instead !== undefined) {
        this.#find(file, "canon", this.#nextFirst, instead.expected, instead.found)
      } else if (isDocument) {
        this.#find(file, "canon", this.#nextFirst, "a canonical checkpoint", error.message)
      } else throw error
      return undefined
    }
  }

  /** Number, range, predecessor and names. */
  #place(file: Numbered, checkpoint: Checkpoint.Checkpoint): void {
    const [first] = checkpoint.range
    const { logId, writerId, stream } = this.#chain
    if (checkpoint.writer_id !== writerId || checkpoint.stream !== stream) {
      const found = `${checkpoint.writer_id} / ${checkpoint.stream}`
      this.#find(file, "wrong_stream", first, `${writerId} / ${stream}`, found)
    }
    if (checkpoint.log_id !== logId) {
      this.#find(file, "wrong_log", first, logId, checkpoint.log_id)
    }
    if (file.number !== this.#index + 1) {
      const expected = checkpointName(this.#index + 1)
      this.#find(file, "checkpoint_gap", this.#nextFirst, expected, file.file)
      this.#isLinked = false
    }
    if (!this.#isLinked) return
    if (first !== this.#nextFirst) {
      const expected = `a range from ${this.#nextFirst}`
      this.#find(
        file,
        "checkpoint_gap",
        Math.min(first, this.#nextFirst),
        expected,
        `from ${first}`,
      )
    } else if (checkpoint.prev !== this.#prev) {
      this.#find(file, "checkpoint_gap", first, this.#prev, checkpoint.prev)
    }
  }

  #complete(current: Current): void {
    const { file, checkpoint, range } = current
    const [first, last] = checkpoint.range
    const isWhole = range !== undefined && range.count === last - first + 1
    if (isWhole) {
      const root = formatHash(range.root())
      if (root !== checkpoint.root) {
        this.#find(file, "root_mismatch", first, checkpoint.root, root)
        this.#pass(checkpoint)
        return
      }
    }
    // A hole in the records was reported where it is.
    const isUnbuildable = range !== undefined && !isWhole
    if (!isUnbuildable || this.#holeAt === 0) this.#track(file, checkpoint, isWhole)
    this.#pass(checkpoint)
  }

  #track(file: Numbered, checkpoint: Checkpoint.Checkpoint, isRebuilt: boolean): void {
    const [first, last] = checkpoint.range
    const sig = fromBase64(checkpoint.sig)
    const own = {
      algoId: checkpoint.alg,
      keyId: checkpoint.signer_key_id,
      sig: sig ?? new Uint8Array(),
    }
    this.tracked.push({
      number: file.number,
      file: file.file,
      first,
      last,
      tsMs: checkpoint.ts_ms,
      signedDigest: b3(Checkpoint.signedBytes(checkpoint)),
      envelopes: [own, ...this.#cosignatures(file, first)],
      isRebuilt,
    })
  }

  #cosignatures(file: Numbered, first: number): ReadonlyArray<Envelope> {
    const cosig = this.#files.cosignatures.get(file.number)
    if (cosig === undefined) return []
    const envelopes = readEnvelopes(cosig)
    if (!("found" in envelopes)) return envelopes
    this.#find(cosig, "frame", first, envelopes.expected, envelopes.found)
    return []
  }

  #pass(checkpoint: Checkpoint.Checkpoint): void {
    this.#index += 1
    this.#nextFirst = checkpoint.range[1] + 1
    this.#prev = Checkpoint.digestOf(checkpoint)
    this.#isLinked = true
    this.#begin()
  }

  #find(file: Numbered, kind: FindingKind, seq: number, expected: string, found: string): void {
    this.#report({ kind, seq, file: file.file, offset: 0, expected, found })
  }
}

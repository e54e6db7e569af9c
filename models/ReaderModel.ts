/**
 * A reader beside a live writer of one chain, file by file and half a frame at a time.
 *
 * The writer puts a frame, then its signature, then now and then a checkpoint; a full segment is
 * sealed before the next begins. The reader takes the sizes of checkpoints first, then of `.sig`,
 * then of segments, and reads no further than those.
 *
 * - An honest chain never looks tampered with: what a signature or checkpoint covers is there, a
 *   seal agrees, only the newest segment ends within a frame.
 * - What was signed when the reader began is seen.
 *
 * Source: FORMATS 4.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Actor, World } from "./Actor.ts"

export const readerBugs = [
  "takes the sizes of segments first",
  "takes the sizes of signatures first",
  "signs before it writes",
  "checkpoints before it signs",
  "begins a segment before it seals the one before",
] as const

export type ReaderBug = (typeof readerBugs)[number]

export interface ReaderBounds {
  readonly records: number
  readonly framesEach: number
  readonly checkpointEvery: number
}

interface Segment {
  /** Units: half frames. */
  halves: number
  /** The count in the header, 0 while open. */
  sealed: number
}

const kinds = { checkpoints: 0, signatures: 1, segments: 2 }
type Kind = keyof typeof kinds

const orderOf = (bug: ReaderBug | undefined): ReadonlyArray<Kind> => {
  if (bug === "takes the sizes of segments first") return ["segments", "checkpoints", "signatures"]
  if (bug === "takes the sizes of signatures first")
    return ["signatures", "checkpoints", "segments"]
  return ["checkpoints", "signatures", "segments"]
}

export const readerWorld = (bounds: ReaderBounds, bug?: ReaderBug): World =>
  new ReaderWorld(bounds, bug)

class ReaderWorld implements World {
  readonly actors: ReadonlyArray<Actor>
  readonly #bounds: ReaderBounds
  readonly #bug: ReaderBug | undefined

  readonly #segments: Array<Segment> = [{ halves: 0, sealed: 0 }]
  /** Units: half entries; each entry covers one record. */
  #signatures = 0
  #checkpointedTo = 0
  #looks = 0

  constructor(bounds: ReaderBounds, bug: ReaderBug | undefined) {
    this.#bounds = bounds
    this.#bug = bug

    this.actors = [this.#writer(), this.#reader()]
  }

  *#sign(): Actor {
    for (let half = 0; half < 2; half++) {
      this.#signatures++
      yield undefined
    }
  }

  *#checkpoint(seq: number): Actor {
    if (seq % this.#bounds.checkpointEvery === 0) this.#checkpointedTo = seq
    yield undefined
  }

  *#rotate(full: Segment): Actor {
    const seal = (): void => {
      full.sealed = this.#bounds.framesEach
    }
    const begin = (): void => void this.#segments.push({ halves: 0, sealed: 0 })
    const steps =
      this.#bug === "begins a segment before it seals the one before"
        ? [begin, seal]
        : [seal, begin]
    for (const step of steps) {
      step()
      yield undefined
    }
  }

  *#writer(): Actor {
    yield undefined
    for (let seq = 1; seq <= this.#bounds.records; seq++) {
      const newest = this.#segments.at(-1) as Segment
      if (newest.halves === this.#bounds.framesEach * 2) yield* this.#rotate(newest)
      const segment = this.#segments.at(-1) as Segment
      if (this.#bug === "signs before it writes") yield* this.#sign()
      if (this.#bug === "checkpoints before it signs") yield* this.#checkpoint(seq)
      for (let half = 0; half < 2; half++) {
        segment.halves++
        yield undefined
        if (half === 0 && this.#bug === "checkpoints before it signs") yield undefined
      }
      if (this.#bug !== "signs before it writes") yield* this.#sign()
      if (this.#bug !== "checkpoints before it signs") yield* this.#checkpoint(seq)
    }
  }

  *#reader(): Actor {
    yield undefined
    const signedBefore = Math.floor(this.#signatures / 2)
    let sizes = { checkpointedTo: 0, signedTo: 0, segments: [] as ReadonlyArray<Segment> }
    for (const kind of orderOf(this.#bug)) {
      if (kind === "checkpoints") sizes = { ...sizes, checkpointedTo: this.#checkpointedTo }
      if (kind === "signatures") sizes = { ...sizes, signedTo: Math.floor(this.#signatures / 2) }
      if (kind === "segments")
        sizes = { ...sizes, segments: this.#segments.map((one) => ({ ...one })) }
      yield undefined
    }
    const frames = sizes.segments.reduce((sum, { halves }) => sum + Math.floor(halves / 2), 0)
    invariant(sizes.signedTo <= frames, "what is signed is there")
    invariant(sizes.checkpointedTo <= sizes.signedTo, "what a checkpoint covers is signed")
    sizes.segments.forEach(({ halves, sealed }, index) => {
      const isNewest = index === sizes.segments.length - 1
      invariant(isNewest || sealed === halves / 2, "only the newest segment is open or cut short")
      invariant(sealed === 0 || sealed === halves / 2, "a seal agrees with its frames")
    })
    invariant(frames >= signedBefore, "what was signed before is seen")
    this.#looks++
  }

  check(): void {}

  finish(): void {
    invariant(this.#looks === 1, "the reader ends")
  }
}

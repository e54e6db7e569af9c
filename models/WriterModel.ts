/**
 * The single writer of a chain, killed or cut off from power at any moment, and its successor that
 * recovers what it finds.
 *
 * A frame is in the page cache when written and on the disk when fsynced, or when the kernel felt
 * like it; a power cut keeps what is on the disk, and may tear the next frame. A kill keeps the
 * cache. An fsync may fail: then, as Linux does it, the pages count as clean and are not written
 * by later fsyncs either.
 *
 * - The chain has no gap, no fork and no repeated seq.
 * - What was answered `durable` survives everything, what was answered `accepted` every kill.
 *
 * Source: FORMATS 4; LWN 752063 for what a failed fsync does.
 */
import { invariant } from "../src/base/Invariant.ts"
import type { Actor, Choose, World } from "./Actor.ts"

export const writerBugs = [
  "answers durable before the fsync",
  "answers accepted before the write",
  "writes behind a torn frame",
  "writes without a lock",
  "goes on from the signatures",
  "tries a failed fsync again",
  "recovers by an fsync of what it finds",
] as const

export type WriterBug = (typeof writerBugs)[number]

export interface WriterBounds {
  readonly records: number
  /** Of the whole run. */
  readonly crashesMax: number
  readonly fsyncFailuresMax: number
}

interface Frame {
  readonly seq: number
  readonly prev: number
  readonly id: number
  place: "torn" | "dirty" | "lost" | "disk"
}

export const writerWorld = (bounds: WriterBounds, choose: Choose, bug?: WriterBug): World =>
  new WriterWorld(bounds, choose, bug)

class WriterWorld implements World {
  readonly actors: ReadonlyArray<Actor>
  readonly #bounds: WriterBounds
  readonly #bug: WriterBug | undefined
  readonly #choose: Choose
  readonly #promised: Record<"accepted" | "durable", Set<number>> = {
    accepted: new Set(),
    durable: new Set(),
  }
  #frames: ReadonlyArray<Frame> = []
  #signedTo = 0
  #nextId = 1
  #alive = 0
  #failuresLeft: number
  #crashes = 0

  constructor(bounds: WriterBounds, choose: Choose, bug: WriterBug | undefined) {
    this.#bounds = bounds
    this.#bug = bug
    this.#choose = choose
    this.#failuresLeft = bounds.fsyncFailuresMax
    this.actors = [...this.#lives(), this.#crash()]
  }

  #fsync(): boolean {
    const fails = this.#failuresLeft > 0 && this.#choose(2) === 1
    if (fails) this.#failuresLeft--
    for (const frame of this.#frames)
      if (frame.place === "dirty") frame.place = fails ? "lost" : "disk"
    return !fails
  }

  /** Reads, cuts, makes durable; where the chain goes on, `undefined` when the disk failed. */
  #recover(): Frame | undefined {
    if (this.#bug !== "writes behind a torn frame")
      this.#frames = this.#frames.filter(({ place }) => place !== "torn")
    // Pages that a failed fsync left behind look clean: only writing them again helps.
    if (this.#bug !== "recovers by an fsync of what it finds")
      for (const frame of this.#frames) if (frame.place === "lost") frame.place = "dirty"
    if (!this.#fsync()) return undefined
    const head = this.#frames.at(-1) ?? { seq: 0, prev: 0, id: 0, place: "disk" }
    const seq = this.#bug === "goes on from the signatures" ? this.#signedTo : head.seq
    this.#signedTo = seq
    return { ...head, seq }
  }

  *#life(name: number): Actor {
    // The lock of a dead process is free.
    yield () => this.#alive === 0 || this.#bug === "writes without a lock"
    const isMine = (): boolean => this.#alive === name || this.#bug === "writes without a lock"
    this.#alive = name
    let head = this.#recover()
    for (let k = 0; k < this.#bounds.records && head !== undefined; k++) {
      yield undefined
      if (!isMine()) return
      const id = this.#nextId++
      const frame: Frame = { seq: head.seq + 1, prev: head.id, id, place: "dirty" }
      if (this.#bug === "answers accepted before the write") this.#promised.accepted.add(id)
      if (this.#bug === "answers accepted before the write") yield undefined
      if (!isMine()) return
      this.#frames = [...this.#frames, frame]
      this.#promised.accepted.add(id)
      head = frame
      if (this.#bug === "answers durable before the fsync") this.#promised.durable.add(id)
      yield undefined
      if (!isMine()) return
      const isDurable =
        this.#fsync() || (this.#bug === "tries a failed fsync again" && this.#fsync())
      // State unknown: the writer ends, and only a recovery may go on.
      if (!isDurable) break
      this.#promised.durable.add(id)
      yield undefined
      if (!isMine()) return
      this.#signedTo = frame.seq
    }
    this.#alive = 0
  }

  #cutPower(): void {
    const kept = this.#frames.findIndex(({ place }) => place !== "disk")
    const end = kept === -1 ? this.#frames.length : kept
    // The kernel writes back when it likes: some of what was dirty has made it.
    const dirty = this.#frames.slice(end).findIndex(({ place }) => place !== "dirty")
    const more = this.#choose((dirty === -1 ? this.#frames.length - end : dirty) + 1)
    const rest = this.#frames.slice(end + more)
    const onDisk = rest.filter(({ place }) => place === "disk")
    this.#frames = [...this.#frames.slice(0, end + more), ...onDisk].map((one) => ({
      ...one,
      place: "disk",
    }))
    if (rest[0]?.place === "dirty" && onDisk.length === 0 && this.#choose(2) === 1)
      this.#frames = [...this.#frames, { ...rest[0], place: "torn" }]
    this.#promised.accepted = new Set(this.#promised.durable)
  }

  *#crash(): Actor {
    for (; this.#crashes < this.#bounds.crashesMax; this.#crashes++) {
      yield undefined
      if (this.#choose(2) === 1) this.#cutPower()
      this.#alive = 0
    }
  }

  check(): void {
    const whole = this.#frames.filter(({ place }) => place !== "torn")
    invariant(
      whole.length === this.#frames.length || this.#frames.at(-1)?.place === "torn",
      "no torn middle",
    )
    whole.forEach(({ seq, prev }, index) => {
      invariant(seq === index + 1, "the chain has no gap and no repeated seq")
      invariant(prev === (whole[index - 1]?.id ?? 0), "the chain has no fork")
    })
    const there = new Set(whole.map(({ id }) => id))
    for (const level of ["accepted", "durable"] as const)
      for (const id of this.#promised[level]) invariant(there.has(id), `what was ${level} is there`)
  }

  finish(): void {
    this.check()
  }

  #lives(): ReadonlyArray<Actor> {
    const count = this.#bounds.crashesMax + 1
    return Array.from({ length: count }, (_, index) => this.#life(index + 1))
  }
}

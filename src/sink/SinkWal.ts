/**
 * The write-ahead log of one chain as files (FORMATS 4).
 *
 * Invariants:
 * - One segment is open at most; the next is created only when the last is sealed and durable.
 * - A segment holds at least one frame before it is sealed.
 * - Files are closed only when no fsync is under way on them.
 *
 * Source: FORMATS 4, LEDGER C-75.
 */
import { statSync } from "node:fs"
import { join } from "node:path"
import { frameBytesMax } from "../base/Limits.ts"
import { formatHeader } from "../record/Frame.ts"
import { DeviceLine } from "./DeviceLine.ts"
import { AppendFile, syncDirectoryLater, writeFileDurably } from "./Durable.ts"
import { checkpointName, segmentName, signaturesName } from "./FileName.ts"
import type { Sink } from "./Sink.ts"
import { attempt, displaced, isStateUnknown, SinkError } from "./SinkError.ts"

const countOffset = 10

/** What watches over a sink. */
export interface SinkWatch {
  /** Runs a step that hands bytes to the operating system. */
  readonly writing: (step: () => void) => void
  /** Runs a step that waits for the device, of which `bytes` are to be made durable. */
  readonly waiting: <A>(bytes: number, step: () => Promise<A>) => Promise<A>
  /** Told of each call that found the disk full. */
  readonly onFull: (error: SinkError) => void
}

const unwatched: SinkWatch = {
  writing: (step) => step(),
  waiting: (_bytes, step) => step(),
  onFull: () => undefined,
}

export class SinkWal implements Sink {
  readonly #directory: string
  readonly #rotateBytes: number
  readonly #watch: SinkWatch
  /** Of the device that the folder is on; a replay makes the folder with its first record. */
  #line: DeviceLine | undefined
  /** Number of the newest segment, 0 before the first. */
  #number: number
  /** Frames in the open segment. */
  #count: number
  #segment: AppendFile | undefined
  #signatures: AppendFile | undefined
  readonly #flushing = new Set<Promise<void>>()
  #failed: SinkError | undefined
  /** The name of `.sig` is not durable yet. */
  #isSignaturesNew = false
  /** Units: bytes handed to the operating system since the last fsync began. */
  #unsynced = 0
  /** Newest segment and its `.sig` while none is open: path and size. */
  #sealed: ReadonlyArray<{ readonly path: string; readonly size: number }> = []

  /** `newest` is the newest segment as recovery left it; sealed ones are never opened again. */
  constructor(options: {
    readonly directory: string
    readonly rotateBytes: number
    readonly newest: { readonly number: number; readonly count: number; readonly open: boolean }
    readonly watch?: SinkWatch | undefined
  }) {
    const { directory } = options
    this.#directory = directory
    this.#watch = options.watch ?? unwatched
    this.#rotateBytes = options.rotateBytes
    this.#number = options.newest.number
    this.#count = options.newest.open ? options.newest.count : 0
    if (options.newest.open) this.#segment = AppendFile.open(this.#path(segmentName))
  }

  #deviceLine(): DeviceLine {
    const directory = this.#directory
    const dev = (): number => attempt("look at", directory, () => statSync(directory)).dev
    this.#line ??= new DeviceLine(dev())
    return this.#line
  }

  room(): number {
    if (this.#segment === undefined) return 0
    const room = Math.max(0, this.#rotateBytes - this.#segment.size)
    return this.#count === 0 ? Math.max(room, frameBytesMax) : room
  }

  write(frames: Uint8Array, _firstSeq: number, count: number): void {
    this.#attempt(() => this.#watch.writing(() => this.#openSegment().append(frames)))
    this.#unsynced += frames.length
    this.#count += count
  }

  writeSignatures(entries: Uint8Array): void {
    this.#attempt(() => {
      if (this.#signatures === undefined) {
        this.#signatures = AppendFile.openOrCreate(this.#path(signaturesName))
        this.#isSignaturesNew = true
      }
      this.#signatures.append(entries)
    })
  }

  async sync(what: "frames" | "signatures"): Promise<void> {
    const file = what === "frames" ? this.#segment : this.#signatures
    if (file === undefined) return
    await this.#flush(async () => {
      await file.sync()
      // Before anything that counts on the entries is signed.
      if (what === "frames" || !this.#isSignaturesNew) return
      await syncDirectoryLater(this.#directory)
      this.#isSignaturesNew = false
    })
    // Also of a sink that is being closed: whoever waits is told the truth.
    this.#look(() => file.demandInPlace())
  }

  demandInPlace(): void {
    this.#attempt(() => {
      this.#segment?.demandInPlace()
      this.#signatures?.demandInPlace()
      for (const { path, size } of this.#sealed) demandSize(path, size)
    })
  }

  async rotate(then: "begin" | "wait"): Promise<void> {
    if (this.#segment !== undefined && this.#count > 0) await this.#seal(this.#segment)
    if (then === "wait" || this.#segment !== undefined) return
    const number = this.#number + 1
    const path = join(this.#directory, segmentName(number))
    this.demandInPlace()
    this.#segment = await this.#wait(() => AppendFile.create(path, formatHeader(0)))
    this.#sealed = []
    this.#number = number
    this.#count = 0
  }

  async writeCheckpoint(number: number, bytes: Uint8Array): Promise<void> {
    const path = join(this.#directory, checkpointName(number))
    this.demandInPlace()
    await this.#wait(() => writeFileDurably(path, bytes))
  }

  async close(): Promise<void> {
    const path = this.#directory
    // What is still to be written finds the door closed, not a folder that others may write now.
    this.#failed ??= new SinkError({ code: "IO", path, message: `the log in ${path} is closed` })
    await this.#closeFiles()
  }

  async #closeFiles(): Promise<void> {
    const files = [this.#segment, this.#signatures]
    // First of all, so that no further fsync begins on them while one is awaited.
    this.#segment = undefined
    this.#signatures = undefined
    await Promise.allSettled(this.#flushing)
    for (const file of files) file?.close()
    this.#isSignaturesNew = false
    this.#sealed = files.flatMap((file) => (file === undefined ? [] : [file]))
  }

  async #seal(segment: AppendFile): Promise<void> {
    await this.#flush(() => segment.syncAll())
    const signatures = this.#signatures
    if (signatures !== undefined) await this.#flush(() => signatures.syncAll())
    await this.#flush(() => syncDirectoryLater(this.#directory))
    this.#attempt(() => {
      segment.demandInPlace()
      signatures?.demandInPlace()
      const header = formatHeader(this.#count)
      segment.patch(header.subarray(countOffset, countOffset + 4), countOffset)
    })
    await this.#flush(() => segment.syncAll())
    await this.#closeFiles()
  }

  #openSegment(): AppendFile {
    if (this.#segment !== undefined) return this.#segment
    const path = this.#directory
    throw new SinkError({ code: "IO", path, message: `no segment is open in ${path}` })
  }

  #path(name: (number: number) => string): string {
    return join(this.#directory, name(this.#number))
  }

  async #flush(sync: () => Promise<void>): Promise<void> {
    // Not even begun once the state is unknown: nobody would hear how it ends.
    const flushing = this.#wait(sync)
    this.#flushing.add(flushing)
    try {
      await flushing
    } finally {
      this.#flushing.delete(flushing)
    }
  }

  /** A step that waits for the device: in its line, and watched. */
  #wait<A>(step: () => Promise<A>): Promise<A> {
    const bytes = this.#unsynced
    this.#unsynced = 0
    // Waiting in the line is no fault of the device's.
    return this.#attemptLater(() => this.#deviceLine().run(() => this.#watch.waiting(bytes, step)))
  }

  #attempt(step: () => void): void {
    if (this.#failed !== undefined) throw this.#failed
    this.#look(step)
  }

  #look(step: () => void): void {
    try {
      step()
    } catch (cause) {
      throw this.#remember(cause)
    }
  }

  async #attemptLater<A>(step: () => Promise<A>): Promise<A> {
    if (this.#failed !== undefined) throw this.#failed
    try {
      return await step()
    } catch (cause) {
      throw this.#remember(cause)
    }
  }

  /** Once the state is unknown no further call may pretend otherwise. */
  #remember(cause: unknown): unknown {
    if (!(cause instanceof SinkError)) return cause
    if (isStateUnknown(cause)) this.#failed = cause
    if (cause.code === "NO_SPACE") this.#watch.onFull(cause)
    return cause
  }
}

/** Of a file that is closed: another system may give it another number when it is opened again. */
const demandSize = (path: string, size: number): void => {
  const found = attempt("look at", path, () => statSync(path, { throwIfNoEntry: false }))
  if (found === undefined) throw displaced(path, "was moved or deleted")
  if (found.size !== size) throw displaced(path, `got ${found.size} bytes instead of ${size}`)
}

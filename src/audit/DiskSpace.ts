/**
 * What a log does when its disk is full.
 *
 * The first call that finds no space shuts all chains of the log: drafts are refused at once and
 * counted. The reserve is given up, and with the room that it leaves each chain writes what it has
 * to say: the Gap of what was refused, and a checkpoint over what it has. From then on the reserve
 * is made again every second; when that succeeds there is space, and the chains open.
 *
 * Without a reserve nothing is shut: each write tries for itself.
 *
 * Source: FORMATS 10 (Gap); LEDGER, C-48.
 */
import { giveUpReserve, makeReserve } from "../sink/Reserve.ts"
import { isFull } from "../sink/SinkError.ts"
import type { Shedding } from "./Shedding.ts"
import type { Writer } from "./Writer.ts"

const retryEveryMs = 1_000

/** One chain, as far as it has to do with space. */
export interface Tenant {
  readonly stream: string
  readonly writer: Writer
  readonly shedding: Shedding
}

export interface DiskSpaceOptions {
  readonly walDir: string
  /** Units: bytes; 0: no reserve. */
  readonly reserveBytes: number
  /** Told once each time that the disk is found full, and of what keeps the reserve away. */
  readonly tell: (stream: string, error: unknown) => void
}

export class DiskSpace {
  readonly #options: DiskSpaceOptions
  readonly #tenants = new Set<Tenant>()
  #isOpen = false
  #isFull = false
  #found = 0
  #retry: NodeJS.Timeout | undefined

  constructor(options: DiskSpaceOptions) {
    this.#options = options
  }

  /** How often the disk was found full. */
  get found(): number {
    return this.#found
  }

  get isFull(): boolean {
    return this.#isFull
  }

  /** Sets the reserve aside; on a full disk the chains begin shut. Errors: SinkError. */
  async open(): Promise<void> {
    const { walDir, reserveBytes } = this.#options
    if (reserveBytes === 0) return
    this.#isOpen = true
    await makeReserve(walDir, reserveBytes).catch((error: unknown) => {
      if (!isFull(error)) throw error
      this.#begin("log", error)
    })
  }

  close(): void {
    this.#isOpen = false
    clearTimeout(this.#retry)
  }

  /** Takes a chain in; gives how it leaves. */
  enter(tenant: Tenant): () => void {
    this.#tenants.add(tenant)
    tenant.writer.setShut("full", this.#isFull)
    return () => void this.#tenants.delete(tenant)
  }

  /** A call found no space. */
  hit(stream: string, error: unknown): void {
    if (!this.#isOpen || this.#isFull) return
    this.#begin(stream, error)
    if (giveUpReserve(this.#options.walDir)) void this.#sayWhy()
  }

  #begin(stream: string, error: unknown): void {
    this.#isFull = true
    this.#found += 1
    this.#shutAll(true)
    this.#options.tell(stream, error)
    this.#retryLater()
  }

  /** One after the other: each is small, and none may take the room of all. */
  async #sayWhy(): Promise<void> {
    for (const { writer, shedding } of [...this.#tenants]) {
      // Whoever was refused is counted by now. What fails is told by the next Gap.
      await shedding.flush().catch(() => undefined)
      await writer.checkpoint().catch(() => undefined)
    }
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.#tryAgain(), retryEveryMs)
    this.#retry.unref()
  }

  async #tryAgain(): Promise<void> {
    const { walDir, reserveBytes, tell } = this.#options
    try {
      await makeReserve(walDir, reserveBytes)
    } catch (error) {
      if (!isFull(error)) tell("log", error)
      if (this.#isOpen) this.#retryLater()
      return
    }
    this.#isFull = false
    this.#shutAll(false)
    for (const { shedding } of this.#tenants) shedding.room()
  }

  #shutAll(isShut: boolean): void {
    for (const { writer } of this.#tenants) writer.setShut("full", isShut)
  }
}

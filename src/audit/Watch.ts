/**
 * What is done about a sink that is slow, hangs or finds its disk full.
 *
 * A late step is counted and told. A stall, a step that outlasts several deadlines, shuts the
 * chain's door until the step ends: a queue does not grow on a device that stands still. Files that
 * are taken away are found out within a second, also while nothing is written.
 *
 * Source: LEDGER.
 */
import type { Clock } from "../base/Clock.ts"
import { Patience } from "../sink/Patience.ts"
import type { SinkError } from "../sink/SinkError.ts"
import type { SinkWatch } from "../sink/SinkWal.ts"
import { AuditError } from "./AuditError.ts"
import type { DiskSpace, Tenant } from "./DiskSpace.ts"
import type { Tuning } from "./WriterOptions.ts"

export interface WatchOptions {
  readonly stream: string
  readonly clock: Clock
  readonly tuning: Tuning
  readonly space: DiskSpace | undefined
  /** Told once of several late steps. */
  readonly tell: (error: AuditError) => void
}

const lookEveryMs = 1_000

const termsOf = ({ walMs, walStrikes }: Tuning) => ({ deadlineMs: walMs, strikesMax: walStrikes })

export class Watch implements SinkWatch {
  readonly #options: WatchOptions
  readonly #patience: Patience
  /** The first records of the chain are still to be written: what is refused is they themselves. */
  isOpening = true
  #tenant: Tenant | undefined

  constructor(options: WatchOptions) {
    this.#options = options
    const { stream, clock, tuning, tell } = options
    this.#patience = new Patience({
      ...termsOf(tuning),
      clock,
      onLate: (afterMs) => tell(tooSlow(stream, afterMs)),
      onStall: (isStalled) => this.#onStall(isStalled),
    })
  }

  /** Steps that were late. */
  get late(): number {
    return this.#patience.late
  }

  /** Whether its chain is shut, so that even what it would say has to wait. */
  get isShut(): boolean {
    return this.#patience.isStalled || this.#options.space?.isFull === true
  }

  /** The chain that the sink belongs to, once it is there; gives how it leaves. */
  enter(tenant: Tenant): () => void {
    this.#tenant = tenant
    const quit = this.#options.space?.enter(tenant)
    const looking = setInterval(() => tenant.writer.lookAfterFiles(), lookEveryMs)
    looking.unref()
    return () => {
      clearInterval(looking)
      quit?.()
    }
  }

  tune(tuning: Tuning): void {
    this.#patience.terms = termsOf(tuning)
  }

  writing(step: () => void): void {
    this.#patience.during(step)
  }

  waiting<A>(bytes: number, step: () => Promise<A>): Promise<A> {
    return this.#patience.with(bytes, step)
  }

  onFull(error: SinkError): void {
    this.#options.space?.hit(this.#options.stream, error)
  }

  #onStall(isStalled: boolean): void {
    this.#tenant?.writer.setShut("stalled", isStalled)
    if (!isStalled) this.#tenant?.shedding.room()
  }
}

const tooSlow = (stream: string, afterMs: number): AuditError =>
  AuditError.of("TIMEOUT", `the disk of ${stream} takes longer than ${afterMs} ms for one step`)

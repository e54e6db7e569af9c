/**
 * What a process does about signals.
 *
 *     running --SIGTERM, SIGINT--> draining --drained--> stopped
 *                                     |
 *                                     +--second signal, deadline--> aborting --> stopped
 *
 * - SIGHUP reloads while running and never ends the process.
 * - An abort waits for nothing: what is left is counted, printed as one line, and the process
 *   exits, whatever still hangs.
 * - Effect's `runMain` must not be used beside it: it ignores a second signal.
 *
 * Does not protect against a thread that is blocked: no handler and no timer runs then, and only
 * SIGKILL helps.
 */

/** The part of `process` that is used. */
export interface SignalSource {
  readonly on: (signal: Signal, listener: () => void) => unknown
  readonly off: (signal: Signal, listener: () => void) => unknown
}

export type Signal = "SIGTERM" | "SIGINT" | "SIGHUP"

export type Phase = "running" | "draining" | "aborting" | "stopped"

export interface SignalOptions {
  readonly source: SignalSource
  /** From now on nothing new is accepted. */
  readonly stopIntake: () => void
  /** Settles when everything accepted is where it belongs. */
  readonly drain: () => Promise<void>
  /** Units: milliseconds from the first signal to the abort. */
  readonly deadlineMs: number
  /** The same signal within that time is the same request: shells and npm pass one on twice. */
  readonly repeatMs: number
  readonly reload: () => void | Promise<void>
  /** What an abort leaves behind, by name. Duty: returns at once. */
  readonly left: () => Readonly<Record<string, number>>
  /** Gets whole lines without their end. Duty: has written when it returns. */
  readonly print: (line: string) => void
  readonly exit: (code: number) => void
  /** Exit code of a clean drain; without it the host goes on and ends as it likes. */
  readonly drainedCode: number | undefined
  readonly monotonicMs: () => number
}

export interface Signals {
  readonly phase: () => Phase
  /** Begins to stop as SIGTERM does, for hosts that have their own reasons. */
  readonly stop: (why: string) => void
  /** Takes the handlers off: signals do again what they did before. */
  readonly dispose: () => void
}

const abortedCode = 130
const failedCode = 1

export const handleSignals = (options: SignalOptions): Signals => {
  const handler = new Handler(options)
  handler.listen()
  return handler
}

class Handler implements Signals {
  readonly #options: SignalOptions
  readonly #listeners: ReadonlyArray<readonly [Signal, () => void]>
  #phase: Phase = "running"
  #last: { readonly why: string; readonly atMs: number } | undefined
  #deadline: ReturnType<typeof setTimeout> | undefined

  constructor(options: SignalOptions) {
    this.#options = options
    this.#listeners = [
      ["SIGTERM", () => this.#asked("SIGTERM")],
      ["SIGINT", () => this.#asked("SIGINT")],
      ["SIGHUP", () => void this.#reload()],
    ]
  }

  listen(): void {
    for (const [signal, listener] of this.#listeners) this.#options.source.on(signal, listener)
  }

  phase(): Phase {
    return this.#phase
  }

  stop(why: string): void {
    if (this.#phase === "running") void this.#drain(why)
  }

  dispose(): void {
    for (const [signal, listener] of this.#listeners) this.#options.source.off(signal, listener)
    clearTimeout(this.#deadline)
  }

  #asked(signal: Signal): void {
    const atMs = this.#options.monotonicMs()
    const isRepeat = this.#last?.why === signal && atMs - this.#last.atMs < this.#options.repeatMs
    this.#last = { why: signal, atMs }
    if (this.#phase === "running") void this.#drain(signal)
    else if (this.#phase === "draining" && !isRepeat) this.#abort(`a second signal (${signal})`)
  }

  async #drain(why: string): Promise<void> {
    const { stopIntake, drain, deadlineMs, drainedCode } = this.#options
    this.#phase = "draining"
    this.#print(`${why}: no new records, draining for at most ${deadlineMs} ms`)
    // It keeps the process alive: a drain that waits for nothing the loop knows must not exit 0.
    this.#deadline = setTimeout(
      () => this.#abort(`not drained within ${deadlineMs} ms`),
      deadlineMs,
    )
    try {
      stopIntake()
      await drain()
    } catch (error) {
      if (this.#phase === "draining") this.#end(`failed to drain: ${sentence(error)}`, failedCode)
      return
    }
    if (this.#phase !== "draining") return
    this.#phase = "stopped"
    this.dispose()
    this.#print("drained, stopped")
    if (drainedCode !== undefined) this.#options.exit(drainedCode)
  }

  #abort(why: string): void {
    if (this.#phase !== "draining") return
    this.#end(`aborted: ${why}`, abortedCode)
  }

  #end(what: string, code: number): void {
    this.#phase = "aborting"
    clearTimeout(this.#deadline)
    this.#print(`${what}; left: ${this.#left()}`)
    this.#phase = "stopped"
    this.#options.exit(code)
  }

  #left(): string {
    try {
      const counts = Object.entries(this.#options.left())
      return counts.map(([name, count]) => `${count} ${name}`).join(", ") || "nothing"
    } catch (error) {
      return `not known (${sentence(error)})`
    }
  }

  /** A broken pipe to the log must not stop the stopping. */
  #print(line: string): void {
    try {
      this.#options.print(line)
    } catch {}
  }

  async #reload(): Promise<void> {
    if (this.#phase !== "running") return
    try {
      await this.#options.reload()
    } catch (error) {
      this.#print(`SIGHUP: not reloaded, going on as before: ${sentence(error)}`)
    }
  }
}

const sentence = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)

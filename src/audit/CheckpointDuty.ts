/**
 * When the checkpoints of one chain are signed: on request, and when enough records lie behind the
 * last one. One at a time; who asks while one waits its turn shares it.
 */
export class CheckpointDuty {
  readonly #sign: () => Promise<void>
  readonly #onTrouble: (error: unknown) => void
  #isDue = false
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  /** `onTrouble` is told of one that nobody asked for and that failed. */
  constructor(sign: () => Promise<void>, onTrouble: (error: unknown) => void) {
    this.#sign = sign
    this.#onTrouble = onTrouble
  }

  /** Errors: those of `sign`. */
  checkpoint(): Promise<void> {
    // One that has not begun covers whatever is there when it does.
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#sign()
    })
    this.#running = this.#next.catch(() => undefined)
    return this.#next
  }

  /** `isDue` says whether enough lies behind the last one; it is asked again after each. */
  whenDue(isDue: () => boolean): void {
    if (this.#isDue || !isDue()) return
    this.#isDue = true
    this.checkpoint().then(
      () => {
        this.#isDue = false
        // What came in meanwhile may be due as well, and nothing else may follow.
        this.whenDue(isDue)
      },
      (error: unknown) => {
        this.#isDue = false
        this.#onTrouble(error)
      },
    )
  }

  /** Settles when none is being signed. */
  idle(): Promise<void> {
    return this.#running
  }
}

/** Wall clock as a port, so that time is an argument everywhere below the entry points. */
export interface Clock {
  /** Units: Unix milliseconds. */
  readonly nowMs: () => number
}

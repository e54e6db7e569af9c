/**
 * How many steps may wait for one chain, and for one device, in libuv's thread pool at a time.
 *
 * A call to a device that hangs keeps its thread. Were all threads taken by one device, no file on
 * any other could be fsynced or read by this process, so one thread is always left; and one chain
 * never has the whole share of its device. A step that finds no place waits for its turn.
 *
 * Not protected against: two devices that hang at the same time; a pool of one or two threads.
 */

// As libuv reads it, once.
const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4
const deviceStepsMax = Math.max(1, threads - 1)
const chainStepsMax = Math.max(1, deviceStepsMax - 1)

/** So many steps at a time, the others in the order of their arrival. */
class Line {
  readonly #max: number
  readonly #waiting: Array<() => void> = []
  #running = 0

  constructor(max: number) {
    this.#max = max
  }

  get isEmpty(): boolean {
    return this.#running === 0
  }

  /** At once where there is a place. */
  async run<A>(step: () => Promise<A>): Promise<A> {
    if (this.#running < this.#max) this.#running += 1
    else await new Promise<void>((done) => this.#waiting.push(done))
    try {
      return await step()
    } finally {
      const next = this.#waiting.shift()
      // The place is handed on, so that nobody who comes meanwhile takes it.
      if (next !== undefined) next()
      else this.#running -= 1
    }
  }
}

/** By device number; all logs of a process share its threads. */
const devices = new Map<number, Line>()

/** The line of one chain on a device. */
export class DeviceLine {
  readonly #device: number
  readonly #chain = new Line(chainStepsMax)

  constructor(device: number) {
    this.#device = device
  }

  /** Runs a step that waits for the device. Errors: those of the step. */
  run<A>(step: () => Promise<A>): Promise<A> {
    return this.#chain.run(() => this.#onDevice(step))
  }

  async #onDevice<A>(step: () => Promise<A>): Promise<A> {
    const line = devices.get(this.#device) ?? new Line(deviceStepsMax)
    devices.set(this.#device, line)
    try {
      return await line.run(step)
    } finally {
      if (line.isEmpty && devices.get(this.#device) === line) devices.delete(this.#device)
    }
  }
}

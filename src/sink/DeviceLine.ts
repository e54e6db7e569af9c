/**
 * How many waiting steps one device may have in libuv's thread pool at a time.
 *
 * A call to a device that hangs keeps its thread. Were all threads taken by one device, no file on
 * any other could be fsynced or read by this process; so one thread is always left. A step that
 * finds no place waits for its turn, in the order of arrival.
 *
 * Not protected against: two devices that hang at the same time; a pool of one thread.
 */

// As libuv reads it, once.
const threads = Number(process.env.UV_THREADPOOL_SIZE) || 4
const stepsMax = Math.max(1, threads - 1)

interface Line {
  running: number
  readonly waiting: Array<() => void>
}

/** By device number; all logs of a process share its threads. */
const lines = new Map<number, Line>()

/** Runs a step when its device has a place for it: at once where nothing waits. */
export const inLine = async <A>(device: number, step: () => Promise<A>): Promise<A> => {
  let line = lines.get(device)
  if (line === undefined) {
    line = { running: 0, waiting: [] }
    lines.set(device, line)
  }
  if (line.running < stepsMax) line.running += 1
  else await new Promise<void>((done) => line.waiting.push(done))
  try {
    return await step()
  } finally {
    const next = line.waiting.shift()
    // The place is handed on, so that nobody who comes meanwhile takes it.
    if (next !== undefined) next()
    else line.running -= 1
    if (line.running === 0) lines.delete(device)
  }
}

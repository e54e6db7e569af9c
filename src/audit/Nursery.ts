/**
 * Who keeps the actors of chains alive: a port, so that the log needs no supervisor of its own.
 *
 * Duty of an implementation: one actor of a name at a time; `close` of an actor has ended before
 * the next one of its name is opened; an actor that rejects is opened again, one that fulfils not.
 */

export interface ChainActor {
  /** Fulfils when the actor ends as it should, rejects with why it crashed. */
  readonly ended: Promise<void>
  /** Releases all it has; what still waits is drained or told. */
  readonly close: () => Promise<void>
}

export interface Nursery {
  /** Settles when the first start has ended, well or not; at once where the actor is there. */
  readonly start: (name: string, open: () => Promise<ChainActor>) => Promise<void>
  /** Settles when the actor is closed; at once where there is none. */
  readonly stop: (name: string) => Promise<void>
}

/** In the place of an actor that is not there and needs nobody to bring it back. */
export const gone: ChainActor = { ended: Promise.resolve(), close: async () => undefined }

/** For a log that is open for a moment only: what crashes stays down. */
export const unsupervised = (): Nursery => {
  const actors = new Map<string, ChainActor>()
  return {
    start: async (name, open) => {
      if (actors.has(name)) return
      const actor = await open().catch(() => undefined)
      if (actor === undefined) return
      actors.set(name, actor)
      actor.ended.catch(() => undefined)
    },
    stop: async (name) => {
      const actor = actors.get(name)
      actors.delete(name)
      await actor?.close()
    },
  }
}

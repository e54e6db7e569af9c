/**
 * Actors of the concurrent models: what stands between two `yield`s happens at once, and whoever
 * explores a model decides who goes on. An actor that yields a condition waits until it holds. What
 * stands before the first `yield` is part of the beginning.
 */
export type Actor = Generator<(() => boolean) | undefined, void, undefined>

/** Picks one of `0 .. count - 1`: all nondeterminism of a model. */
export type Choose = (count: number) => number

export interface World {
  readonly actors: ReadonlyArray<Actor>
  /** Throws where the world is as it must not be; asked after every step. */
  readonly check: () => void
  /** The same, once nobody has anything left to do. */
  readonly finish: () => void
}

/**
 * A sink keeps one chain: frames, detached signatures and checkpoints, in order.
 *
 * Duty of an implementation:
 * - `write` and `writeSignatures` take all bytes or none, hand them to the operating system (ram:
 *   store them) before they return, and throw SinkError otherwise. After STATE_UNKNOWN the sink
 *   takes nothing more.
 * - `sync` resolves when all frames, or all signature entries, written before the call are durable,
 *   and still where they were put.
 * - `rotate` seals the segment: frames, signatures, directory and count are durable, in this order,
 *   before the next segment is created (`begin`) or the sink waits for the next `rotate` (`wait`).
 * - Calls come from one writer, one at a time, but for `sync` and `writeCheckpoint`, which may
 *   overlap with the others.
 */
export interface Sink {
  /** Units: bytes of frames that may be written before `rotate`; 0 while no segment is open. */
  readonly room: () => number
  readonly write: (frames: Uint8Array, firstSeq: number, count: number) => void
  readonly writeSignatures: (entries: Uint8Array) => void
  readonly sync: (what: "frames" | "signatures") => Promise<void>
  readonly rotate: (then: "begin" | "wait") => Promise<void>
  /**
   * Refuses where what was written is not where it was put: files that were moved, replaced or cut
   * meanwhile. Errors: SinkError DISPLACED, STATE_UNKNOWN.
   */
  readonly demandInPlace: () => void
  readonly writeCheckpoint: (number: number, bytes: Uint8Array) => Promise<void>
  readonly close: () => Promise<void>
}

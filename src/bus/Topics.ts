/**
 * What the runtime tells those beside it: topics and the fields of their events.
 *
 * Names and fields are those that other services rely on; a change of either is a change of the
 * public surface. `kernel` is the family of `kernel.shutdown` and its siblings.
 *
 * Source: LEDGER, C-34 (reasons), C-45 (names).
 */

export interface CheckpointCreated {
  readonly stream: string
  readonly writer_id: string
  readonly range: readonly [first: number, last: number]
  readonly root: string
  readonly signer_key_id: string
}

export const verifyFailures = [
  "hash_mismatch",
  "prev_mismatch",
  "manifest_gap",
  "canon",
  "root_mismatch",
  "sig_invalid",
] as const

/** Why a chain did not verify, in the words that metrics and logs use as well. */
export type VerifyFailure = (typeof verifyFailures)[number]

export interface VerifyFailed {
  readonly stream: string
  readonly writer_id: string
  readonly seq: number
  readonly reason: VerifyFailure
}

export interface ConfigUpdated {
  readonly version: number
}

export interface Shutdown {
  /** A signal's name, or why else the runtime stops. */
  readonly reason: string
}

export interface ServiceCrashed {
  /** Path of the actor in the tree of supervisors. */
  readonly service: string
  readonly code: string
}

/** Every topic with the payload of its events. */
export interface Payloads {
  readonly "audit.checkpoint.created": CheckpointCreated
  readonly "audit.verify.failed": VerifyFailed
  readonly "kernel.config.updated": ConfigUpdated
  readonly "kernel.shutdown": Shutdown
  readonly "kernel.service.crashed": ServiceCrashed
}

/** Name of a kind of event. */
export type Topic = keyof Payloads

export const topics: ReadonlyArray<Topic> = [
  "audit.checkpoint.created",
  "audit.verify.failed",
  "kernel.config.updated",
  "kernel.shutdown",
  "kernel.service.crashed",
]

/** Whether a topic is `filter`, or of the family that `filter` names. */
export const isOf = (topic: Topic, filter: string): boolean =>
  topic === filter || topic.startsWith(`${filter}.`)

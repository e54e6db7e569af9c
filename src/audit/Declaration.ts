/**
 * What a chain declares about itself: the attrs of StreamOpened at seq 1, changed by ConfigUpdated.
 *
 * A verifier holds the chain to it (a weaker signature than declared is `sig_missing`), and
 * recovery reads the fsync policy from it. Source: FORMATS 7 and 10.
 */
import type { Json, JsonObject } from "../record/Canonical.ts"

/** Strength falls from left to right. */
export const signings = ["record", "batch", "checkpoint"] as const
/** What is signed besides checkpoints: each record, each batch, or nothing. */
export type Signing = (typeof signings)[number]

export const fsyncPolicies = ["always", "on_checkpoint", "never"] as const
/** When records are forced to the disk; what each can lose: docs/concepts/durability.md. */
export type FsyncPolicy = (typeof fsyncPolicies)[number]

/** The end of a damaged chain that this one continues. */
export interface Predecessor {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly finding: string
}

export interface Declaration {
  readonly logId: string
  readonly signing: Signing
  readonly algs: ReadonlyArray<string>
  readonly checkpointAlgs: ReadonlyArray<string>
  readonly fsync: FsyncPolicy
  readonly successorOf?: Predecessor | undefined
}

export const formatDeclaration = (declared: Declaration): JsonObject => ({
  log_id: declared.logId,
  signing: declared.signing,
  algs: declared.algs,
  checkpoint_algs: declared.checkpointAlgs,
  fsync: declared.fsync,
  ...(declared.successorOf === undefined
    ? {}
    : {
        successor_of: {
          writer_id: declared.successorOf.writerId,
          stream: declared.successorOf.stream,
          seq: declared.successorOf.seq,
          self_hash: declared.successorOf.selfHash,
          finding: declared.successorOf.finding,
        },
      }),
})

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const oneOf = <T extends string>(list: ReadonlyArray<T>, value: Json | undefined): T | undefined =>
  list.find((item) => item === value)

const texts = (value: Json | undefined): ReadonlyArray<string> | undefined =>
  Array.isArray(value) && value.every((item): item is string => typeof item === "string")
    ? value
    : undefined

const parsePredecessor = (value: Json | undefined): Predecessor | undefined => {
  if (!isObject(value)) return undefined
  const { writer_id, stream, seq, self_hash, finding } = value
  if (typeof writer_id !== "string" || typeof stream !== "string") return undefined
  if (typeof seq !== "number" || typeof self_hash !== "string") return undefined
  if (typeof finding !== "string") return undefined
  return { writerId: writer_id, stream, seq, selfHash: self_hash, finding }
}

/** The declaration in StreamOpened's attrs, else `undefined`. */
export const parseDeclaration = (attrs: JsonObject): Declaration | undefined => {
  const { log_id, successor_of } = attrs
  const signing = oneOf(signings, attrs.signing)
  const fsync = oneOf(fsyncPolicies, attrs.fsync)
  const algs = texts(attrs.algs)
  // The vectors' StreamOpened carries no checkpoint_algs: absent means the same as algs.
  const checkpointAlgs = attrs.checkpoint_algs === undefined ? algs : texts(attrs.checkpoint_algs)
  const successorOf = parsePredecessor(successor_of)
  if (typeof log_id !== "string" || !/^[0-9a-f]{32}$/.test(log_id)) return undefined
  if (signing === undefined || fsync === undefined) return undefined
  if (algs === undefined || checkpointAlgs === undefined) return undefined
  if (successor_of !== undefined && successorOf === undefined) return undefined
  return { logId: log_id, signing, algs, checkpointAlgs, fsync, successorOf }
}

/** The declaration after a ConfigUpdated with these attrs; `undefined` where they make no sense. */
export const updateDeclaration = (
  declared: Declaration,
  attrs: JsonObject,
): Declaration | undefined =>
  parseDeclaration({
    ...formatDeclaration({ ...declared, successorOf: undefined }),
    ...Object.fromEntries(
      ["signing", "algs", "checkpoint_algs", "fsync"]
        .filter((key) => attrs[key] !== undefined)
        .map((key) => [key, attrs[key] as Json]),
    ),
  })

/** Attrs of the ConfigUpdated that leads from one declaration to the other, without config_b3. */
export const changedAttrs = (from: Declaration, to: Declaration): JsonObject => {
  const before = formatDeclaration(from)
  const after = formatDeclaration(to)
  return Object.fromEntries(
    ["signing", "algs", "checkpoint_algs", "fsync"]
      .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
      .map((key) => [key, after[key] as Json]),
  )
}

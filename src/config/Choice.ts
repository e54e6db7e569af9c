/** The values that a configuration chooses from. Source: LEDGER, C-26, C-29. */

export const sinkKinds = ["ram", "wal", "export", "wal+export"] as const
export type SinkKind = (typeof sinkKinds)[number]

/** `drop`: a full queue refuses the new record with Busy. `block`: it waits; for tests only. */
export const shedPolicies = ["drop", "block"] as const
export type ShedPolicy = (typeof shedPolicies)[number]

export const fsyncPolicies = ["always", "on_checkpoint", "never"] as const
export type FsyncPolicy = (typeof fsyncPolicies)[number]

export const ipModes = ["drop", "prefix", "hash"] as const
export type IpMode = (typeof ipModes)[number]

export const profiles = ["dev", "prod", "test"] as const
export type Profile = (typeof profiles)[number]

/** As signing/Algorithm.ts has them, which would bring its hash along into every command. */
export const signatureAlgorithms = [
  "ed25519",
  "ecdsa-p256-sha256",
  "ml-dsa-44",
  "ml-dsa-65",
  "ml-dsa-87",
  "slh-dsa-sha2-128s",
]

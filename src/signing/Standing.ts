/**
 * Whether a key counts at the time a signature was made, as pure functions of given times.
 *
 * Who holds a key can write any date, so a key's own date never proves anything about itself: a
 * signature is *placed* by the date of a checkpoint that another trusted, uncompromised key signed.
 * Unplaced, it is judged at the verifier's now.
 *
 * Source: FORMATS 6 (certificates, revocations) and 7 (to_ts_ms, revoked).
 */
import type { KeyId } from "./Algorithm.ts"
import type { Revoked, Trust, TrustKey } from "./Trust.ts"

/** `early`, `expired`: outside its time. `compromised`: not provably older than the revocation. */
export type Standing = "good" | "early" | "expired" | "compromised"

/** A checkpoint that counts, for placing what it covers. */
export interface PlacingCheckpoint {
  /** Units: Unix milliseconds. */
  readonly tsMs: number
  readonly keyId: KeyId
}

/** When a signature by `keyId` existed at the latest, by the word of another key. */
export const placedAt = (
  keyId: KeyId,
  checkpoints: Iterable<PlacingCheckpoint>,
): number | undefined => {
  let earliest: number | undefined
  for (const checkpoint of checkpoints) {
    if (checkpoint.keyId === keyId) continue
    if (earliest === undefined || checkpoint.tsMs < earliest) earliest = checkpoint.tsMs
  }
  return earliest
}

const revokedFrom = (revoked: ReadonlyArray<Revoked>, keyId: KeyId): number => {
  const times = revoked.filter((entry) => entry.keyId === keyId).map((entry) => entry.fromTsMs)
  return Math.min(Number.POSITIVE_INFINITY, ...times)
}

/**
 * Whether an anchor's signature counts.
 * Units: Unix milliseconds; `placedMs` as from `placedAt`.
 */
export const anchorStanding = (
  key: TrustKey,
  trust: Trust,
  placedMs: number | undefined,
  nowMs: number,
): Standing => {
  const atMs = placedMs ?? nowMs
  if (atMs >= revokedFrom(trust.revoked, key.keyId)) return "compromised"
  const to = key.toTsMs ?? Number.POSITIVE_INFINITY
  // Placed: "ts_ms before that". Unplaced: "after its to_ts_ms".
  if (placedMs === undefined ? nowMs > to : placedMs >= to) return "expired"
  return atMs < (key.fromTsMs ?? 0) ? "early" : "good"
}

/**
 * Whether the signature with which an anchor issued a checkpoint counts. `committedMs`: the date of
 * a later checkpoint by another trusted key that commits to this one through prev.
 */
export const checkpointStanding = (
  key: TrustKey,
  trust: Trust,
  tsMs: number,
  committedMs: number | undefined,
  nowMs: number,
): Standing => {
  // A date that the key gives against itself is believed.
  if (tsMs >= revokedFrom(trust.revoked, key.keyId)) return "compromised"
  if (tsMs > (key.toTsMs ?? Number.POSITIVE_INFINITY)) return "expired"
  if (tsMs < (key.fromTsMs ?? 0)) return "early"
  return anchorStanding(key, trust, committedMs, nowMs)
}

export interface CertifiedTimes {
  readonly keyId: KeyId
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly issuer: TrustKey
}

/**
 * Whether a certified key's signature counts. `revoked` are the revocations that were verified,
 * beside those of the trust file. What is `early` or `expired` counts as absent, not as wrong.
 */
export const certifiedStanding = (
  certified: CertifiedTimes,
  trust: Trust,
  revoked: ReadonlyArray<Revoked>,
  placedMs: number | undefined,
  nowMs: number,
): Standing => {
  const atMs = placedMs ?? nowMs
  const all = [...trust.revoked, ...revoked]
  if (atMs >= revokedFrom(all, certified.keyId)) return "compromised"
  // Whoever took the issuer's key could have written this certificate from then on.
  if (atMs >= revokedFrom(trust.revoked, certified.issuer.keyId)) return "compromised"
  if (atMs < certified.notBeforeMs) return "early"
  return atMs > certified.notAfterMs ? "expired" : "good"
}

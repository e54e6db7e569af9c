/**
 * Which records of a chain are covered by a signature that counts, and what follows from the rest.
 *
 * Records are kept as runs of equal state, so an undamaged chain of any length is a few runs.
 *
 * Source: FORMATS 7 (valid, unknown, sig_missing) and 6 (certified signatures).
 */
import { type Signing, signings } from "./Declaration.ts"
import type { FindingKind } from "./Finding.ts"

/**
 * What the `.sig` files say of a record: a signature of this strength; none; none that can be
 * placed in its window (`absent`); one of a key that nobody vouches for, that has ended or that was
 * compromised; or it cannot be said because of damage that is reported elsewhere (`excused`).
 */
export type SignatureState = "record" | "batch" | "none" | "absent" | KeyDoubt | "excused"

/** A key that does not count: a finding only where nothing else covers. FORMATS 7 */
export type KeyDoubt = Extract<FindingKind, "key_unknown" | "key_expired" | "key_compromised">

export interface Run<S> {
  readonly first: number
  readonly last: number
  readonly state: S
}

/** Appends runs in seq order, joining equal neighbours. */
export const appendRun = <S>(runs: Array<Run<S>>, first: number, last: number, state: S): void => {
  if (last < first) return
  const before = runs[runs.length - 1]
  if (before !== undefined && before.state === state && before.last + 1 === first) {
    runs[runs.length - 1] = { first: before.first, last, state }
  } else runs.push({ first, last, state })
}

export interface CoverageInput {
  /** In seq order, without overlaps; what is missing counts as excused. */
  readonly signatures: ReadonlyArray<Run<SignatureState>>
  /** Ranges under a checkpoint that counts, in seq order. */
  readonly checkpoints: ReadonlyArray<readonly [number, number]>
  /** Ranges under a checkpoint whose key does not count, in seq order. */
  readonly doubtful: ReadonlyArray<Run<KeyDoubt>>
  /** From which seq on which signing is declared, in seq order, the first at the first record. */
  readonly declared: ReadonlyArray<{ readonly first: number; readonly signing: Signing }>
  /** First seq of the newest segment while it is unsealed; beyond the head when all are sealed. */
  readonly openFrom: number
  readonly headSeq: number
  readonly require: "signed" | "checkpointed"
}

export interface CoverageGap {
  readonly kind: "sig_missing" | KeyDoubt
  readonly first: number
  readonly last: number
  readonly expected: string
  readonly found: string
}

export interface CoverageResult {
  /** Records with a record or batch signature that counts. */
  readonly signed: number
  /** Last seq up to which everything is covered. */
  readonly provenTo: number
  readonly gaps: ReadonlyArray<CoverageGap>
}

interface Piece {
  readonly first: number
  readonly last: number
  readonly state: SignatureState
  readonly checkpointed: boolean
  readonly declared: Signing
  readonly isOpen: boolean
}

/** Cuts the runs wherever something about them changes. */
function* pieces(input: CoverageInput): Generator<Piece> {
  let checkpoint = 0
  let declaration = 0
  for (const run of input.signatures) {
    for (let at = run.first; at <= run.last; ) {
      while ((input.checkpoints[checkpoint]?.[1] ?? Infinity) < at) checkpoint++
      while ((input.declared[declaration + 1]?.first ?? Infinity) <= at) declaration++
      const [from, to] = input.checkpoints[checkpoint] ?? [Infinity, Infinity]
      const checkpointed = from <= at
      const isOpen = at >= input.openFrom
      const last = Math.min(
        run.last,
        checkpointed ? to : from - 1,
        (input.declared[declaration + 1]?.first ?? Infinity) - 1,
        isOpen ? Infinity : input.openFrom - 1,
      )
      const declared = input.declared[declaration]?.signing ?? "checkpoint"
      yield { first: at, last, state: run.state, checkpointed, declared, isOpen }
      at = last + 1
    }
  }
}

const isWeaker = (found: Signing, declared: Signing): boolean =>
  signings.indexOf(found) > signings.indexOf(declared)

const strengthOf = (piece: Piece): Signing | undefined =>
  piece.state === "record" || piece.state === "batch"
    ? piece.state
    : piece.checkpointed
      ? "checkpoint"
      : undefined

const doubtText: Readonly<Record<KeyDoubt, string>> = {
  key_unknown: "one by a key that leads to no anchor",
  key_expired: "one by a key outside its time",
  key_compromised: "one by a revoked key",
}
const doubts = Object.keys(doubtText) as ReadonlyArray<KeyDoubt>

const gap = (piece: Piece, kind: CoverageGap["kind"], expected: string, found: string) => ({
  kind,
  first: piece.first,
  last: piece.last,
  expected,
  found,
})

const weaker = (piece: Piece): CoverageGap | undefined => {
  const found = strengthOf(piece)
  // Only a signature that is not there is missing; one whose key does not count is judged by that.
  const isThere = piece.state === "record" || piece.state === "batch" || piece.state === "none"
  if (found === undefined || !isThere) return undefined
  return isWeaker(found, piece.declared)
    ? gap(piece, "sig_missing", `a ${piece.declared} signature`, `a ${found} signature`)
    : undefined
}

/** A record that nothing covers is missing its signature unless it may still get it. */
const uncovered = (
  piece: Piece,
  lastCovered: number,
  doubtful: ReadonlyArray<Run<KeyDoubt>>,
): CoverageGap | undefined => {
  if (piece.state === "excused") return undefined
  const doubt =
    doubts.find((kind) => kind === piece.state) ??
    doubtful.find(({ first, last }) => first <= piece.last && piece.first <= last)?.state
  if (doubt !== undefined) return gap(piece, doubt, "a signature that counts", doubtText[doubt])
  const mustBeSigned = piece.state === "none" && piece.declared !== "checkpoint" && !piece.isOpen
  return piece.last < lastCovered || mustBeSigned
    ? gap(piece, "sig_missing", "a signature that covers it", "none")
    : undefined
}

export const judgeCoverage = (input: CoverageInput): CoverageResult => {
  const all = [...pieces(input)]
  const counts = (piece: Piece): boolean =>
    input.require === "checkpointed" ? piece.checkpointed : strengthOf(piece) !== undefined
  const lastCovered = all.findLast(counts)?.last ?? 0
  const gaps: Array<CoverageGap> = []
  let signed = 0
  let provenTo: number | undefined
  for (const piece of all) {
    if (piece.state === "record" || piece.state === "batch") signed += piece.last - piece.first + 1
    if (!counts(piece)) provenTo ??= piece.first - 1
    const found = counts(piece) ? weaker(piece) : uncovered(piece, lastCovered, input.doubtful)
    if (found !== undefined) gaps.push(found)
  }
  return { signed, provenTo: provenTo ?? input.headSeq, gaps }
}

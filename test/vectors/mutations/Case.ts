/** What a case is, and how it is written down. */
import { trust } from "./Bases.ts"
import type { Files } from "./Log.ts"

export interface Options {
  readonly integrity?: boolean
  readonly require?: "signed" | "checkpointed"
  /** Lines as `--acks` prints them. */
  readonly expectHead?: ReadonlyArray<object>
}

export interface Case {
  readonly group: string
  readonly name: string
  readonly files: Files
  /** Bytes of the trust file; absent: verified without anchors. */
  readonly trust?: Uint8Array
  readonly options?: Options
  readonly verdict: "valid" | "invalid" | "unknown" | "intact"
  readonly finding?: Expected
  /** Why only the verdict is expected. */
  readonly open?: string
  /** What the second verifier says instead, while its author has not decided. */
  readonly waits?: string
}

/** The first finding of this kind, and the record it is about. */
export interface Expected {
  readonly kind: string
  readonly seq: number
  /** Default: ingress. */
  readonly stream?: string
}

/** Gathers cases in order. */
export class CaseList {
  readonly cases: Array<Case> = []
  add(group: string, ...list: ReadonlyArray<Omit<Case, "group">>): void {
    for (const one of list) this.cases.push({ group, ...one })
  }
}

export const bad = (
  name: string,
  files: Files,
  kind: string,
  seq: number,
  more: Partial<Case> = {},
): Omit<Case, "group"> => ({
  name,
  files,
  trust,
  verdict: "invalid",
  finding: { kind, seq },
  ...more,
})

export const good = (name: string, files: Files, more: Partial<Case> = {}): Omit<Case, "group"> => ({
  name,
  files,
  trust,
  verdict: "valid",
  ...more,
})

export const unknown = (
  name: string,
  files: Files,
  finding?: Expected,
  more: Partial<Case> = {},
): Omit<Case, "group"> => ({
  name,
  files,
  trust,
  verdict: "unknown",
  ...(finding === undefined ? {} : { finding }),
  ...more,
})

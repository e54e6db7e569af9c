/**
 * Every exemption from a tidy rule, by name and with its reason. At best this list is empty: it is
 * longer than one line only where a rule meets a case it was not made for. An exemption that
 * exempts nothing any more fails the run.
 */
export interface Exemption {
  readonly rule: string
  /** A path, or `path#name` for one function or export of it. */
  readonly where: string
  readonly reason: string
}

export const exemptions: ReadonlyArray<Exemption> = []

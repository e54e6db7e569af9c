/**
 * Broken invariants are defects: thrown, never caught on purpose, never shown as a refusal.
 */
export class InvariantError extends Error {
  override readonly name = "InvariantError"
}

export function invariant(holds: boolean, statement: string): asserts holds {
  if (!holds) throw new InvariantError(`invariant broken: ${statement}`)
}

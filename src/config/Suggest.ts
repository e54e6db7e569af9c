/** "Did you mean": the known name nearest to a wrong one. */

/** Insertions, deletions, replacements and swaps of neighbours that lead from one to the other. */
const distance = (from: string, to: string): number => {
  let [older, old]: [Array<number>, Array<number>] = [[], [...Array(to.length + 1).keys()]]
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      const changed = (old[j - 1] ?? 0) + (same ? 0 : 1)
      const cost = Math.min(changed, (old[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1)
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row.push(isSwap ? Math.min(cost, (older[j - 2] ?? 0) + 1) : cost)
    }
    older = old
    old = row
  }
  return old[to.length] ?? 0
}

const lengthMax = 100

/** Nearest of the known names if it is near enough to be a slip, else `undefined`. */
export const nearest = (name: string, known: Iterable<string>): string | undefined => {
  if (name.length > lengthMax) return undefined
  const lower = name.toLowerCase()
  const candidates = [...known]
    .map((candidate) => ({ candidate, away: distance(lower, candidate.toLowerCase()) }))
    .filter(({ candidate, away }) => away <= Math.min(3, Math.max(1, candidate.length / 4)))
    .sort((a, b) => a.away - b.away)
  return candidates[0]?.candidate ?? [...known].find((full) => full.endsWith(`.${lower}`))
}

/**
 * IP addresses as people write them in a log, and what privacy leaves of them.
 *
 * The rule is the table of Privacy.ts. Source: LEDGER C-82, RFC 4291 section 2.2, RFC 5952.
 */

/** Shape: 4 or 16 bytes; an IPv4-mapped address is the IPv4 address in it. */
export type AddressBytes = Uint8Array

interface Form {
  readonly bytes: AddressBytes
  /** A network that says no more than mode prefix leaves. */
  readonly isCoarse: boolean
}

const charactersMax = 64
/** What every address begins with. */
const beginning = /^(?:[0-9]{1,3}\.|[0-9A-Fa-f]{0,4}:|\[)/
const quadForm = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})$/
/** As `::ffff:1.2.3.4` ends: no leading zeros there. */
const strictQuad = /^(?:(?:0|[1-9][0-9]{0,2})(?:\.|$)){4}$/

const parseQuad = (text: string): AddressBytes | undefined => {
  const numbers = quadForm.exec(text)?.slice(1).map(Number)
  return numbers?.every((number) => number < 256) ? Uint8Array.from(numbers) : undefined
}

const parseGroup = (group: string): number =>
  /^[0-9A-Fa-f]{1,4}$/.test(group) ? Number.parseInt(group, 16) : Number.NaN

/** Groups of one side of `::`; the quad at its end counts as two. */
const parseGroups = (text: string, isEnd: boolean): ReadonlyArray<number> => {
  if (text === "") return []
  const groups = text.split(":")
  const last = groups.at(-1) as string
  if (!isEnd || !last.includes(".")) return groups.map(parseGroup)
  const quad = strictQuad.test(last) && !last.endsWith(".") ? parseQuad(last) : undefined
  if (quad === undefined) return [Number.NaN]
  const [a, b, c, d] = quad as unknown as [number, number, number, number]
  return [...groups.slice(0, -1).map(parseGroup), a * 256 + b, c * 256 + d]
}

const parseSix = (text: string): AddressBytes | undefined => {
  const sides = text.split("::")
  if (sides.length > 2) return undefined
  const head = parseGroups(sides[0] as string, sides.length === 1)
  const tail = parseGroups(sides[1] ?? "", true)
  const missing = 8 - head.length - tail.length
  if (sides.length === 1 ? missing !== 0 : missing < 1) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  if (groups.some(Number.isNaN)) return undefined
  const bytes = Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]))
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  return isMapped ? bytes.slice(12) : bytes
}

const withoutZone = (text: string): string => text.replace(/%[0-9A-Za-z_.-]+$/, "")

const parseNetwork = (host: string, bits: number): Form | undefined => {
  const quad = parseQuad(host)
  if (quad !== undefined) {
    return bits <= 32 ? { bytes: quad, isCoarse: bits <= 24 && quad[3] === 0 } : undefined
  }
  const bytes = parseSix(host)
  if (bytes === undefined || bits > 128) return undefined
  const isCoarse = bytes.length === 16 && bits <= 64 && bytes.subarray(8).every((b) => b === 0)
  return { bytes, isCoarse }
}

const parseForm = (text: string): Form | undefined => {
  if (text.length > charactersMax || !beginning.test(text)) return undefined
  const network = /^([^/]*)\/([0-9]{1,3})$/.exec(text)
  if (network !== null) return parseNetwork(network[1] as string, Number(network[2]))
  const bracketed = /^\[([^\]]*)\](?::[0-9]{1,5})?$/.exec(text)
  const bytes =
    bracketed !== null
      ? parseSix(withoutZone(bracketed[1] as string))
      : (parseQuad(text.replace(/:[0-9]{1,5}$/, "")) ?? parseSix(withoutZone(text)))
  return bytes === undefined ? undefined : { bytes, isCoarse: false }
}

/** The address of a host; `undefined` for any other text, networks of a /24 or /64 among them. */
export const parseAddress = (text: string): AddressBytes | undefined => {
  const form = parseForm(text)
  return form === undefined || form.isCoarse ? undefined : form.bytes
}

/** Whether a text is a network that says no more than mode prefix leaves. */
export const isCoarseNetwork = (text: string): boolean => parseForm(text)?.isCoarse === true

/** `a.b.c.0/24`, or the first 64 bits as RFC 5952 writes them and `/64`. */
export const formatPrefix = (bytes: AddressBytes): string => {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.0/24`
  const groups = [0, 2, 4, 6].map((at) => (bytes[at]! << 8) | bytes[at + 1]!)
  // The four groups that are gone make the longest run of zeros the last one.
  while (groups.at(-1) === 0) groups.pop()
  return `${groups.map((group) => group.toString(16)).join(":")}::/64`
}

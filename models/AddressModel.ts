/**
 * IP addresses the slow way: by writing out every form in full, as one big number.
 *
 * Source: the rules of src/record/Privacy.ts, LEDGER C-82.
 */
import { all, alnum, digits, hex } from "./Characters.ts"

/** Shape: an address as its number of bits and its value; `bits` of a network. */
export interface Address {
  readonly wide: 32 | 128
  readonly value: bigint
  readonly isCoarse: boolean
}

export const isNumber = (text: string, most: number): boolean =>
  text.length >= 1 && text.length <= most && all(text, digits)

const quad = (text: string): bigint | undefined => {
  const parts = text.split(".")
  const holds = parts.length === 4 && parts.every((p) => isNumber(p, 3) && Number(p) < 256)
  return holds ? parts.reduce((sum, p) => sum * 256n + BigInt(p), 0n) : undefined
}

const six = (text: string): bigint | undefined => {
  const end = text.slice(text.lastIndexOf(":") + 1)
  const low = end.includes(".") ? quad(end) : undefined
  if (end.includes(".")) {
    const isExact = end.split(".").every((p) => String(Number(p)) === p)
    if (low === undefined || !isExact || !text.includes(":")) return undefined
    const groups = [low / 65536n, low % 65536n].map((group) => group.toString(16))
    return six(`${text.slice(0, text.length - end.length)}${groups.join(":")}`)
  }
  const whole = (full: string): bigint | undefined => {
    const groups = full.split(":")
    const holds = groups.every((g) => g.length >= 1 && g.length <= 4 && all(g, hex))
    if (groups.length !== 8 || !holds) return undefined
    return groups.reduce((sum, g) => sum * 65536n + BigInt(`0x${g}`), 0n)
  }
  const at = text.indexOf("::")
  if (at < 0) return whole(text)
  const [head, tail] = [text.slice(0, at), text.slice(at + 2)]
  for (let zeros = 1; zeros <= 8; zeros++) {
    const middle = new Array(zeros).fill("0").join(":")
    const value = whole([head, middle, tail].filter((part) => part !== "").join(":"))
    if (value !== undefined) return value
  }
  return undefined
}

const mapped = 0xffffn << 32n

const host = (value: bigint | undefined): Address | undefined => {
  if (value === undefined) return undefined
  const isMapped = value >> 32n === mapped >> 32n
  return isMapped
    ? { wide: 32, value: value - mapped, isCoarse: false }
    : { wide: 128, value, isCoarse: false }
}

const zoned = (text: string): Address | undefined => {
  const at = text.indexOf("%")
  if (at < 0) return host(six(text))
  const zone = text.slice(at + 1)
  return zone !== "" && all(zone, `${alnum}_.-`) ? host(six(text.slice(0, at))) : undefined
}

const network = (text: string, bits: string): Address | undefined => {
  if (!isNumber(bits, 3)) return undefined
  const value = quad(text)
  if (value !== undefined) {
    if (Number(bits) > 32) return undefined
    return { wide: 32, value, isCoarse: Number(bits) <= 24 && value % 256n === 0n }
  }
  const address = host(six(text))
  if (address === undefined || Number(bits) > 128) return undefined
  const isCoarse = address.wide === 128 && Number(bits) <= 64 && address.value % 2n ** 64n === 0n
  return { ...address, isCoarse }
}

export const readAddress = (text: string): Address | undefined => {
  if (text.length > 64) return undefined
  const slash = text.indexOf("/")
  if (slash >= 0) return network(text.slice(0, slash), text.slice(slash + 1))
  if (text[0] === "[") {
    const close = text.indexOf("]")
    const rest = text.slice(close + 1)
    const isPort = rest === "" || (rest[0] === ":" && isNumber(rest.slice(1), 5))
    return close > 0 && isPort ? zoned(text.slice(1, close)) : undefined
  }
  const [first, port, ...more] = text.split(":") as [string, ...Array<string>]
  const value = quad(first)
  if (value === undefined) return zoned(text)
  const isHost = more.length === 0 && (port === undefined || isNumber(port, 5))
  return isHost ? { wide: 32, value, isCoarse: false } : undefined
}

export const bytesOf = ({ wide, value }: Address): Uint8Array =>
  Uint8Array.from({ length: wide / 8 }, (_, i) =>
    Number((value >> BigInt(wide - 8 - 8 * i)) & 0xffn),
  )

export const formatNetwork = (address: Address): string => {
  const bytes = bytesOf(address)
  if (address.wide === 32) return `${[...bytes.slice(0, 3)].join(".")}.0/24`
  const groups = [0, 2, 4, 6].map((i) => (bytes[i]! * 256 + bytes[i + 1]!).toString(16))
  return `${groups.join(":").replace(/(?:^|:)0(?::0)*$/, "")}::/64`
}

/**
 * Privacy: what of a draft is left out, coarsened or hashed, and which drafts are refused.
 *
 * | what, and where | drop (default) | prefix | hash |
 * |---|---|---|---|
 * | an address: a string in attrs, at any depth | goes | network | token |
 * | under an address key: an address | goes | network | token |
 * | under an address key: such a network, such a token | goes | stays | stays |
 * | under an address key: anything else | goes | goes | goes |
 * | a credential by its form: a string anywhere, keys too | refused | refused | refused |
 * | under a secret key: a string that is no mask, a number | refused | refused | refused |
 *
 * - Address keys: `client_ip`, `ip`, `peer_addr`, `remote_ip`, at any depth of attrs. Secret keys
 *   and masks: Secret.ts. Keys are compared with upper and lower case of ASCII alike.
 * - What goes: a member as a whole; of an item of an array a null stays, so that the others keep
 *   their places.
 *
 * - An address is a string of at most 64 characters that is, as a whole, one of: a dotted quad
 *   (decimal, leading zeros taken as none), with `:port`; an IPv6 address (RFC 4291), with `%zone`;
 *   that in brackets, with `:port`; a quad or an IPv6 address with `/bits`, but for a network of a
 *   /24 or wider (/64 with IPv6) without host bits. Port, zone and bits are not kept.
 * - An IPv4-mapped address (`::ffff:1.2.3.4`) is the IPv4 address in it.
 * - A network is `a.b.c.0/24`, or the first 64 bits in RFC 5952 form with `/64`.
 * - A token is `iph:<epoch>:` and 32 hex digits of BLAKE3 over the 4 or 16 bytes of the address,
 *   keyed with BLAKE3 of the salt.
 * - Items of an array under a secret key are judged as its value is, objects by their own keys.
 * - Order: `pii_blocked` comes last, for what would be stored; sizes hold for that too, and
 *   attrs_size for what was given as well.
 * - redacted = transformed and accepted: a member that goes counts once, whatever was in it; each
 *   changed or nulled value counts once. blocked = refused.
 *
 * Not protected against: addresses inside longer text, in keys, outside attrs; credentials that
 * Secret.ts does not see. Stored records are never changed: verification knows nothing of this.
 *
 * Source: LEDGER, C-82.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { fromHex, fromUtf8, toHex, utf8 } from "../base/Bytes.ts"
import { b3 } from "../base/Hash.ts"
import { type AddressBytes, formatPrefix, isCoarseNetwork, parseAddress } from "./Address.ts"
import { format, parse } from "./Canonical.ts"
import type { Json, JsonObject } from "./Json.ts"
import { isSecretKey, isSecretMask, lowerAscii } from "./Secret.ts"

/** The salt of one epoch, as its key. Secret: never shown, never logged. */
export interface AddressSalt {
  /** An integer from 1 to 999999; told in every token. */
  readonly epoch: number
  /** Shape: 32 bytes, BLAKE3 of the salt. */
  readonly key: Uint8Array
}

export type PrivacyPolicy =
  | { readonly ipMode: "drop" }
  | { readonly ipMode: "prefix" }
  | { readonly ipMode: "hash"; readonly salt: AddressSalt }

export const defaultPrivacy: PrivacyPolicy = { ipMode: "drop" }

export const addressKeys: ReadonlyArray<string> = ["client_ip", "ip", "peer_addr", "remote_ip"]

const tokenOf = (address: AddressBytes, { epoch, key }: AddressSalt): string =>
  `iph:${epoch}:${toHex(blake3(address, { key })).slice(0, 32)}`

/**
 * The token of an address in an epoch, for an auditor who holds its salt; `undefined` for what is
 * no address.
 */
export const hashAddress = (text: string, salt: AddressSalt): string | undefined => {
  const address = parseAddress(text)
  return address === undefined ? undefined : tokenOf(address, salt)
}

const isToken = (text: string): boolean => /^iph:[0-9]{1,10}:[0-9a-f]{32}$/.test(text)

type KeyKind = "plain" | "address" | "secret"

/** Records share their keys; a map that strange ones filled begins anew. */
const keyKinds = new Map<string, KeyKind>()
const keyKindsMax = 4096

const findKind = (key: string): KeyKind => {
  if (addressKeys.includes(lowerAscii(key))) return "address"
  return isSecretKey(key) ? "secret" : "plain"
}

const kindOfKey = (key: string): KeyKind => {
  const known = keyKinds.get(key)
  if (known !== undefined) return known
  const kind = findKind(key)
  if (keyKinds.size >= keyKindsMax) keyKinds.clear()
  keyKinds.set(key, kind)
  return kind
}

/** Whether a key says something of its value. */
export const isTellingKey = (key: string): boolean => kindOfKey(key) !== "plain"

export interface Redaction {
  readonly attrs: JsonObject
  /** Values that were left out or changed. */
  readonly redacted: number
  /** A listed key holds a secret. */
  readonly isBlocked: boolean
}

/** Walks attrs once; what it answers shares what did not change. */
class Redactor {
  readonly #policy: PrivacyPolicy
  redacted = 0
  isBlocked = false

  constructor(policy: PrivacyPolicy) {
    this.#policy = policy
  }

  /** What is to be stored; `undefined` where the value goes. */
  #value(value: Json, key: KeyKind): Json | undefined {
    if (typeof value === "string") return this.#text(value, key)
    if (typeof value === "number") this.isBlocked ||= key === "secret"
    // What is under it counts no more, so it need not be looked at.
    if (key === "address") return undefined
    if (typeof value !== "object" || value === null) return value
    return Array.isArray(value) ? this.#items(value, key) : this.object(value as JsonObject)
  }

  #keep(value: Json, key: KeyKind): Json | undefined {
    const { isBlocked } = this
    const kept = this.#value(value, key)
    if (kept !== undefined) return kept
    this.redacted += 1
    this.isBlocked = isBlocked
    return undefined
  }

  #text(value: string, key: KeyKind): string | undefined {
    if (key === "secret" && !isSecretMask(value)) this.isBlocked = true
    const address = parseAddress(value)
    if (address !== undefined) {
      if (this.#policy.ipMode === "drop") return undefined
      this.redacted += 1
      return this.#policy.ipMode === "prefix"
        ? formatPrefix(address)
        : tokenOf(address, this.#policy.salt)
    }
    if (key !== "address") return value
    const may = this.#policy.ipMode !== "drop" && (isCoarseNetwork(value) || isToken(value))
    return may ? value : undefined
  }

  #items(items: ReadonlyArray<Json>, key: KeyKind): ReadonlyArray<Json> {
    return items.map((item) => this.#keep(item, key) ?? null)
  }

  object(object: JsonObject): JsonObject {
    const out: { [key: string]: Json } = Object.create(null)
    for (const key of Object.keys(object)) {
      const kept = this.#keep(object[key] as Json, kindOfKey(key))
      if (kept !== undefined) out[key] = kept
    }
    return out
  }
}

/** Applies a policy to attrs from this room's reader; a credential by its form is for Secret.ts. */
export const redactAttrs = (attrs: JsonObject, policy: PrivacyPolicy): Redaction => {
  const redactor = new Redactor(policy)
  const kept = redactor.object(attrs)
  return { attrs: kept, redacted: redactor.redacted, isBlocked: redactor.isBlocked }
}

/**
 * What a draft can have been stored as: as it was given, as `policy` leaves it, or as an earlier
 * policy without a salt left it. Shape: canonical texts `[kind,actor,subject,reason,attrs]`.
 */
export const storedForms = (
  canonical: Uint8Array,
  policy: PrivacyPolicy,
): ReadonlyArray<Uint8Array> => {
  const [kind, actor, subject, reason, attrs] = parse(canonical) as ReadonlyArray<Json>
  const forms = [policy, defaultPrivacy, { ipMode: "prefix" } as const].map((applied) => {
    const kept = redactAttrs(attrs as JsonObject, applied).attrs
    return utf8(format([kind, actor, subject, reason, kept] as ReadonlyArray<Json>))
  })
  return [canonical, ...forms]
}

const epochMax = 999_999
/** Of a salt; fewer could be guessed. */
const saltBytesMin = 16

/**
 * The salts in the text of a salt file, oldest first, the last one in force: a line
 * `<epoch> <hex digits of the salt>` each, epochs ascending, `#` begins a comment line.
 * `undefined` for any other text. Duty: the bytes given are the caller's to wipe.
 */
export const parseSalts = (bytes: Uint8Array): ReadonlyArray<AddressSalt> | undefined => {
  const salts: Array<AddressSalt> = []
  for (const line of fromUtf8(bytes)?.split("\n") ?? []) {
    if (line.trim() === "" || line.startsWith("#")) continue
    const [, epoch, hex] = /^([1-9][0-9]{0,5}) ([0-9a-f]+)\r?$/.exec(line) ?? []
    const salt = fromHex(hex ?? "")
    const isNext = Number(epoch) <= epochMax && Number(epoch) > (salts.at(-1)?.epoch ?? 0)
    if (salt === undefined || salt.length < saltBytesMin || !isNext) return undefined
    salts.push({ epoch: Number(epoch), key: b3(salt) })
    salt.fill(0)
  }
  return salts.length === 0 ? undefined : salts
}

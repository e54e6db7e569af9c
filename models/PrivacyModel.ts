/**
 * Privacy the slow way: what is left of a draft first, then whether that may be stored.
 *
 * Shares with src/record the lists of keys only, which are given; BLAKE3 is the library's.
 *
 * Source: the table of src/record/Privacy.ts, LEDGER C-82.
 */
import { blake3 } from "@noble/hashes/blake3.js"
import { type Address, bytesOf, formatNetwork, isNumber, readAddress } from "./AddressModel.ts"
import { all, digits, letters, upper } from "./Characters.ts"
import { hasCredential, type Members, type Value } from "./SecretModel.ts"

export interface ModelPolicy {
  readonly mode: "drop" | "prefix" | "hash"
  readonly epoch: number
  readonly key: Uint8Array
}

const token = (address: Address, { epoch, key }: ModelPolicy): string => {
  const digest = [...blake3(bytesOf(address), { key })].slice(0, 16)
  return `iph:${epoch}:${digest.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`
}

const isStored = (text: string): boolean => {
  const [tag, epoch, digest, ...rest] = text.split(":")
  const isToken = tag === "iph" && isNumber(epoch ?? "", 10) && rest.length === 0
  return isToken && digest?.length === 32 && all(digest, `${digits}abcdef`)
}

const lower = (text: string): string =>
  [...text].map((c) => (upper.includes(c) ? c.toLowerCase() : c)).join("")

export interface KeyLists {
  readonly address: ReadonlyArray<string>
  readonly secret: ReadonlyArray<string>
  readonly secretEnds: ReadonlyArray<string>
  readonly masks: ReadonlyArray<string>
}

const isMask = (text: string, { masks }: KeyLists): boolean => {
  const inner = text.slice(1, -1)
  const isBracketed = text[0] === "[" && text.at(-1) === "]" && all(inner, `${letters} _-`)
  const isShort = inner.length >= 1 && inner.length <= 32
  return masks.includes(lower(text)) || all(text, "*xX") || (isBracketed && isShort)
}

type Kept = { readonly value: Value; readonly count: number } | { readonly gone: true }

const judge = (value: Value, key: string, policy: ModelPolicy, lists: KeyLists): Kept => {
  const isAddressKey = lists.address.includes(lower(key))
  if (typeof value === "string") {
    const address = readAddress(value)
    if (address !== undefined && !address.isCoarse) {
      if (policy.mode === "drop") return { gone: true }
      return {
        value: policy.mode === "prefix" ? formatNetwork(address) : token(address, policy),
        count: 1,
      }
    }
    const stays = policy.mode !== "drop" && (address !== undefined || isStored(value))
    return isAddressKey && !stays ? { gone: true } : { value, count: 0 }
  }
  if (isAddressKey) return { gone: true }
  if (typeof value !== "object" || value === null) return { value, count: 0 }
  let count = 0
  const keep = (kept: Kept): Value => {
    count += "gone" in kept ? 1 : kept.count
    return "gone" in kept ? null : kept.value
  }
  if (Array.isArray(value)) {
    return { value: value.map((item) => keep(judge(item, "", policy, lists))), count }
  }
  const members = Object.entries(value).flatMap(([name, member]) => {
    const kept = judge(member, name, policy, lists)
    const after = keep(kept)
    return "gone" in kept ? [] : [[name, after] as const]
  })
  return { value: Object.fromEntries(members), count }
}

/** Whether a listed key has a secret under it. */
const hasSecretKey = (value: Value, key: string, lists: KeyLists): boolean => {
  const name = lower(key)
  const isListed = lists.secret.includes(name) || lists.secretEnds.some((e) => name.endsWith(e))
  if (typeof value === "number") return isListed
  if (typeof value === "string") return isListed && !isMask(value, lists)
  if (typeof value !== "object" || value === null) return false
  if (Array.isArray(value)) return value.some((item) => hasSecretKey(item, key, lists))
  return Object.entries(value).some(([inner, member]) => hasSecretKey(member, inner, lists))
}

/** Parts of a draft as they are stored, `blocked` where it is refused. Duty: strings are in NFC. */
export const privacyModel = (
  { attrs, ...parts }: { readonly attrs: Members } & Members,
  policy: ModelPolicy,
  lists: KeyLists,
): { readonly attrs: Members; readonly redacted: number } | "blocked" => {
  const kept = judge(attrs, "", policy, lists)
  if ("gone" in kept) return "blocked"
  const draft = { ...parts, attrs: kept.value }
  const isBlocked = hasSecretKey(kept.value, "", lists) || hasCredential(draft)
  return isBlocked ? "blocked" : { attrs: kept.value as Members, redacted: kept.count }
}

/**
 * What of a CloudTrail value may stand in a record: no address, no name of a person, no secret, and
 * nothing long. What is taken out leaves a mark in its place.
 *
 * Does not protect against personal data in free text, or in a member whose name does not show it;
 * the privacy modes of the log itself come on top. The rules are docs/reference/cloudtrail.md.
 */
import { isIP } from "node:net"
import { utf8 } from "../base/Bytes.ts"
import { b3Text } from "../base/Hash.ts"
import type { Json, JsonObject } from "../record/Canonical.ts"

/** Units: UTF-8 bytes. A longer string keeps `keptBytes` of its beginning. */
const stringBytesMax = 128
const keptBytes = 96
const keyBytesMax = 64
const itemsMax = 8
const levelsMax = 6

const ipMark = "[ip]"
const secretMark = "[secret]"
const deepMark = "[deep]"

export const hashText = (text: string): string => b3Text(utf8(text))

// Anonymized logs hold quads such as 08.1.250.216, which no parser takes for an address.
const dottedQuad = /^\d{1,3}(\.\d{1,3}){3}$/

/** How every address begins; only one of version 6 begins with a letter. */
const mayBeAddress = /^(?:\d|\[|[\da-fA-F]{0,4}:)/

/** An IPv4 or IPv6 address, with a port, in brackets, or as a network of one host. */
const isAddress = (text: string): boolean => {
  if (text.length > 64 || !mayBeAddress.test(text) || !/[.:]/.test(text)) return false
  const bare = text.replace(/\/(32|128)$/, "")
  const host = bare.replace(/^\[(.*)\](:\d{1,5})?$/, "$1").replace(/%[\w.-]+$/, "")
  return dottedQuad.test(host.replace(/:\d{1,5}$/, "")) || isIP(host) !== 0
}

const email = /[^\s@,;:<>"'()[\]/]+@[^\s@,;:<>"'()[\]/]+\.[^\s@,;:<>"'()[\]/]+/gu

const secretKey = new RegExp(
  "(password|passwd|passphrase|passcode|secret|secretkey|secretaccesskey|secretstring|" +
    "secretbinary|privatekey|privatekeypem|sessiontoken|securitytoken|authtoken|accesstoken|" +
    "refreshtoken|idtoken|bearertoken|identitytoken|tokenvalue|tokencode|authenticationcode|" +
    "apikey|keymaterial|plaintext|userdata|streamurl|authorization|cookie|samlassertion|" +
    "authparameters|connectionstring|signature)$",
)

const secretValue =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|[?&]X-Amz-(Signature|Security-Token|Credential)=|^Bearer /i

const personKey = new RegExp(
  "^(username|usernames|user|loginname|displayname|givenname|familyname|email|emailaddress|" +
    "rolesessionname|sourceidentity|nameid|instanceosuser|osuser)$",
)

/** What every text that `secretValue` matches holds; it costs less to look for. */
const mayBeSecret = (text: string): boolean =>
  text.includes("-----") || text.includes("=") || /^b/i.test(text)

const plainKey = (key: string): string => key.toLowerCase().replace(/[^a-z0-9]/g, "")

/** A unique id of AWS, or an account number. */
const uniqueId = /^(A[A-Z0-9]{15,127}|\d{12})$/

/** `ID:name` keeps the id; `undefined` for any other form. */
export const principal = (text: string): string | undefined => {
  if (uniqueId.test(text)) return text
  const colon = text.indexOf(":")
  const isPair = colon > 0 && uniqueId.test(text.slice(0, colon))
  return isPair ? `${text.slice(0, colon)}:${hashText(text.slice(colon + 1))}` : undefined
}

const personArn = /^(arn:[^\s]*:(?:user|federated-user|assumed-role\/[^/\s]+)\/)(\S+)$/

/** An ARN of a user or a session, with the name of the person as its hash. */
const arn = (text: string): string =>
  text.startsWith("arn:")
    ? text.replace(personArn, (_, before: string, name: string) => `${before}${hashText(name)}`)
    : text

/** Units: bytes of UTF-8. */
const bytesOf = (codePoint: number): number =>
  codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4

/** The beginning of a long string and how many bytes follow, as `…+123`. */
const shorten = (text: string): string => {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (text.length * 3 <= stringBytesMax) return text
  const bytes = Buffer.byteLength(text)
  if (bytes <= stringBytesMax) return text
  let end = 0
  let size = 0
  for (const char of text) {
    const more = bytesOf(char.codePointAt(0) ?? 0)
    if (size + more > keptBytes) break
    size += more
    end += char.length
  }
  // NFC is closed under substrings, and the ellipsis composes with nothing.
  return `${text.slice(0, end)}…+${bytes - size}`
}

/** Who acted, as names that may come back inside other members (session ids, for one). */
export type Names = ReadonlyArray<string>

/** Units: characters. A shorter name would be found in words that have nothing to do with it. */
const nameLengthMin = 4

const isWordPart = (char: string | undefined): boolean =>
  char !== undefined && /[\p{L}\p{N}]/u.test(char)

const withoutName = (text: string, name: string): string => {
  if (!text.includes(name)) return text
  const parts = text.split(name)
  let out = parts[0] ?? ""
  for (const part of parts.slice(1)) {
    const isInside = isWordPart(out.at(-1)) || isWordPart(part[0])
    out += (isInside ? name : hashText(name)) + part
  }
  return out
}

/** The names in an event's userIdentity: of the user, and of the session. */
export const namesOf = (identity: JsonObject | undefined): Names => {
  const text = (key: string): string => {
    const value = identity?.[key]
    return typeof value === "string" ? value : ""
  }
  const session = text("principalId").split(":").slice(1).join(":")
  const names = [text("userName"), session, personArn.exec(text("arn"))?.[2] ?? ""]
  return [...new Set(names)].filter((name) => name.length >= nameLengthMin)
}

/** One string of the event, cleaned and shortened. */
export const cleanString = (text: string, names: Names = []): string => {
  if (isAddress(text)) return ipMark
  if (mayBeSecret(text) && secretValue.test(text)) return secretMark
  const known = principal(text) ?? arn(text)
  const anonymous = known.includes("@") ? known.replace(email, (match) => hashText(match)) : known
  return shorten(names.length === 0 ? anonymous : names.reduce(withoutName, anonymous))
}

/** What a key says of its member, and what stands for it where it holds no name. */
interface KeyRule {
  readonly cleaned: string
  readonly isSecret: boolean
  readonly isPerson: boolean
}

/** Events share their keys; a map that strange ones filled begins anew. */
const keyRules = new Map<string, KeyRule>()
const keyRulesMax = 4096

const ruleOf = (key: string): KeyRule => {
  const known = keyRules.get(key)
  if (known !== undefined) return known
  const isLong = utf8(key).length > keyBytesMax
  const plain = plainKey(key)
  const rule = {
    cleaned: isLong || cleanString(key) !== key ? hashText(key) : key,
    isSecret: secretKey.test(plain),
    isPerson: personKey.test(plain),
  }
  if (keyRules.size >= keyRulesMax) keyRules.clear()
  keyRules.set(key, rule)
  return rule
}

const cleanKey = (key: string, { cleaned }: KeyRule, names: Names): string => {
  if (cleaned !== key || !names.some((name) => key.includes(name))) return cleaned
  return cleanString(key, names) === key ? key : hashText(key)
}

/** A name, or a list of names, by hash. */
const hashTexts = (value: Json): Json => {
  if (typeof value === "string") return hashText(value)
  return Array.isArray(value) ? value.map(hashTexts) : value
}

const cleanMember = (rule: KeyRule, value: Json, names: Names, level: number): Json =>
  rule.isSecret ? secretMark : cleanValue(rule.isPerson ? hashTexts(value) : value, names, level)

const cleanItems = (
  items: ReadonlyArray<Json>,
  names: Names,
  level: number,
): ReadonlyArray<Json> => {
  const kept = items.slice(0, itemsMax).map((item) => cleanValue(item, names, level))
  return items.length > itemsMax ? [...kept, `…+${items.length - itemsMax}`] : kept
}

/** Members without a value (null) are left out. */
export const cleanObject = (object: JsonObject, names: Names, level = 1): JsonObject => {
  const out: { [key: string]: Json } = Object.create(null)
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value === null || value === undefined) continue
    const rule = ruleOf(key)
    out[cleanKey(key, rule, names)] = cleanMember(rule, value, names, level + 1)
  }
  return out
}

const cleanValue = (value: Json, names: Names, level: number): Json => {
  if (typeof value === "string") return cleanString(value, names)
  if (typeof value !== "object" || value === null) return value
  if (level > levelsMax) return deepMark
  return Array.isArray(value)
    ? cleanItems(value, names, level + 1)
    : cleanObject(value as JsonObject, names, level)
}

/**
 * AWS CloudTrail events as drafts of audit records. The mapping is the law of
 * docs/reference/cloudtrail.md; the event itself is not kept, its canonical bytes are named by
 * `subject.content_id`.
 *
 * - Every event gives one draft or one refusal, in order; nothing is left out in silence. What the
 *   record has no room for is named in `attrs.cut`, what a rule took out of a value left a mark.
 * - No source address, no name of a person in clear, no secret (CloudTrailValue.ts).
 * - attrs stay within 1,024 canonical bytes, so a record of one is always small enough.
 */
import { attrsBytesMax } from "../base/Limits.ts"
import type { Json, JsonObject } from "../record/Canonical.ts"
import * as Canonical from "../record/Canonical.ts"
import type { Draft } from "../record/Draft.ts"
import { isReserved } from "../record/Kind.ts"
import type { Reason } from "../record/Reason.ts"
import type { Actor, Subject } from "../record/Record.ts"
import { Rejected } from "../record/Reject.ts"
import { cloudTrailEvents } from "./CloudTrailEvents.ts"
import { cleanObject, cleanString, hashText, namesOf, principal } from "./CloudTrailValue.ts"

export interface CloudTrailDraft {
  /** Position in the file, from 1. */
  readonly event: number
  readonly draft: Draft
}

export interface CloudTrailRefusal {
  /** Position in the file, from 1. */
  readonly event: number
  readonly code: string
  /** One sentence with file, event and member. */
  readonly message: string
}

export interface CloudTrailReport {
  readonly drafts: ReadonlyArray<CloudTrailDraft>
  readonly refusals: ReadonlyArray<CloudTrailRefusal>
  /** How many events lost a member to the cutting rule, by member. */
  readonly cuts: ReadonlyMap<string, number>
}

/** Names in `attrs.cut`; more are counted in its last entry. */
const cutNamesMax = 8

const textOf = (object: JsonObject | undefined, key: string): string | undefined => {
  const value = object?.[key]
  return typeof value === "string" && value !== "" ? value : undefined
}

const objectOf = (value: Json | undefined): JsonObject | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined

const required = (event: JsonObject, key: string): string => {
  const text = textOf(event, key)
  if (text === undefined) throw Rejected.of("field_missing", key, "missing or not a text")
  return text
}

/** `eventName` in the letters and digits of a kind, never one that the runtime writes. */
const kindOf = (name: string): string => {
  const plain = name.replace(/[^A-Za-z0-9]/g, "")
  const kind = plain.slice(0, 1).toUpperCase() + plain.slice(1)
  const isFree = /^[A-Z]/.test(kind) && !isReserved(kind.slice(0, 64))
  return (isFree ? kind : `Aws${kind}`).slice(0, 64)
}

const actorOf = (identity: JsonObject | undefined): Actor => {
  const key = textOf(identity, "accessKeyId")
  const id = textOf(identity, "principalId")
  const person = textOf(identity, "arn") ?? textOf(identity, "userName")
  const service = textOf(identity, "invokedBy")
  const passport =
    id !== undefined
      ? (principal(id) ?? hashText(id))
      : person !== undefined
        ? hashText(person)
        : service !== undefined && cleanString(service)
  const actor = {
    ...(key === undefined ? {} : { key_fpr: principal(key) ?? hashText(key) }),
    ...(passport ? { passport_id: passport } : {}),
  }
  return Object.keys(actor).length === 0 ? { anon: true } : actor
}

/** The text form of the hash of a text's UTF-8. */
type HashOf = (text: string) => string

const subjectOf = (event: JsonObject, hashOf: HashOf): Subject => {
  const { resources } = event
  const first = objectOf(Array.isArray(resources) ? resources[0] : undefined)
  const name = textOf(first, "ARN") ?? textOf(first, "arn") ?? textOf(event, "eventSource")
  return {
    content_id: hashOf(Canonical.format(event)),
    ...(name === undefined ? {} : { name: cleanString(name) }),
  }
}

const denial = /AccessDenied|Unauthorized|NotAuthorized|Forbidden|AuthFailure/i

const reasonOf = (event: JsonObject): Reason => {
  const code = textOf(event, "errorCode")
  const login = textOf(objectOf(event.responseElements), "ConsoleLogin")
  if (code === undefined && login === "Failure") return "denied"
  if (code === undefined) return textOf(event, "errorMessage") === undefined ? "ok" : "error"
  return denial.test(code) ? "denied" : "error"
}

const rfc3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/

/** Units: Unix milliseconds; finer digits are cut. A leap second is refused. */
const timeOf = (text: string): number => {
  const fail = (): Rejected => Rejected.of("ts_ms", "eventTime", "not an RFC 3339 time")
  const match = rfc3339.exec(text)
  if (match === null) throw fail()
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const utc = Date.UTC(year, month - 1, day, hour, minute, second)
  // What Date moves on, such as 31 February or 24:00, is no time here.
  const date = new Date(utc)
  const isReal =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  if (year < 1970 || !isReal) throw fail()
  const [sign, hours, minutes] = [match[8], Number(match[9] ?? 0), Number(match[10] ?? 0)]
  if (hours > 23 || minutes > 59) throw fail()
  const offsetMs = (hours * 60 + minutes) * 60_000 * (sign === "-" ? -1 : 1)
  const ms = utc - offsetMs + Number((match[7] ?? "").padEnd(3, "0").slice(0, 3))
  if (ms < 0) throw fail()
  return ms
}

/** Where a member of the event goes. Later rows are cut first. */
const rows: ReadonlyArray<readonly [path: string, attr: string]> = [
  ["eventID", "event_id"],
  ["eventSource", "event_source"],
  ["eventName", "event_name"],
  ["awsRegion", "aws_region"],
  ["recipientAccountId", "account"],
  ["errorCode", "error_code"],
  ["userIdentity.type", "user_type"],
  ["userIdentity.accountId", "user_account"],
  ["userIdentity.invokedBy", "invoked_by"],
  ["userIdentity.sessionContext.sessionIssuer.principalId", "session_issuer"],
  ["userIdentity.sessionContext.attributes.mfaAuthenticated", "mfa"],
  ["readOnly", "read_only"],
  ["requestID", "request_id"],
  ["sharedEventID", "shared_event_id"],
  ["vpcEndpointId", "vpc_endpoint"],
  ["eventType", "event_type"],
  ["apiVersion", "api_version"],
  ["tlsDetails.tlsVersion", "tls_version"],
  ["tlsDetails.cipherSuite", "tls_cipher"],
  ["userAgent", "user_agent"],
]

/** The first rows are what makes the record findable: they stay. */
const rowsKept = 5

const nested: ReadonlyArray<readonly [member: string, attr: string]> = [
  ["requestParameters", "request"],
  ["responseElements", "response"],
  ["additionalEventData", "additional"],
  ["serviceEventDetails", "service"],
]

/** Members that a rule of the mapping reads or drops; any other is named in `attrs.cut`. */
const known: ReadonlySet<string> = new Set([
  ...rows.map(([path]) => path.split(".")[0]!),
  ...nested.map(([member]) => member),
  "eventTime",
  "resources",
  // Never kept: the address, free text that names people, and what every event of a kind shares.
  "sourceIPAddress",
  "errorMessage",
  "managementEvent",
  "eventCategory",
  "eventVersion",
])

const memberAt = (event: JsonObject, steps: ReadonlyArray<string>): Json | undefined => {
  let value: Json | undefined = event
  for (const step of steps) value = objectOf(value)?.[step]
  return value
}

const steppedRows = rows.map(([path, attr]) => [path.split("."), attr] as const)

type Attrs = { [key: string]: Json }

const attrsOf = (event: JsonObject, eventTsMs: number): Attrs => {
  const attrs: Attrs = { event_ts_ms: eventTsMs }
  for (const [steps, attr] of steppedRows) {
    const value = memberAt(event, steps)
    // Also null.
    if (value === undefined || value === "" || typeof value === "object") continue
    const kept = typeof value === "string" ? cleanString(value) : value
    // Nearly always the same account, and then it says nothing.
    if (attr !== "user_account" || kept !== attrs.account) attrs[attr] = kept
  }
  const names = namesOf(objectOf(event.userIdentity))
  for (const [member, attr] of nested) {
    const object = objectOf(event[member])
    if (object !== undefined && Object.keys(object).length > 0) {
      attrs[attr] = cleanObject(object, names)
    }
  }
  return attrs
}

// As long as the canonical text, which differs in the order of members alone, and quicker made.
const sizeOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value))

/** Takes the largest member out of one nested attr; names it as the event does. */
const cutLargest = (attrs: Attrs, member: string, attr: string): string | undefined => {
  const object = objectOf(attrs[attr])
  if (object === undefined) return undefined
  const sizes = Object.keys(object).map((key) => ({ key, size: sizeOf(object[key]!) }))
  sizes.sort((a, b) => b.size - a.size || (a.key < b.key ? -1 : 1))
  const [largest, ...rest] = sizes
  if (largest === undefined || rest.length === 0) delete attrs[attr]
  else attrs[attr] = Object.fromEntries(rest.map(({ key }) => [key, object[key]!]))
  return largest === undefined ? member : `${member}.${largest.key}`
}

/** Takes the least important thing out that is still there; `undefined` when nothing may go. */
const cutNext = (attrs: Attrs): string | undefined => {
  for (const [member, attr] of nested.toReversed()) {
    const name = cutLargest(attrs, member, attr)
    if (name !== undefined) return name
  }
  const row = rows.slice(rowsKept).findLast(([, attr]) => attr in attrs)
  if (row === undefined) return undefined
  delete attrs[row[1]]
  return row[0]
}

/** `attrs.cut`: the names in order, at most eight of them and how many more. */
const cutList = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const shown = names
    .toSorted()
    .slice(0, cutNamesMax)
    .map((name) => cleanString(name))
  return names.length > cutNamesMax ? [...shown, `+${names.length - cutNamesMax}`] : shown
}

const trim = (attrs: Attrs, unmapped: ReadonlyArray<string>): ReadonlyArray<string> => {
  const cut = [...unmapped]
  const withCut = (): Attrs => (cut.length === 0 ? attrs : { ...attrs, cut: cutList(cut) })
  while (sizeOf(withCut()) > attrsBytesMax) {
    const name = cutNext(attrs)
    if (name === undefined) {
      throw Rejected.of("attrs_size", "", `does not fit ${attrsBytesMax} bytes even when cut`)
    }
    cut.push(name)
  }
  if (cut.length > 0) attrs.cut = cutList(cut)
  return cut
}

export interface MappedEvent {
  readonly draft: Draft
  /** Members that the cutting rule took out, as the event names them. */
  readonly cut: ReadonlyArray<string>
}

/** The draft of one event; `hashOf` computes its content_id. Errors: Rejected. */
export const mapEvent = (
  bytes: Uint8Array,
  stream = "cloudtrail",
  hashOf: HashOf = hashText,
): MappedEvent => {
  const event = objectOf(Canonical.parse(bytes))
  if (event === undefined) throw Rejected.of("field_type", "", "not an object")
  const kind = kindOf(required(event, "eventName"))
  const attrs = attrsOf(event, timeOf(required(event, "eventTime")))
  const unmapped = Object.keys(event).filter((key) => event[key] !== null && !known.has(key))
  const cut = trim(attrs, unmapped)
  const draft = {
    stream,
    kind,
    actor: actorOf(objectOf(event.userIdentity)),
    subject: subjectOf(event, hashOf),
    reason: reasonOf(event),
    attrs,
  }
  return { draft, cut }
}

/**
 * One draft or one refusal for each event of a file; `file` stands in the messages.
 * Errors: Rejected where the text as a whole cannot be taken apart into events.
 */
export const cloudTrailDrafts = (
  bytes: Uint8Array,
  file: string,
  stream?: string,
): CloudTrailReport => {
  const drafts: Array<CloudTrailDraft> = []
  const refusals: Array<CloudTrailRefusal> = []
  const cuts = new Map<string, number>()
  let event = 0
  for (const slice of cloudTrailEvents(bytes)) {
    event++
    try {
      const { draft, cut } = mapEvent(slice, stream)
      drafts.push({ event, draft })
      for (const name of cut) cuts.set(name, (cuts.get(name) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      const message = `${file}, event ${event}: ${error.message}`
      refusals.push({ event, code: error.code, message })
    }
  }
  return { drafts, refusals, cuts }
}

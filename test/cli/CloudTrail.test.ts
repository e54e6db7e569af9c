import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import { attrsBytesMax } from "../../src/base/Limits.ts"
import { type CloudTrailReport, cloudTrailDrafts } from "../../src/cli/CloudTrail.ts"
import * as Canonical from "../../src/record/Canonical.ts"
import { type Draft, encodeDraft } from "../../src/record/Draft.ts"
import { formatBody } from "../../src/record/Record.ts"
import { Rejected } from "../../src/record/Reject.ts"
import { listShared, readShared, sharedIsThere } from "../tidy/Shared.ts"

const hash = (text: string): string => b3Text(utf8(text))

const base = {
  eventVersion: "1.10",
  eventTime: "2024-07-31T12:50:02Z",
  eventName: "PutEventSelectors",
  eventSource: "cloudtrail.amazonaws.com",
  eventID: "c2a89408-340a-42f0-8ace-75d9f5769393",
  awsRegion: "eu-west-1",
  recipientAccountId: "958312252124",
  sourceIPAddress: "203.0.113.7",
  userIdentity: {
    type: "IAMUser",
    principalId: "AIDA3JXGLTFY4HTLVVO7",
    arn: "arn:aws:iam::958312252124:user/christophe",
    accessKeyId: "AKIA2I0BSXU5LNRWIN0K",
    accountId: "958312252124",
    userName: "christophe",
  },
}

const read = (value: unknown, file = "a.json"): CloudTrailReport =>
  cloudTrailDrafts(typeof value === "string" ? utf8(value) : utf8(JSON.stringify(value)), file)

const draftOf = (changes: object): Draft => {
  const { drafts, refusals } = read({ ...base, ...changes })
  expect(refusals).toEqual([])
  return drafts[0]!.draft
}

const refusalOf = (changes: object): string => {
  const { drafts, refusals } = read([base, { ...base, ...changes }])
  expect(drafts.length).toBe(1)
  return refusals[0]!.message
}

/** The canonical record of a draft, as a writer in mid-chain would make it. */
const recordOf = (draft: Draft): Uint8Array => {
  const { stream, kind, actor, subject, reason, attrs } = draft
  const head = { v: 1, ts_ms: 1722430202123, writer_id: "svc-import@host-1", seq: 123 } as const
  const prev = `b3:${"5".repeat(64)}`
  return formatBody({ ...head, stream, kind, actor, subject, reason, attrs, prev })
}

const text = (draft: Draft): string => new TextDecoder().decode(recordOf(draft))

describe("the mapping", () => {
  it("keeps ids, time and place, and names the event by its hash", () => {
    expect(draftOf({})).toEqual({
      stream: "cloudtrail",
      kind: "PutEventSelectors",
      actor: { key_fpr: "AKIA2I0BSXU5LNRWIN0K", passport_id: "AIDA3JXGLTFY4HTLVVO7" },
      subject: {
        content_id: b3Text(Canonical.canonicalizeValue(base)),
        name: "cloudtrail.amazonaws.com",
      },
      reason: "ok",
      attrs: {
        event_ts_ms: Date.UTC(2024, 6, 31, 12, 50, 2),
        event_id: "c2a89408-340a-42f0-8ace-75d9f5769393",
        event_source: "cloudtrail.amazonaws.com",
        event_name: "PutEventSelectors",
        aws_region: "eu-west-1",
        account: "958312252124",
        user_type: "IAMUser",
      },
    })
  })

  it.each([
    ["AddPermission20150331v2", "AddPermission20150331v2"],
    ["batch-get.item", "Batchgetitem"],
    ["2FactorEnabled", "Aws2FactorEnabled"],
    ["Vote", "AwsVote"],
    ["keyCompromised", "AwsKeyCompromised"],
    ["x".repeat(80), `X${"x".repeat(63)}`],
    ["€", "Aws"],
  ])("makes of %s the kind %s", (eventName, kind) => {
    expect(draftOf({ eventName }).kind).toBe(kind)
  })

  it.each([
    [{ principalId: "AROA1234567890ABCDEF:jane@example.org" }, "AROA1234567890ABCDEF:#"],
    [{ principalId: "accounts.example.org:app:jane" }, "#"],
    [{ arn: "arn:aws:iam::1:user/jane" }, "#"],
    [{ userName: "jane" }, "#"],
    [{ invokedBy: "ec2.amazonaws.com" }, "ec2.amazonaws.com"],
  ])("knows the actor of %j by id or hash", (userIdentity, expected) => {
    const { actor } = draftOf({ userIdentity })
    expect(actor.passport_id?.replace(/b3:[0-9a-f]{64}/, "#")).toBe(expected)
    expect(JSON.stringify(draftOf({ userIdentity }))).not.toContain("jane")
  })

  it.each([undefined, {}, { type: "Unknown" }])("calls nobody anonymous: %j", (userIdentity) => {
    expect(draftOf({ userIdentity }).actor).toEqual({ anon: true })
  })

  it("names the first resource, a user's name in it by hash", () => {
    const bucket = { resources: [{ ARN: "arn:aws:s3:::logs" }, { ARN: "arn:aws:s3:::b" }] }
    expect(draftOf(bucket).subject.name).toBe("arn:aws:s3:::logs")
    const user = { resources: [{ ARN: "arn:aws:iam::1:user/jane" }] }
    expect(draftOf(user).subject.name).toBe(`arn:aws:iam::1:user/${hash("jane")}`)
  })

  it.each([
    [{ errorCode: "Client.UnauthorizedOperation" }, "denied"],
    [{ errorCode: "AccessDenied" }, "denied"],
    [{ errorCode: "ThrottlingException" }, "error"],
    [{ errorMessage: "it did not work" }, "error"],
    [{ responseElements: { ConsoleLogin: "Failure" } }, "denied"],
    [{ responseElements: { ConsoleLogin: "Success" } }, "ok"],
  ])("gives %j the reason %s", (changes, reason) => {
    expect(draftOf(changes).reason).toBe(reason)
  })

  it.each([
    ["2024-02-29T23:59:59.1239Z", Date.UTC(2024, 1, 29, 23, 59, 59, 123)],
    ["2024-07-31T12:50:02+02:00", Date.UTC(2024, 6, 31, 10, 50, 2)],
    ["1970-01-01T00:00:00Z", 0],
  ])("reads the time %s", (eventTime, ms) => {
    expect(draftOf({ eventTime }).attrs.event_ts_ms).toBe(ms)
  })

  it.each([
    "2023-02-29T00:00:00Z",
    "2024-07-31 12:50:02Z",
    "2024-07-31T24:00:00Z",
    "2024-07-31T12:50:60Z",
    "2024-07-31T12:50:02",
    "1970-01-01T00:00:00+01:00",
    "0024-07-31T12:50:02Z",
  ])("refuses the time %s", (eventTime) => {
    expect(refusalOf({ eventTime })).toBe("a.json, event 2: eventTime: not an RFC 3339 time")
  })
})

describe("privacy", () => {
  const inside = (requestParameters: object) => draftOf({ requestParameters }).attrs.request

  it("never keeps the source address", () => {
    expect(text(draftOf({}))).not.toContain("203.0.113.7")
    expect(text(draftOf({ userAgent: "203.0.113.9" }))).not.toContain("203.0.113.9")
  })

  it.each([
    "10.0.0.1",
    "08.1.250.216",
    "10.0.0.1:443",
    "10.0.0.1/32",
    "2001:db8::1",
    "[2001:db8::1]:443",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "2001:db8::1/128",
  ])("takes out the address %s", (address) => {
    expect(inside({ a: address, b: [address] })).toEqual({ a: "[ip]", b: ["[ip]"] })
    expect(JSON.stringify(inside({ [address]: 1 }))).not.toContain(address)
  })

  it.each(["0.0.0.0/0", "1.10", "i-0a1b", "12:30", "Chrome/126.0.0.0"])("keeps %s", (value) => {
    expect(inside({ value })).toEqual({ value })
  })

  it.each([
    "secretAccessKey",
    "SecretString",
    "sessionToken",
    "newPassword",
    "master_user_password",
    "privateKey",
    "clientSecret",
    "userData",
    "tokenValue",
  ])("takes out the secret under %s", (key) => {
    expect(inside({ [key]: "hunter2", deep: { [key]: { x: "hunter2" } } })).toEqual({
      [key]: "[secret]",
      deep: { [key]: "[secret]" },
    })
  })

  it.each([
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
    "https://b.s3.amazonaws.com/k?X-Amz-Signature=abc",
    "Bearer abc",
  ])("takes out a secret by its form: %s", (value) => {
    expect(inside({ value })).toEqual({ value: "[secret]" })
  })

  it("keeps what only sounds like a secret", () => {
    const value = { secretId: "arn:aws:secretsmanager:x:1:secret:db", passwordResetRequired: true }
    expect(inside(value)).toEqual(value)
  })

  it("replaces names of people and e-mail addresses by their hashes", () => {
    expect(
      inside({
        userName: "jane",
        users: { userNames: ["jane"] },
        note: "to jane@example.org, now",
        arn: "arn:aws:sts::1:assumed-role/admin/jane",
        assumedRoleId: "AROA1234567890ABCDEF:jane",
      }),
    ).toEqual({
      userName: hash("jane"),
      users: { userNames: [hash("jane")] },
      note: `to ${hash("jane@example.org")}, now`,
      arn: `arn:aws:sts::1:assumed-role/admin/${hash("jane")}`,
      assumedRoleId: `AROA1234567890ABCDEF:${hash("jane")}`,
    })
  })

  it("finds the name of who acted inside other members", () => {
    expect(
      inside({ sessionId: "christophe-s7ua", who: "christophes", "of-christophe": 1, x: "AIDA3" }),
    ).toEqual({
      sessionId: `${hash("christophe")}-s7ua`,
      who: "christophes",
      [hash("of-christophe")]: 1,
      x: "AIDA3",
    })
  })

  it("leaves out members without a value", () => {
    expect(inside({ a: null, b: { c: null, d: 1 } })).toEqual({ b: { d: 1 } })
  })
})

describe("the cutting rule", () => {
  it("marks what it takes out of a value", () => {
    const { request } = draftOf({
      requestParameters: {
        long: "é".repeat(100),
        many: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        deep: { a: { b: { c: { d: { e: { f: 1 } } } } } },
      },
    }).attrs
    expect(request).toEqual({
      long: `${"é".repeat(48)}…+104`,
      many: [1, 2, 3, 4, 5, 6, 7, 8, "…+2"],
      deep: { a: { b: { c: { d: { e: "[deep]" } } } } },
    })
  })

  it("cuts the largest member of the response first, then of the request, and says so", () => {
    const changes = {
      requestParameters: { a: "x".repeat(120), b: "y" },
      responseElements: { c: "x".repeat(100), d: Array(6).fill("x".repeat(100)) },
    }
    const { drafts, cuts } = read({ ...base, ...changes })
    const { attrs } = drafts[0]!.draft
    expect(attrs.cut).toEqual(["responseElements.d"])
    expect(attrs.response).toEqual({ c: "x".repeat(100) })
    expect(attrs.request).toEqual(changes.requestParameters)
    expect([...cuts]).toEqual([["responseElements.d", 1]])
  })

  it("names members that the mapping does not know", () => {
    expect(draftOf({ edgeDeviceDetails: { a: 1 }, addendum: null }).attrs.cut).toEqual([
      "edgeDeviceDetails",
    ])
  })

  it("names eight and counts the rest", () => {
    const members = Array.from({ length: 12 }, (_, index) => [`new${index + 10}`, 1])
    const { cut } = draftOf(Object.fromEntries(members)).attrs
    expect(cut).toEqual([...members.slice(0, 8).map(([name]) => name), "+4"])
  })

  it("gives up members in the order of the table and keeps what makes the event findable", () => {
    const long = (letter: string) => letter.repeat(120)
    const { attrs } = draftOf({
      errorCode: long("a"),
      requestID: long("b"),
      sharedEventID: long("c"),
      vpcEndpointId: long("d"),
      userAgent: long("e"),
      apiVersion: long("f"),
      eventType: long("g"),
    })
    expect(attrs.cut).toEqual(["apiVersion", "userAgent"])
    expect(attrs).toMatchObject({ event_id: base.eventID, error_code: long("a") })
  })

  it("refuses an event that does not fit even so", () => {
    const long = "\u0001".repeat(96)
    expect(refusalOf({ eventSource: long, awsRegion: long, recipientAccountId: long })).toBe(
      `a.json, event 2: does not fit ${attrsBytesMax} bytes even when cut`,
    )
  })

  it("keeps every event of any shape within the law", () => {
    const shape = fc.record({
      requestParameters: fc.object({ maxDepth: 9, withBigInt: false, values: [fc.string()] }),
      responseElements: fc.dictionary(fc.string({ maxLength: 99 }), fc.jsonValue()),
      resources: fc.option(fc.array(fc.record({ ARN: fc.string({ maxLength: 700 }) }))),
      userAgent: fc.string({ maxLength: 300, unit: "binary" }),
      userIdentity: fc.dictionary(fc.constantFrom("principalId", "arn"), fc.string()),
    })
    fc.assert(
      fc.property(shape, (changes) => {
        const { drafts, refusals } = read({ ...base, ...changes })
        expect(drafts.length + refusals.length).toBe(1)
        for (const { draft } of drafts) {
          encodeDraft(draft)
          recordOf(draft)
        }
      }),
      { numRuns: 200, interruptAfterTimeLimit: 10_000 },
    )
  })
})

describe("the file", () => {
  const events = (file: string) => read(file).drafts.map(({ event }) => event)
  const one = JSON.stringify(base)

  it.each([
    ["an array", `[${one}, ${one}]`, 2],
    ["a CloudTrail file", `{"Records":[${one},\n${one}]}`, 2],
    ["one event", one, 1],
    ["JSON Lines", `${one}\n${one}\r\n\n${one}\n`, 3],
    ["lines of arrays", `[${one}]\n{ "Records" : [] }\n[]\n`, 1],
  ])("is %s", (_, file, count) => {
    expect(events(file)).toEqual(Array.from({ length: count }, (_, index) => index + 1))
  })

  it("refuses one bad event by file and number, and takes the others", () => {
    const bad = one.replace('"1.10"', '{"a":[1.5]}')
    const { drafts, refusals } = read(`[${one},${bad},7,${one}]`, "log.json")
    expect(drafts.map(({ event }) => event)).toEqual([1, 4])
    expect(refusals).toEqual([
      {
        event: 2,
        code: "float",
        message: "log.json, event 2: eventVersion.a[0]: a number with a fraction or an exponent",
      },
      { event: 3, code: "field_type", message: "log.json, event 3: not an object" },
    ])
  })

  it.each([
    [{ eventName: undefined }, "eventName: missing or not a text"],
    [{ eventTime: 7 }, "eventTime: missing or not a text"],
    [{ requestParameters: { a: "\ud800" } }, "requestParameters.a: a lone surrogate"],
  ])("refuses an event with %j", (changes, message) => {
    expect(refusalOf(changes)).toBe(`a.json, event 2: ${message}`)
  })

  it.each([
    ["", "holds no JSON at all"],
    [`[${one}`, 'the text ends where "]" belongs'],
    [`[${one} ${one}]`, 'something else stands where "]" belongs'],
    [`[${one},]`, "an event is missing"],
    [one.slice(0, -1), "the text ends inside an event"],
    [one.slice(0, 20), "the text ends inside a string"],
    ["hello", "neither an object nor an array begins there"],
    [`{"Records":[${one}],"more":1}`, 'something else stands where "}" belongs'],
    ["\ufeff[]", "neither an object nor an array begins there"],
  ])("refuses the whole text %#", (file, message) => {
    expect(() => read(file)).toThrow(Rejected)
    expect(() => read(file)).toThrow(message)
  })

  it("answers any damage to a file with a refusal, never with anything else", () => {
    const bytes = utf8(`{"Records":[${one},${one}]}\n[${one}]\n${one}`)
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 })
    fc.assert(
      fc.property(damage, fc.nat(bytes.length), (changes, length) => {
        const damaged = bytes.slice(0, length)
        for (const [at, byte] of changes) damaged[at] = byte
        try {
          const { drafts, refusals } = cloudTrailDrafts(damaged, "a.json")
          for (const { draft } of drafts) recordOf(draft)
          for (const { message } of refusals) expect(message).toMatch(/^a\.json, event \d+: ./)
        } catch (error) {
          expect(error).toBeInstanceOf(Rejected)
        }
      }),
      { numRuns: 1000, interruptAfterTimeLimit: 10_000 },
    )
  })

  it("names a compressed file for what it is", () => {
    expect(() => cloudTrailDrafts(Uint8Array.of(0x1f, 0x8b, 8, 0), "a.gz")).toThrow(/gunzip/)
  })
})

const folder = join(import.meta.dirname, "../data/cloudtrail")
const ours = readdirSync(folder).filter((name) => name.endsWith(".json"))

const mapped = (names: ReadonlyArray<string>, load: (name: string) => Uint8Array) =>
  names.flatMap((name) => {
    const { drafts, refusals } = cloudTrailDrafts(load(name), name)
    expect(refusals).toEqual([])
    return drafts.map(({ draft }) => draft)
  })

const leaks = /"(sourceIPAddress|sessionToken)":"(?!\[)|christophe|@gmail\.com/

describe("real events", () => {
  it("maps every event of the files in test/data/cloudtrail", () => {
    const drafts = mapped(ours, (name) => readFileSync(join(folder, name)))
    expect(drafts.length).toBe(52)
    expect(drafts.filter((draft) => leaks.test(text(draft)))).toEqual([])
  })

  it.skipIf(!sharedIsThere)("maps all 310 events to a median record of 1,024 ± 10 % bytes", () => {
    const path = ["data", "cloudtrail"]
    const names = listShared(...path).filter((name) => name.endsWith(".json"))
    const drafts = mapped(names, (name) => readShared(...path, name))
    const sizes = drafts.map((draft) => recordOf(draft).length).sort((a, b) => a - b)
    const median = sizes[sizes.length >> 1]!
    console.log(`${sizes.length} events: ${sizes[0]} / ${median} / ${sizes.at(-1)} bytes`)
    expect(sizes.length).toBe(310)
    expect(drafts.filter((draft) => leaks.test(text(draft)))).toEqual([])
    expect(median).toBeGreaterThan(922)
    expect(median).toBeLessThan(1126)
  })
})

import { describe, expect, it } from "vitest"
import {
  anchorStanding,
  certifiedStanding,
  checkpointStanding,
  placedAt,
} from "../../src/signing/Standing.ts"
import type { Trust, TrustKey } from "../../src/signing/Trust.ts"
import { leaf, root, stranger, trust } from "./Vectors.ts"

const [anchor] = trust.keys
const key: TrustKey = { ...anchor!, fromTsMs: 100, toTsMs: 200 }
const plain: Trust = { keys: [key], revoked: [] }
const revoked: Trust = { keys: [key], revoked: [{ keyId: root.keyId, fromTsMs: 150 }] }

describe("placedAt", () => {
  it("is the earliest checkpoint of another key, and nothing by the key itself", () => {
    const checkpoints = [
      { tsMs: 30, keyId: root.keyId },
      { tsMs: 20, keyId: root.keyId },
      { tsMs: 10, keyId: leaf.keyId },
    ]
    expect(placedAt(leaf.keyId, checkpoints)).toBe(20)
    expect(placedAt(root.keyId, checkpoints)).toBe(10)
    expect(placedAt(stranger.keyId, checkpoints)).toBe(10)
    expect(placedAt(leaf.keyId, checkpoints.slice(2))).toBeUndefined()
    expect(placedAt(leaf.keyId, [])).toBeUndefined()
  })
})

describe("anchorStanding", () => {
  it("judges a placed signature by its place: before to_ts_ms", () => {
    const at = (placedMs: number) => anchorStanding(key, plain, placedMs, 1_000_000)
    expect([99, 100, 199, 200, 201].map(at)).toEqual([
      "early",
      "good",
      "good",
      "expired",
      "expired",
    ])
  })

  it("judges one that nobody placed by now: not after to_ts_ms", () => {
    const at = (nowMs: number) => anchorStanding(key, plain, undefined, nowMs)
    expect([99, 100, 200, 201].map(at)).toEqual(["early", "good", "good", "expired"])
  })

  it("counts nothing of a revoked key that is not placed before", () => {
    const at = (placedMs: number | undefined, nowMs: number) =>
      anchorStanding(key, revoked, placedMs, nowMs)
    expect(at(149, 1_000)).toBe("good")
    expect(at(150, 1_000)).toBe("compromised")
    expect(at(undefined, 150)).toBe("compromised")
    expect(at(undefined, 149)).toBe("good")
  })

  it("has no end without one", () => {
    expect(anchorStanding(anchor!, trust, undefined, Number.MAX_SAFE_INTEGER)).toBe("good")
  })
})

describe("checkpointStanding", () => {
  const at = (own: number, committed: number | undefined, by = plain, now = 150) =>
    checkpointStanding(key, by, own, committed, now)

  it("believes a date that a key gives against itself", () => {
    expect(at(150, undefined)).toBe("good")
    expect(at(99, undefined)).toBe("early")
    expect(at(200, undefined)).toBe("good")
    expect(at(201, undefined)).toBe("expired")
    expect(at(150, undefined, revoked, 120)).toBe("compromised")
  })

  it("after to_ts_ms, needs a checkpoint of another key from before it", () => {
    expect(at(150, undefined, plain, 201)).toBe("expired")
    expect(at(150, 199, plain, 201)).toBe("good")
    expect(at(150, 200, plain, 201)).toBe("expired")
    expect(at(120, undefined, revoked, 160)).toBe("compromised")
    expect(at(120, 149, revoked, 160)).toBe("good")
    expect(at(120, 150, revoked, 160)).toBe("compromised")
  })
})

describe("certifiedStanding", () => {
  const times = { keyId: leaf.keyId, notBeforeMs: 100, notAfterMs: 200, issuer: anchor! }
  const at = (placedMs: number | undefined, nowMs = 1_000) =>
    certifiedStanding(times, trust, [], placedMs, nowMs)

  it("counts where it is placed inside the window, both ends included", () => {
    expect([99, 100, 200, 201].map((placed) => at(placed))).toEqual([
      "early",
      "good",
      "good",
      "expired",
    ])
  })

  it("needs the window to include now while nobody has placed it", () => {
    expect(at(undefined, 150)).toBe("good")
    expect(at(undefined, 201)).toBe("expired")
    expect(at(undefined, 99)).toBe("early")
  })

  it("counts nothing placed from a revocation on, of the key or of its issuer", () => {
    const ended = [{ keyId: leaf.keyId, fromTsMs: 150 }]
    expect(certifiedStanding(times, trust, ended, 149, 1_000)).toBe("good")
    expect(certifiedStanding(times, trust, ended, 150, 1_000)).toBe("compromised")
    expect(certifiedStanding(times, trust, ended, undefined, 160)).toBe("compromised")
    const byTrust: Trust = { ...trust, revoked: ended }
    expect(certifiedStanding(times, byTrust, [], 150, 1_000)).toBe("compromised")
    const issuerGone: Trust = { ...trust, revoked: [{ keyId: root.keyId, fromTsMs: 150 }] }
    expect(certifiedStanding(times, issuerGone, [], 149, 1_000)).toBe("good")
    expect(certifiedStanding(times, issuerGone, [], 150, 1_000)).toBe("compromised")
  })
})

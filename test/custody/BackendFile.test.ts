import { randomBytes } from "node:crypto"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { inspect } from "node:util"
import { ed25519 } from "@noble/curves/ed25519.js"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { fromUtf8, toBase64, toHex, utf8 } from "../../src/base/Bytes.ts"
import { b3Text } from "../../src/base/Hash.ts"
import {
  createFileKey,
  KeyFileError,
  openFileKey,
  unsealKeyWarning,
} from "../../src/custody/backend/BackendFile.ts"
import { format, parseCanonical } from "../../src/record/Canonical.ts"
import { keyIdOf } from "../../src/signing/Algorithm.ts"

let base: string
let dir: string

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "strongroom-keys-"))
  dir = join(base, "a", "keys")
})

afterEach(() => rmSync(base, { recursive: true }))

const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))
const alias = "log-signer"
const passphrase = utf8("correct horse battery staple")
const keyFile = (): string => join(dir, `${alias}@1.key.json`)
const unsealFile = (): string => join(dir, "unseal.key")
const modeOf = (path: string): number => statSync(path).mode & 0o777

const openSeed = (place: object = {}): Promise<Uint8Array> =>
  openFileKey({ dir, alias, ...place }, (seed) => seed.slice())

const failure = async (run: Promise<unknown>): Promise<KeyFileError> => {
  try {
    await run
  } catch (error) {
    if (error instanceof KeyFileError) return error
    throw error
  }
  throw new Error("nothing was refused")
}

const codeOf = async (run: Promise<unknown>): Promise<string> => {
  const error = await failure(run)
  expect(error.message).toMatch(/^[^\n]{10,400}$/)
  expect(error.isRetryable).toBe(error.code === "KEY_IO")
  return error.code
}

/** The file with one change, its digest made to fit again. */
const rewrite = (change: (text: string) => string): void => {
  const text = fromUtf8(new Uint8Array(readFileSync(keyFile())))!
  const { check: _, ...body } = parseCanonical(utf8(change(text))) as Record<string, never>
  writeFileSync(keyFile(), format({ ...body, check: b3Text(utf8(format(body))) }))
}

describe("createFileKey", () => {
  it("seals without a passphrase under unseal.key, and opens unattended", async () => {
    const key = await createFileKey({ dir, alias, random })
    expect(key.path).toBe(keyFile())
    expect(readdirSync(dir).toSorted()).toEqual([`${alias}@1.key.json`, "unseal.key"])
    const seed = await openSeed()
    expect(toHex(ed25519.getPublicKey(seed))).toBe(toHex(key.publicKey))
    expect(key.keyId).toBe(keyIdOf(key.publicKey))
  })

  it("seals under a passphrase, and makes no unseal.key", async () => {
    const key = await createFileKey({ dir, alias, passphrase, random })
    expect(readdirSync(dir)).toEqual([`${alias}@1.key.json`])
    const seed = await openSeed({ passphrase })
    expect(toHex(ed25519.getPublicKey(seed))).toBe(toHex(key.publicKey))
    const { kdf, cipher, type } = JSON.parse(readFileSync(keyFile(), "utf8"))
    expect(type).toBe("strongroom/sealed-key/v1")
    expect(kdf).toMatchObject({ name: "scrypt", N: 131_072, r: 8, p: 1 })
    expect(cipher).toMatchObject({ name: "aes-256-gcm" })
  })

  it("writes canonical files 0600 in folders 0700", async () => {
    await createFileKey({ dir, alias, random })
    expect([dir, join(base, "a"), keyFile(), unsealFile()].map(modeOf)).toEqual([
      0o700, 0o700, 0o600, 0o600,
    ])
    const bytes = new Uint8Array(readFileSync(keyFile()))
    expect(format(parseCanonical(bytes))).toBe(fromUtf8(bytes))
    expect(statSync(unsealFile()).size).toBe(32)
  })

  it("shares one unseal.key between aliases, with another cipher key for each", async () => {
    await createFileKey({ dir, alias, random })
    const unseal = readFileSync(unsealFile())
    const other = await createFileKey({ dir, alias: "other", random })
    expect(readFileSync(unsealFile()).equals(unseal)).toBe(true)
    const seed = await openFileKey({ dir, alias: "other" }, (bytes) => bytes.slice())
    expect(toHex(ed25519.getPublicKey(seed))).toBe(toHex(other.publicKey))
  })

  it("never puts a second key in place of the first", async () => {
    await createFileKey({ dir, alias, random })
    const before = readFileSync(keyFile())
    expect(await codeOf(createFileKey({ dir, alias, random }))).toBe("KEY_EXISTS")
    const racing = Array.from({ length: 4 }, () => createFileKey({ dir, alias: "raced", random }))
    const won = (await Promise.allSettled(racing)).filter(({ status }) => status === "fulfilled")
    expect(won.length).toBe(1)
    expect(readFileSync(keyFile()).equals(before)).toBe(true)
    expect(readdirSync(dir).filter((name) => name.endsWith(".tmp"))).toEqual([])
  })

  it("refuses bad aliases, an empty passphrase and places it cannot write", async () => {
    for (const bad of ["", "../up", "a/b", ".hidden", "UPPER", "a@1", "x".repeat(65), "a\n"]) {
      expect(await codeOf(createFileKey({ dir, alias: bad, random })), bad).toBe("KEY_ALIAS")
    }
    const empty = createFileKey({ dir, alias, passphrase: new Uint8Array(), random })
    expect(await codeOf(empty)).toBe("KEY_PASSPHRASE")
    const file = join(base, "file")
    writeFileSync(file, "")
    expect(await codeOf(createFileKey({ dir: join(file, "x"), alias, random }))).toBe("KEY_IO")
    expect(await codeOf(createFileKey({ dir: file, alias, random }))).toBe("KEY_IO")
  })
})

describe("openFileKey", () => {
  it("wipes the seed after use, also when use fails or is asynchronous", async () => {
    await createFileKey({ dir, alias, random })
    let kept: Uint8Array | undefined
    const answer = await openFileKey({ dir, alias }, async (seed) => {
      await new Promise((done) => setImmediate(done))
      kept = seed
      expect(seed.some((byte) => byte !== 0)).toBe(true)
      return 42
    })
    expect(answer).toBe(42)
    expect(kept!.every((byte) => byte === 0)).toBe(true)
    const failing = openFileKey({ dir, alias }, (seed) => {
      kept = seed
      throw new RangeError("in use")
    })
    await expect(failing).rejects.toThrow(RangeError)
    expect(kept!.every((byte) => byte === 0)).toBe(true)
  })

  it("keeps the caller's passphrase, which is the caller's to wipe", async () => {
    const mine = passphrase.slice()
    await createFileKey({ dir, alias, passphrase: mine, random })
    await openSeed({ passphrase: mine })
    expect(toHex(mine)).toBe(toHex(passphrase))
  })

  it("refuses a wrong passphrase, none, and one too many", async () => {
    await createFileKey({ dir, alias, passphrase, random })
    expect(await codeOf(openSeed({ passphrase: utf8("wrong") }))).toBe("KEY_PASSPHRASE")
    expect((await failure(openSeed())).message).toMatch(/passphrase, none was given/)
    await createFileKey({ dir, alias: "plain", random })
    const error = await failure(openFileKey({ dir, alias: "plain", passphrase }, () => 0))
    expect(error.message).toMatch(/with unseal\.key, not with a passphrase/)
  })

  it("names what is missing", async () => {
    expect(await codeOf(openSeed())).toBe("KEY_MISSING")
    await createFileKey({ dir, alias, random })
    unlinkSync(unsealFile())
    const error = await failure(openSeed())
    expect(error.code).toBe("KEY_UNSEAL_MISSING")
    expect(error.message).toContain(unsealFile())
    expect(await codeOf(openFileKey({ dir, alias: "other" }, () => 0))).toBe("KEY_MISSING")
  })

  it("refuses what a group or the world may read or enter", async () => {
    await createFileKey({ dir, alias, random })
    const cases: ReadonlyArray<readonly [string, ReadonlyArray<number>, number]> = [
      [keyFile(), [0o640, 0o604, 0o620, 0o777], 0o600],
      [unsealFile(), [0o640, 0o604], 0o600],
      [dir, [0o750, 0o705, 0o777], 0o700],
    ]
    for (const [path, modes, right] of cases) {
      for (const mode of modes) {
        chmodSync(path, mode)
        const error = await failure(openSeed())
        expect(error.code, `${path} ${mode.toString(8)}`).toBe("KEY_MODE")
        expect(error.message).toContain(`${path} has mode ${mode.toString(8)}`)
        if (path !== keyFile()) {
          expect(await codeOf(createFileKey({ dir, alias: "more", random }))).toBe("KEY_MODE")
        }
        chmodSync(path, right)
      }
    }
    await openSeed()
  })

  it("follows no link and reads no folder in place of a key", async () => {
    await createFileKey({ dir, alias, random })
    const moved = join(base, "moved")
    renameSync(keyFile(), moved)
    symlinkSync(moved, keyFile())
    expect(await codeOf(openSeed())).toBe("KEY_MODE")
    unlinkSync(keyFile())
    mkdirSync(keyFile(), { mode: 0o700 })
    expect(await codeOf(openSeed())).toBe("KEY_MODE")
  })

  it("refuses a file with any byte changed, cut short or grown", async () => {
    await createFileKey({ dir, alias, random })
    const bytes = new Uint8Array(readFileSync(keyFile()))
    const refused = async (changed: Uint8Array): Promise<void> => {
      writeFileSync(keyFile(), changed)
      expect(await codeOf(openSeed())).toBe("KEY_DAMAGED")
    }
    for (let at = 0; at < bytes.length; at++) await refused(bytes.with(at, bytes[at]! ^ 1))
    for (const size of [0, 1, 100, bytes.length - 1]) await refused(bytes.subarray(0, size))
    await refused(new Uint8Array([...bytes, 0x0a]))
    await refused(new Uint8Array(64 * 1024).fill(0x20))
    writeFileSync(unsealFile(), new Uint8Array(31))
    writeFileSync(keyFile(), bytes)
    expect(await codeOf(openSeed())).toBe("KEY_DAMAGED")
  })

  it("refuses an altered file whose digest was made to fit", async () => {
    await createFileKey({ dir, alias, random })
    const original = readFileSync(keyFile())
    const other = await createFileKey({ dir, alias: "other", random })
    const restore = (): void => writeFileSync(keyFile(), original)
    rewrite((text) =>
      text.replace(/"nonce":"./, (at) => `${at.slice(0, -1)}${at.endsWith("A") ? "B" : "A"}`),
    )
    expect(await codeOf(openSeed())).toBe("KEY_UNSEAL_WRONG")
    restore()
    rewrite((text) =>
      text
        .replace(/"public_key":"[^"]+"/, `"public_key":"${toBase64(other.publicKey)}"`)
        .replace(/"pubkey_id":"[^"]+"/, `"pubkey_id":"${other.keyId}"`),
    )
    expect(await codeOf(openSeed())).toBe("KEY_UNSEAL_WRONG")
    restore()
    for (const [from, to] of [
      ['"alias":"log-signer"', '"alias":"other"'],
      ['"version":1', '"version":2'],
      ['"name":"aes-256-gcm"', '"name":"aes-128-gcm"'],
      ['"name":"unseal-key"', '"name":"none"'],
      ['"algo_id":"ed25519"', '"algo_id":"ml-dsa-44"'],
      ['"kdf":{', '"kdf":{"N":2,'],
    ] as const) {
      rewrite((text) => text.replace(from, to))
      expect(await codeOf(openSeed()), to).toBe("KEY_DAMAGED")
      restore()
    }
    // A file put in the place of another alias's.
    writeFileSync(keyFile(), readFileSync(join(dir, "other@1.key.json")))
    expect(await codeOf(openSeed())).toBe("KEY_DAMAGED")
  })

  it("refuses a key sealed elsewhere, and scrypt costs that are not its own", async () => {
    await createFileKey({ dir, alias, random })
    writeFileSync(unsealFile(), random(32))
    expect(await codeOf(openSeed())).toBe("KEY_UNSEAL_WRONG")
    await createFileKey({ dir, alias: "locked", passphrase, random })
    renameSync(join(dir, "locked@1.key.json"), keyFile())
    rewrite((text) => text.replace('"N":131072', '"N":1048576'))
    expect(await codeOf(openSeed({ passphrase }))).toBe("KEY_DAMAGED")
  })
})

describe("the secret", () => {
  it("is nowhere but in use: not in files, errors or what is printed of them", async () => {
    const draws: string[] = []
    const watched = (bytes: number): Uint8Array => {
      const drawn = random(bytes)
      draws.push(toHex(drawn))
      return drawn
    }
    await createFileKey({ dir, alias, random: watched })
    const seed = await openSeed()
    expect(draws).toContain(toHex(seed))

    const forms = [seed, passphrase].flatMap((secret) => [
      Buffer.from(secret).toString("latin1"),
      toHex(secret),
      toHex(secret).toUpperCase(),
      toBase64(secret).replace(/=+$/, ""),
      Buffer.from(secret).toString("base64url"),
      [...secret].join(","),
    ])
    const texts = readdirSync(dir).map((name) => readFileSync(join(dir, name), "latin1"))
    const original = readFileSync(keyFile())
    const damage: ReadonlyArray<() => void> = [
      () => chmodSync(keyFile(), 0o644),
      () => writeFileSync(keyFile(), original.subarray(1), { mode: 0o600 }),
      () => writeFileSync(unsealFile(), random(32)),
    ]
    for (const harm of damage) {
      harm()
      const error = await failure(openSeed())
      texts.push(error.message, String(error.stack), JSON.stringify(error), inspect(error))
      chmodSync(keyFile(), 0o600)
      writeFileSync(keyFile(), original)
    }
    const wrong = await failure(openSeed({ passphrase }))
    texts.push(wrong.message, String(wrong.stack), JSON.stringify(wrong), inspect(wrong))
    expect(texts.length).toBe(2 + 4 * 4)
    for (const text of texts) for (const form of forms) expect(text).not.toContain(form)
  })

  it("is overwritten in the memory it was drawn into", async () => {
    const draws: Uint8Array[] = []
    const watched = (bytes: number): Uint8Array => {
      const drawn = random(bytes)
      if (bytes === 32) draws.push(drawn)
      return drawn
    }
    await createFileKey({ dir, alias, random: watched })
    // Of unseal key, seed and salt, only the salt is public and stays.
    expect(draws.length).toBe(3)
    expect(draws.filter((drawn) => drawn.every((byte) => byte === 0)).length).toBe(2)
  })

  it("comes with a warning that says what unseal.key is worth", () => {
    expect(unsealKeyWarning).toMatch(/^WARNING: .*unseal\.key/)
    expect(unsealKeyWarning).toMatch(/protects the key in a copy, a backup or a log/)
    expect(unsealKeyWarning).toMatch(
      /does NOT protect it from anyone who can read the whole folder/i,
    )
    expect(Math.max(...unsealKeyWarning.split("\n").map((line) => line.length))).toBeLessThan(101)
  })
})

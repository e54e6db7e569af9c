/** The lock of a chain between processes: the operating system's, so it dies with its holder. */
import { type ChildProcess, spawn } from "node:child_process"
import { hostname } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { acquireLock } from "../../src/sink/Lock.ts"
import { folder } from "./Folder.ts"

const since = "2026-01-02T03:04:05.000Z"
const module = join(import.meta.dirname, "..", "..", "src", "sink", "Lock.ts")

/** A process that holds the lock of w / s, or says that it could not have it. */
const hold = async (walDir: string): Promise<{ child: ChildProcess; said: string }> => {
  const code = `
    const { acquireLock } = await import(${JSON.stringify(module)})
    await acquireLock(${JSON.stringify(walDir)}, "w", "s", "${since}").then(
      () => console.log("held"), (error) => console.log(error.code + ": " + error.message))
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const said = await new Promise<string>((done) => {
    child.stdout.once("data", (bytes: Buffer) => done(String(bytes).trim()))
  })
  return { child, said }
}

const killed = async (child: ChildProcess): Promise<void> => {
  const ended = new Promise((done) => child.on("exit", done))
  child.kill("SIGKILL")
  await ended
}

describe("acquireLock", () => {
  it("keeps a second process out, names the holder, and dies with it", async () => {
    const wal = folder()
    const { child, said } = await hold(wal)
    expect(said).toBe("held")
    await expect(acquireLock(wal, "w", "s", since)).rejects.toMatchObject({
      code: "LOCKED",
      message:
        `the chain w / s is being written by process ${child.pid} on ${hostname()} ` +
        `since ${since}; stop it first, or use another --writer`,
    })
    const second = await hold(wal)
    expect(second.said).toMatch(/^LOCKED: /)
    await killed(second.child)
    // Nothing is left to clean up: the next one has it at once.
    await killed(child)
    const lock = await acquireLock(wal, "w", "s", since)
    lock.release()
  })

  it("keeps two of one process apart, and other chains free", async () => {
    const wal = folder()
    const lock = await acquireLock(wal, "w", "s", since)
    await expect(acquireLock(wal, "w", "s", since)).rejects.toMatchObject({ code: "LOCKED" })
    const other = await acquireLock(wal, "w", "t", since)
    const writer = await acquireLock(wal, "w+1", "s", since)
    lock.release()
    const again = await acquireLock(wal, "w", "s", since)
    for (const held of [again, other, writer]) held.release()
  })

  it("takes no full disk or missing folder for a holder", async () => {
    await expect(acquireLock("/proc/none", "w", "s", since)).rejects.not.toMatchObject({
      code: "LOCKED",
    })
  })
})

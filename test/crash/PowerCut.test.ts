/**
 * Power cuts at random changes on a file system that forgets what was not fsynced (forgetful.py):
 * no acknowledged record is lost, nothing is taken for tampering.
 *
 * The controls are the proof that this can fail: on a file system that lies about one kind of fsync
 * the same run must lose acknowledged records or find damage. CUTS and SEED choose another run.
 */
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import { Strongroom } from "../../src/index.ts"
import { type Forgetting, Mount, whyNot } from "./Mount.ts"
import { Offspring, type Said } from "./Offspring.ts"
import { isThorough, openOptions, type Plan, seeded } from "./Plan.ts"
import { Witness } from "./Witness.ts"

const cuts = Number(process.env.CUTS ?? (isThorough ? 100 : 40))
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const reason = whyNot()
const modes: ReadonlyArray<Forgetting> = ["forget", "prefix", "scatter"]

const planOf = (dir: string): Plan => ({
  dir,
  streams: ["ingress", "policy"],
  inFlight: 8,
  records: 200,
  rotateBytes: 96 * 1024,
  fsync: "always",
  signing: "batch",
  duties: true,
  seed,
})

/** A run of cuts over one log: what it did, and the first thing that went wrong. */
class Run {
  readonly counts = {
    cuts: 0,
    kills: 0,
    acks: 0,
    torn: 0,
    cutBytes: 0,
    signed: 0,
    recoveries: 0,
    checkpoints: 0,
    exports: 0,
    forgotten: 0,
  }
  readonly #mount: Mount
  readonly #random: () => number
  #log = "log-0"
  #witness = new Witness()
  #next = new Offspring()

  constructor(mount: Mount, random: () => number) {
    this.#mount = mount
    this.#random = random
  }

  get #plan(): Plan {
    return planOf(join(this.#mount.root, this.#log))
  }

  /** A new log, since a first start is where most files are made. */
  begin(): void {
    this.#log = `log-${this.counts.cuts}`
    this.#witness = new Witness()
  }

  async end(): Promise<void> {
    this.#next.kill()
    await this.#next.ended
  }

  /** One child, until the power or the child ends; what is wrong after it. */
  async once(): Promise<ReadonlyArray<string>> {
    const random = this.#random
    const child = this.#next
    this.#next = new Offspring()
    await child.heard("ready")
    // A kill alone leaves what was written: a later cut must not find that nobody fsynced it.
    const isKill = random() < 0.25
    const mode = modes[Math.floor(random() * modes.length)]!
    const after = 1 + Math.floor(random() ** 3 * 600)
    this.#mount.arm(mode, Math.floor(random() * 2 ** 31), isKill ? 0 : after)
    const inFlight = [2, 8, 96][Math.floor(random() * 3)]!
    child.go({ ...this.#plan, inFlight, seed: Math.floor(random() * 2 ** 31) })
    if (isKill) {
      await Promise.race([child.heard("open"), sleep(random() * 400)])
      await sleep(random() * 100)
      child.kill()
    }
    await child.ended
    const hadPower = !this.#mount.counters.off
    if (!isKill) this.#mount.cut()
    this.counts[isKill ? "kills" : "cuts"] += 1
    this.#mount.on()
    return this.#wrongAfter(child, hadPower)
  }

  #wrongAfter(child: Offspring, hadPower: boolean): ReadonlyArray<string> {
    const { counts } = this
    counts.acks += child.acks.length
    counts.checkpoints += child.told("checkpoint").length
    counts.exports += child.told("export").length
    this.#note(child.told("recovered"))
    const complaints = child.told("frozen", "trouble", "refused", "undecided", "failed", "ended")
    // Without power every call fails, in our own words.
    const wrong = complaints.filter(({ event, code }) => event === "frozen" || !isOurs(code))
    return [
      ...(hadPower ? complaints : wrong).map((said) => JSON.stringify(said)),
      ...this.#witness.add(child.acks),
      ...this.#look(),
    ]
  }

  #look(): ReadonlyArray<string> {
    const { tampers, lost } = this.#witness.look(this.#plan.dir)
    return [...tampers, ...lost.map((record) => `lost: ${record}`)]
  }

  /** Opens the log as its owner would, closes it, and finds it whole. */
  async recover(): Promise<ReadonlyArray<string>> {
    const notices: Array<Said> = []
    const tell = (notice: { readonly event: string }): void => void notices.push({ ...notice })
    const room = await Strongroom.open(openOptions(this.#plan, tell))
    await room.close()
    this.#note(notices.filter(({ event }) => event === "recovered"))
    const wrong = notices.filter(({ event }) => event === "frozen" || event === "trouble")
    const { verdict } = this.#witness.look(this.#plan.dir)
    const isValid = verdict === "valid" ? [] : [`${verdict} after recovery`]
    return [...wrong.map((said) => JSON.stringify(said)), ...isValid, ...this.#look()]
  }

  #note(recovered: ReadonlyArray<Said>): void {
    for (const { cutBytes, unsigned } of recovered) {
      this.counts.recoveries += 1
      this.counts.cutBytes += Number(cutBytes)
      this.counts.torn += Number(cutBytes) > 0 ? 1 : 0
      this.counts.signed += Number(unsigned)
    }
  }
}

/** The codes of our errors are words; those of the system are like EIO. */
const isOurs = (code: unknown): boolean =>
  typeof code === "string" && !/^E[A-Z0-9]+$/.test(code) && code !== "defect"

/** Cuts until something is wrong that `isEnough`, at most `count` times. */
const runOn = async (
  count: number,
  lies: ReadonlyArray<string>,
  isEnough: (fault: string) => boolean,
): Promise<{ readonly counts: Run["counts"]; readonly wrong: ReadonlyArray<string> }> => {
  const random = seeded(seed)
  const mount = await Mount.open(lies)
  const run = new Run(mount, random)
  const recover = () => run.recover().catch((error: unknown) => [String(error)])
  try {
    while (run.counts.cuts < count) {
      const wrong = [...(await run.once())]
      if (wrong.length === 0 && random() < 0.5) wrong.push(...(await recover()))
      const enough = [...new Set(wrong)].filter(isEnough)
      if (enough.length > 0) return { counts: run.counts, wrong: enough.slice(0, 5) }
      if (wrong.length > 0 || random() < 0.15) run.begin()
    }
    return { counts: run.counts, wrong: await recover() }
  } finally {
    run.counts.forgotten = mount.counters.lost
    await run.end()
    await mount.close()
  }
}

const patienceMs = 300_000

describe.skipIf(reason !== undefined)(`power cuts (${reason ?? `seed ${seed}`})`, () => {
  it(
    `keeps every acknowledged record through ${cuts} of them [A-145]`,
    async () => {
      const { counts, wrong } = await runOn(cuts, [], () => true)
      console.log(`power cut: seed ${seed}, ${JSON.stringify(counts)}`)
      expect(wrong).toEqual([])
      expect(counts.acks).toBeGreaterThan(cuts)
      // Had nothing been forgotten, cut or signed, this would have tested nothing.
      expect(counts.forgotten).toBeGreaterThan(0)
      expect(counts.torn).toBeGreaterThan(0)
      expect(counts.signed).toBeGreaterThan(0)
    },
    patienceMs,
  )

  it.each([
    [".seg", /^lost: /],
    ["dir", /^lost: /],
    [".sig", /sig_missing/],
    [".tmp", /./],
  ] as const)(
    "control: fails when fsync of %s is a lie",
    async (lie, fault) => {
      const { counts, wrong } = await runOn(cuts, [lie], (text) => fault.test(text))
      console.log(`control, ${lie}: ${counts.cuts} cuts, ${counts.acks} acks; ${wrong[0]}`)
      expect(wrong.some((text) => fault.test(text))).toBe(true)
    },
    patienceMs,
  )
})

/**
 * `tour`: the whole promise in seven steps, on real CloudTrail events: write, export, verify,
 * prove, tamper with a copy and see it named. Everything it makes lies in the data directory.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { controlStream } from "../../audit/AuditLog.ts"
import { proveRecord } from "../../audit/Prove.ts"
import { readRecords } from "../../audit/Read.ts"
import { formatReceipt, parseReceipt } from "../../audit/Receipt.ts"
import { verifyReceipt } from "../../audit/ReceiptVerify.ts"
import type { LogReport } from "../../audit/Verify.ts"
import { verifyParallel } from "../../audit/VerifyParallel.ts"
import { frameHeadBytes } from "../../base/Limits.ts"
import type { Engine } from "../../engine/Engine.ts"
import { selectEngine } from "../../engine/Select.ts"
import type { Trust } from "../../signing/Trust.ts"
import { chainDirectory, keysDirectory, listChain } from "../../sink/Segment.ts"
import { readTrust } from "../Anchors.ts"
import { cloudTrailEvents } from "../Drafts.ts"
import { exits, UsageError } from "../Exit.ts"
import { Feed } from "../Feed.ts"
import { findingLines } from "../Findings.ts"
import type { Room } from "../Host.ts"
import { demandFile } from "../Lines.ts"
import { type Context, withRoomOptions } from "../Opening.ts"
import { count } from "../Output.ts"
import { defaultWriterId, shown } from "../Settings.ts"

export interface TourInput {
  readonly files: ReadonlyArray<string>
}

const stream = "cloudtrail"

const sampleFiles = (): ReadonlyArray<string> => {
  const folder = fileURLToPath(new URL("../../../test/data/cloudtrail/", import.meta.url))
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  const files = names.filter((name) => name.endsWith(".json")).map((name) => join(folder, name))
  if (files.length > 0) return files
  throw UsageError.of("INPUT", "the sample events are not here: give CloudTrail files of your own")
}

/** Prints the numbered steps; with --json they go to stderr. */
class Steps {
  readonly #context: Context
  #number = 0

  constructor(context: Context) {
    this.#context = context
  }

  async step(title: string, lines: ReadonlyArray<string>): Promise<void> {
    this.#number += 1
    const { output, signal } = this.#context
    const head = output.isJson ? title : output.paint("bold", title)
    const all = [`${this.#number}  ${head}`, ...lines.map((line) => `   ${line}`), ""]
    for (const line of all) output.isJson ? output.note(line) : output.line(line)
    await output.flush()
    signal.throwIfAborted()
  }
}

interface Appended {
  readonly records: number
  readonly refused: number
  readonly cut: number
  /** Seq of a record in the middle of what was appended now. */
  readonly middle: number
}

const append = async (
  room: Room,
  engine: Engine,
  files: ReadonlyArray<string>,
  signal: AbortSignal,
): Promise<Appended> => {
  const seqs: Array<number> = []
  const feed = new Feed(
    (draft) => room.append(draft),
    ({ seq }) => void seqs.push(seq),
  )
  let refused = 0
  let cut = 0
  const onCut = (): void => {
    cut += 1
  }
  for (const file of files) {
    for await (const items of cloudTrailEvents(file, { stream, engine, onCut }, signal)) {
      for (const item of items) {
        if (feed.isFull) await feed.room()
        if ("draft" in item) feed.push(item.draft, item.at)
        else refused += 1
      }
    }
  }
  await feed.drain()
  const failed = feed.failures[0]
  if (failed !== undefined) throw failed.error
  if (seqs.length === 0) throw UsageError.of("INPUT", "the files hold no CloudTrail event")
  return { records: seqs.length, refused, cut, middle: seqs[seqs.length >> 1] ?? 1 }
}

const verify = (context: Context, root: string, trust: Trust): Promise<LogReport> =>
  verifyParallel(
    {
      root,
      trust,
      integrity: false,
      require: "signed",
      expectHeads: [],
      nowMs: Date.now(),
    },
    {
      engine: context.settings.engine,
      warn: () => undefined,
      onStep: () => undefined,
      signal: context.signal,
    },
  )

const flipped = 1

/** Copies the writer's chain and flips one bit of one record's kind. */
const tamper = (context: Context, writerId: string, seq: number, folder: string) => {
  const { settings, output } = context
  rmSync(folder, { recursive: true, force: true })
  for (const name of [stream, controlStream]) {
    const from = chainDirectory(settings.walDir, writerId, name)
    const to = chainDirectory(folder, writerId, name)
    mkdirSync(to, { recursive: true, mode: 0o700 })
    cpSync(from, to, { recursive: true })
  }
  const keys = keysDirectory(settings.walDir)
  if (existsSync(keys)) cpSync(keys, keysDirectory(folder), { recursive: true })
  const engine = selectEngine(settings.engine, (line) => output.note(line))
  const files = listChain(chainDirectory(folder, writerId, stream))
  for (const { record, file, offset } of readRecords(engine, { writerId, stream }, files, seq)) {
    const path = join(files.directory, file)
    const bytes = readFileSync(path)
    const mark = Buffer.from('"kind":"')
    const kindAt = bytes.indexOf(mark, offset + frameHeadBytes) + mark.length
    const at = kindAt + record.kind.length - 1
    bytes.writeUInt8(bytes.readUInt8(at) ^ flipped, at)
    writeFileSync(path, bytes, { mode: 0o600 })
    const now = bytes.subarray(kindAt, at + 1).toString("utf8")
    return { path, at, before: record.kind, now }
  }
  throw UsageError.of("INPUT", `record ${seq} is not in the copy`)
}

const summary = ({ verdict, records, streams }: LogReport): string =>
  `${verdict.toUpperCase()}: ${count(records, "record")} in ${count(streams.length, "chain")}`

const openStep = async (context: Context, writerId: string) => {
  const { host, settings } = context
  const room = await withRoomOptions(context, { writerId }, host.openRoom)
  const trust = room.trustPath ?? join(settings.dataDir, "trust.json")
  return { room, trust }
}

/** Errors: UsageError; those of the library. */
export const run = async (input: TourInput, context: Context): Promise<number> => {
  const { settings, output, signal, host } = context
  const files = input.files.length > 0 ? input.files : sampleFiles()
  for (const file of files) demandFile(file)
  const steps = new Steps(context)
  const writerId = settings.writerId ?? defaultWriterId()
  const { room, trust: trustFile } = await openStep(context, writerId)
  let writer = writerId
  let appended: Appended
  try {
    await steps.step("A log was opened.", [
      `where   ${shown(settings.dataDir)} (log ${room.logId}, ${room.engine.name} engine)`,
      `key     ${room.keyId}, sealed in ${shown(join(settings.dataDir, "keys"))}`,
      `trust   ${shown(trustFile)} names the key: with it, and nothing else, anyone can verify`,
    ])
    const engine = selectEngine(settings.engine, (line) => output.note(line))
    appended = await append(room, engine, files, signal)
    await room.flush()
    writer = room.heads().find((head) => head.stream === stream)?.writerId ?? writerId
    await steps.step(`${count(appended.records, "event")} became records.`, [
      `from    ${count(files.length, "CloudTrail file")}${
        appended.refused === 0 ? "" : `; ${appended.refused} were no events and are not in`
      }`,
      `chain   ${writer} / ${stream}: each record holds the hash of the one before`,
      ...(appended.cut === 0
        ? []
        : ["cut     what did not fit into 1,024 bytes is named in attrs.cut"]),
    ])
    await room.checkpoint()
    const exported = await room.export()
    const fresh = exported.filter(({ manifest }) => manifest !== undefined)
    await steps.step("Checkpoints were signed, and what is new was exported.", [
      `wal     ${shown(settings.walDir)}`,
      `export  ${shown(settings.exportDir)}: ${count(fresh.length, "manifest")} signed`,
    ])
  } finally {
    await room.close()
  }
  const trust = readTrust(trustFile)
  const wal = await verify(context, settings.walDir, trust)
  const exported = await verify(context, settings.exportDir, trust)
  await steps.step("Both were verified against the trust file.", [
    `wal     ${summary(wal)}`,
    `export  ${summary(exported)}`,
  ])
  const place = { writerId: writer, seq: appended.middle, trust, trustFile }
  const proof = await prove(context, steps, place)
  const damage = await showTampering(context, steps, place)
  await suggest(context, steps, place, proof)
  if (output.isJson) {
    output.json({
      log_id: trust.logId,
      records: appended.records,
      refused: appended.refused,
      trust: trustFile,
      wal: { dir: settings.walDir, verdict: wal.verdict },
      export: { dir: settings.exportDir, verdict: exported.verdict },
      receipt: { file: proof.file, seq: place.seq, verdict: proof.verdict },
      tampered: damage,
      program: host.program,
    })
  }
  await output.flush()
  const isProven = [wal.verdict, exported.verdict, proof.verdict].every((word) => word === "valid")
  return isProven && damage.verdict === "invalid" ? exits.done : exits.invalid
}

interface Place {
  readonly writerId: string
  readonly seq: number
  readonly trust: Trust
  readonly trustFile: string
}

const prove = async (context: Context, steps: Steps, place: Place) => {
  const { settings, output } = context
  const { writerId, seq, trust } = place
  const engine = selectEngine(settings.engine, (line) => output.note(line))
  const receipt = proveRecord(engine, settings.walDir, { writerId, stream }, seq)
  const folder = join(settings.dataDir, "tour")
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, "receipt.json")
  writeFileSync(file, formatReceipt(receipt), { mode: 0o600 })
  const read = parseReceipt(readFileSync(file))
  const { verdict, covered_by } = verifyReceipt(read, { trust, nowMs: Date.now() })
  const by = covered_by.map((cover) => `a ${cover.by} signature`).join(" and ")
  await steps.step(`Record ${seq} was proven offline, from its receipt alone.`, [
    `record  ${receipt.record.kind}, ${receipt.record.self_hash}`,
    `receipt ${shown(file)}`,
    `verdict ${verdict.toUpperCase()}${by === "" ? "" : `: covered by ${by}`}`,
  ])
  return { file, verdict }
}

const showTampering = async (context: Context, steps: Steps, place: Place) => {
  const folder = join(context.settings.dataDir, "tour", "tampered")
  const { writerId, seq, trust } = place
  const { path, at, before, now } = tamper(context, writerId, seq, folder)
  const report = await verify(context, folder, trust)
  const findings = report.streams.flatMap((chain) => chain.findings)
  await steps.step("One bit was flipped in a copy, and the verifier names it.", [
    `copy    ${shown(path)}`,
    `byte    ${at}: kind ${before} became ${now}`,
    `verdict ${report.verdict.toUpperCase()}`,
    ...findingLines(findings).map((line) => `        ${line}`),
  ])
  return { dir: folder, byte: at, verdict: report.verdict, findings }
}

const suggest = async (
  { host, settings }: Context,
  steps: Steps,
  { writerId, seq, trustFile }: Place,
  proof: { readonly file: string },
): Promise<void> => {
  const { program } = host
  const trust = shown(trustFile)
  const wal = shown(settings.walDir)
  const copy = shown(join(settings.dataDir, "tour", "tampered"))
  await steps.step("Try it yourself:", [
    `${program} audit show --wal-dir ${wal} --stream ${stream} --limit 10`,
    `${program} audit verify --wal-dir ${wal} --trust ${trust}`,
    `${program} audit verify --wal-dir ${copy} --trust ${trust}`,
    `${program} audit prove --wal-dir ${wal} --writer ${writerId} --stream ${stream} --seq ${seq}`,
    `${program} audit receipt verify ${shown(proof.file)} --trust ${trust}`,
    `${program} --help`,
  ])
}

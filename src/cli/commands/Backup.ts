/**
 * `audit backup`: a verified copy of the whole log while it is written. `audit restore`: puts one
 * back where nothing is yet.
 */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import { type BackupWork, backupLog, type KeysTaken, type LogPlaces } from "../../audit/Backup.ts"
import { restoreLog } from "../../audit/Restore.ts"
import { selectEngine } from "../../engine/Select.ts"
import { readExpectedHeads, readTrust } from "../Anchors.ts"
import { exits } from "../Exit.ts"
import type { Context } from "../Opening.ts"
import { count, short, table } from "../Output.ts"
import { demandDirectory, type Settings, shown } from "../Settings.ts"

export interface BackupInput {
  readonly to: string
  readonly keys: KeysTaken
}

export interface RestoreInput {
  readonly from: string
  readonly trust: string | undefined
  readonly expectHead: ReadonlyArray<string>
}

type Heads = Awaited<ReturnType<typeof backupLog>>["heads"]

const placesOf = ({ dataDir, walDir, exportDir }: Settings): LogPlaces => ({
  walDir,
  exportDir,
  trustPath: join(dataDir, "trust.json"),
  keysDir: join(dataDir, "keys"),
})

const workOf = ({ settings, output, signal }: Context): BackupWork => ({
  engine: selectEngine(settings.engine, (line) => output.note(line)),
  clock: { nowMs: () => Date.now() },
  signal,
})

const chainsOf = (heads: Heads) =>
  heads.map(({ writerId, stream, seq, selfHash, checkpointedTo }) => ({
    writer_id: writerId,
    stream,
    seq,
    self_hash: selfHash,
    checkpointed_to: checkpointedTo,
  }))

const headLines = (heads: Heads): Array<string> =>
  table([
    ["WRITER", "STREAM", "SEQ", "HEAD", "CHECKPOINTED TO"],
    ...heads.map(({ writerId, stream, seq, selfHash, checkpointedTo }) => [
      writerId,
      stream,
      `${seq}`,
      short(selfHash),
      `${checkpointedTo}`,
    ]),
  ])

/** Errors: UsageError; AuditError SETTINGS, TAMPER; SinkError. */
export const runBackup = async (input: BackupInput, context: Context): Promise<number> => {
  const { settings, output, host } = context
  demandDirectory(settings.walDir, "WAL directory", "there is nothing to back up: import first")
  const to = resolve(input.to)
  const taken = await backupLog(workOf(context), placesOf(settings), to, input.keys)
  const { logId, verdict, files, bytes, takenTsMs, heads } = taken
  if (output.isJson) {
    const log_id = logId ?? null
    const chains = chainsOf(heads)
    output.json({ to, log_id, taken_ts_ms: takenTsMs, verdict, files, bytes, chains })
  } else {
    for (const line of headLines(heads)) output.line(line)
    output.line()
    const amount = `${count(files, "file")}, ${count(bytes, "byte")}`
    output.line(`${amount} in ${shown(to)}, verified: ${verdict}`)
    const head = shown(join(to, "heads.jsonl"))
    output.line(
      `next   ${host.program} audit verify … --expect-head ${head} shows a later rollback`,
    )
    if (input.keys === "none") output.line("note   the signing key is not in it: keep it elsewhere")
  }
  await output.flush()
  return exits.done
}

/** Errors: UsageError; DocumentError; AuditError SETTINGS, NOT_FOUND, TAMPER; SinkError. */
export const runRestore = async (input: RestoreInput, context: Context): Promise<number> => {
  const { settings, output, host, signal } = context
  demandDirectory(input.from, "backup")
  const trust = input.trust === undefined ? undefined : readTrust(input.trust)
  const expectHeads = await readExpectedHeads(input.expectHead, signal)
  const places = placesOf(settings)
  const work = { ...workOf(context), trust, expectHeads }
  const restored = await restoreLog(work, resolve(input.from), places)
  const { verdict, files, bytes, heads } = restored
  const needsKeys = !restored.hasKeys && !existsSync(places.keysDir)
  if (output.isJson) {
    const { dataDir: data_dir, walDir: wal_dir, exportDir: export_dir } = settings
    const chains = chainsOf(heads)
    output.json({
      data_dir,
      wal_dir,
      export_dir,
      verdict,
      files,
      bytes,
      needs_keys: needsKeys,
      chains,
    })
  } else {
    for (const line of headLines(heads)) output.line(line)
    output.line()
    const amount = `${count(files, "file")}, ${count(bytes, "byte")}`
    output.line(`${amount} in ${shown(settings.dataDir)}, verified: ${verdict}`)
    if (needsKeys) output.line(`next   put the signing key back: ${shown(places.keysDir)}`)
    const trustFile = shown(places.trustPath)
    output.line(`next   ${host.program} audit verify --full --trust ${trustFile}`)
  }
  await output.flush()
  return exits.done
}

/** What `audit import` says at its end. */
import { count, type Output, short, table } from "./Output.ts"
import { shown } from "./Settings.ts"

export interface ImportHead {
  readonly writerId: string
  readonly stream: string
  readonly seq: number
  readonly selfHash: string
  readonly checkpointedTo?: number
}

export interface ImportTotals {
  /** Records that are new in the log. */
  records: number
  refused: number
  /** Drafts whose op_id was in the log already with the same content: no record is made. */
  repeated: number
  /** Sealed records that were there already. */
  known: number
  readonly files: Array<{ file: string; records: number; refused: number; repeated?: number }>
  /** Events that lost a member, by member. */
  readonly cuts: Map<string, number>
  readonly refusals: Array<{ place: string; code: string; message: string }>
}

export interface ImportResult {
  readonly totals: ImportTotals
  readonly heads: ReadonlyArray<ImportHead>
  readonly logId: string
  readonly trustPath: string | undefined
  readonly walDir: string
  readonly seconds: number
  readonly program: string
  readonly isSealed: boolean
  /** Acknowledgements are alone on stdout. */
  readonly isAside: boolean
}

/** Refusals that are kept to be shown; all are counted. */
export const refusalsShown = 20

export const newTotals = (): ImportTotals => ({
  records: 0,
  refused: 0,
  repeated: 0,
  known: 0,
  files: [],
  cuts: new Map(),
  refusals: [],
})

const toJson = (result: ImportResult) => {
  const { totals, heads, logId, trustPath, walDir, seconds } = result
  return {
    records: totals.records,
    refused: totals.refused,
    repeated: totals.repeated,
    known: totals.known,
    files: totals.files,
    cut: Object.fromEntries(totals.cuts),
    refusals: totals.refusals,
    heads: heads.map(({ writerId, stream, seq, selfHash, checkpointedTo }) => ({
      writer_id: writerId,
      stream,
      seq,
      self_hash: selfHash,
      ...(checkpointedTo === undefined ? {} : { checkpointed_to: checkpointedTo }),
    })),
    log_id: logId,
    trust: trustPath ?? null,
    wal_dir: walDir,
    seconds,
    records_per_second: Math.round(totals.records / Math.max(seconds, 1e-3)),
  }
}

const cutText = ({ cuts }: ImportTotals): string => {
  const members = [...cuts].sort((a, b) => b[1] - a[1])
  const some = members.slice(0, 6).map(([member, events]) => `${member} ${events}`)
  const more = members.length > some.length ? `, and ${members.length - some.length} more` : ""
  return `${some.join(", ")}${more}`
}

const sealedText = ({ known }: ImportTotals, isSealed: boolean): string =>
  isSealed ? `, ${count(known, "record was", "records were")} there already` : ""

const repeatedText = ({ repeated }: ImportTotals): string => {
  const drafts = count(repeated, "draft repeats", "drafts repeat")
  return repeated === 0 ? "" : `, ${drafts} an op_id that is in the log already`
}

const toLines = (result: ImportResult): Array<string> => {
  const { totals, heads, logId, trustPath, walDir, seconds, program, isSealed } = result
  const { records, refused, files, cuts } = totals
  const rate = Math.round(records / Math.max(seconds, 1e-3)).toLocaleString("en")
  const from = files.length === 1 ? (files[0]?.file ?? "") : count(files.length, "file")
  const rest = refused === 0 ? "" : `, ${count(refused, "line was", "lines were")} refused`
  const trust = trustPath === undefined ? "none" : shown(trustPath)
  const sealed = sealedText(totals, isSealed)
  const repeats = repeatedText(totals)
  const time = `${seconds.toFixed(2)} s (${rate}/s)`
  return [
    `${count(records, "record")} imported from ${from} in ${time}${sealed}${repeats}${rest}`,
    ...(cuts.size === 0 ? [] : [`cut to fit, and named in attrs.cut: ${cutText(totals)}`]),
    "",
    ...table([
      ["WRITER", "STREAM", "LAST SEQ", "HEAD", "CHECKPOINTED TO"],
      ...heads.map(({ writerId, stream, seq, selfHash, checkpointedTo }) => [
        writerId,
        stream,
        `${seq}`,
        short(selfHash),
        checkpointedTo === undefined ? `${seq}` : `${checkpointedTo}`,
      ]),
    ]),
    "",
    `log    ${logId} in ${shown(walDir)}`,
    `trust  ${trust} (keep a copy elsewhere: it is what others verify with)`,
    `next   ${program} audit verify --wal-dir ${shown(walDir)} --trust ${trust}`,
  ]
}

export const showImport = (output: Output, result: ImportResult): void => {
  const { isAside } = result
  if (output.isJson && !isAside) output.json(toJson(result))
  else if (output.isJson) output.note(JSON.stringify(toJson(result)))
  else for (const line of toLines(result)) isAside ? output.note(line) : output.line(line)
}

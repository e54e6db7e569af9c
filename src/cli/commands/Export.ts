/**
 * `audit export`: seals, checkpoints and exports what is new of every chain, with signed manifests.
 */
import type { Exported } from "../../audit/Export.ts"
import { exits, UsageError } from "../Exit.ts"
import { checkNames } from "../Names.ts"
import { type Context, withRoomOptions, writersIn } from "../Opening.ts"
import { count, table } from "../Output.ts"
import { demandDirectory, shown } from "../Settings.ts"

export interface ExportInput {
  readonly writer: string | undefined
}

const exportWriter = async (context: Context, writerId: string) => {
  const room = await withRoomOptions(context, { writerId }, context.host.openRoom)
  try {
    return await room.export()
  } finally {
    await room.close()
  }
}

const show = ({ output, settings, host }: Context, exported: ReadonlyArray<Exported>): void => {
  const fresh = exported.filter(({ manifest }) => manifest !== undefined)
  if (fresh.length === 0) output.line("nothing is new: every chain was exported to its end")
  else {
    for (const line of table([
      ["WRITER", "STREAM", "RECORDS", "SEGMENTS", "MANIFEST"],
      ...fresh.map(({ writerId, stream, range, segments, manifest }) => [
        writerId,
        stream,
        range === undefined ? "-" : `${range[0]} to ${range[1]}`,
        `${segments}`,
        shown(manifest ?? "-"),
      ]),
    ])) {
      output.line(line)
    }
    const records = fresh.reduce((sum, chain) => sum + chain.records, 0)
    output.line()
    output.line(`${count(records, "record")} exported to ${shown(settings.exportDir)}`)
  }
  const trust = shown(`${settings.dataDir}/trust.json`)
  const command = `audit verify --full --export-dir ${shown(settings.exportDir)} --trust ${trust}`
  output.line(`next   ${host.program} ${command}`)
}

/** Errors: UsageError; those of the library. */
export const run = async (input: ExportInput, context: Context): Promise<number> => {
  const { settings, output, signal } = context
  checkNames({ writer: input.writer })
  demandDirectory(settings.walDir, "WAL directory", "there is nothing to export: import first")
  const all = writersIn(settings.walDir)
  const writers = input.writer === undefined ? all : all.filter((id) => id === input.writer)
  if (writers.length === 0) {
    const whose = input.writer === undefined ? "" : ` of the writer ${input.writer}`
    throw UsageError.of("INPUT", `there is no chain${whose} in ${settings.walDir}`)
  }
  const exported: Array<Exported> = []
  for (const writerId of writers) {
    signal.throwIfAborted()
    exported.push(...(await exportWriter(context, writerId)))
  }
  if (!output.isJson) show(context, exported)
  else {
    output.json({
      export_dir: settings.exportDir,
      chains: exported.map(({ writerId, stream, manifest, segments, records, range }) => ({
        writer_id: writerId,
        stream,
        manifest: manifest ?? null,
        segments,
        records,
        range: range ?? null,
      })),
    })
  }
  await output.flush()
  return exits.done
}

/** `audit continue`: a successor for a damaged chain. */
import { existsSync } from "node:fs"
import { currentWriterId } from "../../audit/LiveChain.ts"
import { chainDirectory } from "../../sink/Segment.ts"
import { exits, UsageError } from "../Exit.ts"
import { findingLines } from "../Findings.ts"
import { checkNames } from "../Names.ts"
import { baseWriter, type Context, withRoomOptions } from "../Opening.ts"
import { demandDirectory } from "../Settings.ts"

export interface ContinueInput {
  readonly writer: string
  readonly stream: string
}

const demandChain = ({ settings, host }: Context, { writer, stream }: ContinueInput): string => {
  const { walDir } = settings
  checkNames({ writer, stream })
  demandDirectory(walDir, "WAL directory")
  if (!existsSync(chainDirectory(walDir, writer, stream))) {
    const hint = `${host.program} audit verify lists what is there`
    throw UsageError.of("INPUT", `there is no chain ${writer} / ${stream} in ${walDir}`, hint)
  }
  const base = baseWriter(walDir, writer, stream)
  const current = currentWriterId(walDir, base, stream)
  if (current === writer || base === writer) return base
  const message = `${writer} / ${stream} was continued already, by ${current}`
  throw UsageError.of("INPUT", message)
}

/** Errors: UsageError; AuditError SETTINGS where nothing is damaged; SinkError LOCKED. */
export const run = async (input: ContinueInput, context: Context): Promise<number> => {
  const { host, output } = context
  const writerId = demandChain(context, input)
  const { damaged, successor } = await withRoomOptions(context, { writerId }, (options) =>
    host.continueChain(options, input.stream),
  )
  if (output.isJson) {
    output.json({
      damaged: {
        writer_id: damaged.writerId,
        stream: damaged.stream,
        seq: damaged.seq,
        self_hash: damaged.selfHash,
        finding: damaged.finding,
      },
      successor: {
        writer_id: successor.writerId,
        stream: successor.stream,
        seq: successor.seq,
        self_hash: successor.selfHash,
      },
    })
  } else {
    output.line(
      `damaged    ${damaged.writerId} / ${damaged.stream}, readable to seq ${damaged.seq}`,
    )
    for (const line of findingLines([damaged.finding])) output.line(`           ${line}`)
    output.line(`           its folder is kept as it is`)
    output.line(`successor  ${successor.writerId} / ${successor.stream}, opened with its`)
    output.line(`           StreamOpened, which names ${damaged.selfHash}`)
    output.line(`next       go on with --writer ${writerId} as before: it writes the successor`)
  }
  await output.flush()
  return exits.done
}

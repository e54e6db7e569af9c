/**
 * `--acks`: one line for each record the moment it reached a level, in order within its stream.
 *
 * A slow reader holds back the lines of its stream, not the import.
 * Source: INTERFACES, audit import.
 */
import type { AppendReceipt, Level } from "../audit/Progress.ts"
import type { Output } from "./Output.ts"

/** Receipts of one chain that have not reached the level yet. */
interface Waiting {
  readonly receipts: Array<AppendReceipt>
  pumping: Promise<void> | undefined
}

export class Acks {
  readonly #level: Level
  readonly #output: Output
  readonly #chains = new Map<string, Waiting>()
  #flushing = false
  /** Why a record will never reach the level. */
  failure: unknown

  constructor(level: Level, output: Output) {
    this.#level = level
    this.#output = output
  }

  add(receipt: AppendReceipt): void {
    const key = `${receipt.writerId}/${receipt.stream}`
    let waiting = this.#chains.get(key)
    if (waiting === undefined) {
      waiting = { receipts: [], pumping: undefined }
      this.#chains.set(key, waiting)
    }
    waiting.receipts.push(receipt)
    waiting.pumping ??= this.#pump(waiting)
  }

  /** Every receipt was printed, or `failure` says why not. */
  async done(): Promise<void> {
    await Promise.all([...this.#chains.values()].map(({ pumping }) => pumping))
    await this.#output.flush()
  }

  async #pump(waiting: Waiting): Promise<void> {
    const { receipts } = waiting
    let next = 0
    try {
      for (; next < receipts.length; next++) {
        const receipt = receipts[next] as AppendReceipt
        await receipt.reached(this.#level)
        this.#print(receipt)
        if (this.#output.isFull) await this.#output.flush()
        if (next < 4096) continue
        receipts.splice(0, next + 1)
        next = -1
      }
    } catch (error) {
      this.failure ??= error
    }
    receipts.length = 0
    waiting.pumping = undefined
  }

  #print({ writerId, stream, seq, selfHash }: AppendReceipt): void {
    const level = this.#level
    this.#output.json({ writer_id: writerId, stream, seq, self_hash: selfHash, level })
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#output.flush().catch(() => undefined)
    })
  }
}

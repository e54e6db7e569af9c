/**
 * Progress on stderr: a line that overwrites itself on a terminal, now and then a line elsewhere,
 * and nothing there for what is done within a second.
 */
import type { Output } from "./Output.ts"

const quietMs = 1000
const everyMs = 5000
const refreshMs = 100

export class Meter {
  readonly #output: Output
  readonly #what: string
  readonly #bytesTotal: number
  readonly #begun = performance.now()
  #shown = performance.now()
  #records = 0
  #bytes = 0
  #hasShown = false

  constructor(output: Output, what: string, bytesTotal: number) {
    this.#output = output
    this.#what = what
    this.#bytesTotal = bytesTotal
  }

  add({ records, bytes }: { readonly records: number; readonly bytes: number }): void {
    this.#records += records
    this.#bytes += bytes
    const now = performance.now()
    const { isTty } = this.#output
    const first = isTty ? refreshMs : quietMs
    const wait = isTty ? refreshMs : this.#hasShown ? everyMs : first
    if (now - this.#begun < first || now - this.#shown < wait) return
    this.#shown = now
    this.#hasShown = true
    const text = this.#text(now - this.#begun)
    if (isTty) this.#output.transient(text)
    else this.#output.note(text)
  }

  /** Takes the line away. */
  end(): void {
    if (this.#hasShown) this.#output.transient("")
  }

  get seconds(): number {
    return (performance.now() - this.#begun) / 1000
  }

  #text(ms: number): string {
    const part = this.#bytesTotal === 0 ? 1 : Math.min(1, this.#bytes / this.#bytesTotal)
    const rate = Math.round(this.#records / (ms / 1000)).toLocaleString("en")
    const left = part > 0.01 ? `, ${Math.round((ms / part - ms) / 1000)} s left` : ""
    const records = this.#records.toLocaleString("en")
    return `${this.#what} ${Math.floor(part * 100)} %: ${records} records (${rate}/s)${left}`
  }
}

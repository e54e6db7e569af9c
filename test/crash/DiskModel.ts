/**
 * What a disk holds, and what of it survives a power cut: the model behind VirtualDisk.
 *
 * What POSIX promises and nothing more, as forgetful.py has it: the data of a file survives from
 * its last fsync on, the names in a directory from the last fsync of that directory on, a new file
 * is empty until it is fsynced itself. Contents are never changed in place: trees share them.
 */

export type Outcome = "persisted" | "lost" | "torn" | "scattered"

/** One change of a file or of a directory's names. */
export type Step =
  | { readonly kind: "write"; readonly at: number; readonly data: Uint8Array }
  | { readonly kind: "size"; readonly length: number }
  | { readonly kind: "names"; readonly names: ReadonlyMap<string, Node | undefined> }

type Names = ReadonlyMap<string, Node>
type Content = Uint8Array | Names

/** Paths below the root; `undefined` is a directory. */
export type Tree = ReadonlyMap<string, Uint8Array | undefined>

export class Node {
  /** What a process sees. */
  live: Content
  /** What is there after a power cut. */
  kept: Content
  /** What was done since the last fsync. */
  changes: ReadonlyArray<Step> = []
  /** All that was written, as its pages have it: what a failed fsync forgot is there still. */
  pages: Content

  constructor(content: Content) {
    this.live = content
    this.kept = content
    this.pages = content
  }

  change(step: Step): void {
    const whole = this.whole(step)
    const hasAll = this.pages === this.live
    this.live = applied(this.live, whole)
    this.pages = hasAll ? this.live : applied(this.pages, step)
    this.changes = [...this.changes, whole]
  }

  /** A write of whole sectors: it makes them dirty with all the bytes that their pages have. */
  whole(step: Step): Step {
    const { live, pages } = this
    if (step.kind !== "write" || !(live instanceof Uint8Array)) return step
    const end = step.at + step.data.length
    const at = step.at - (step.at % blockBytes)
    const to = Math.min(Math.ceil(end / blockBytes) * blockBytes, Math.max(end, live.length))
    const data = new Uint8Array(to - at)
    data.set((pages as Uint8Array).subarray(at, to))
    data.set(step.data, step.at - at)
    return { kind: "write", at, data }
  }

  /** An fsync that began when there were `count` changes has ended. */
  settle(count: number): void {
    this.kept = this.changes.slice(0, count).reduce(applied, this.kept)
    this.changes = this.changes.slice(count)
  }

  /**
   * As a kernel does it when an fsync that began when there were `count` changes fails: those pages
   * are clean, and all or a part of their sectors on no disk. A sector that a later write touches
   * is dirty again and keeps all its bytes: the steps are writes of whole sectors.
   */
  drop(count: number, share: number): void {
    if (!(this.kept instanceof Uint8Array)) return
    const steps = sectorsOf(this.changes.slice(0, count), this.kept)
    this.kept = steps.slice(0, Math.floor(steps.length * share)).reduce(applied, this.kept)
    this.skip(count)
    this.live = this.changes.reduce(applied, this.kept)
  }

  /** The first `count` changes count as done and are on no disk. */
  skip(count: number): void {
    this.changes = this.changes.slice(count)
  }
}

const applied = (content: Content, step: Step): Content => {
  if (step.kind === "names") {
    const names = new Map(content as Names)
    for (const [name, node] of step.names) {
      names.delete(name)
      if (node !== undefined) names.set(name, node)
    }
    return names
  }
  const before = content as Uint8Array
  if (step.kind === "size") {
    const bytes = new Uint8Array(step.length)
    bytes.set(before.subarray(0, step.length))
    return bytes
  }
  const { at, data } = step
  const bytes = new Uint8Array(Math.max(before.length, at + data.length))
  bytes.set(before)
  bytes.set(data, at)
  return bytes
}

const blockBytes = 512

/** The same steps, writes split at block boundaries: what a disk takes one at a time. */
const pieces = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> =>
  steps.flatMap((step) => {
    if (step.kind !== "write") return [step]
    const parts: Array<Step> = []
    for (let done = 0; done < step.data.length; ) {
      const at = step.at + done
      const end = Math.min(step.data.length, done + blockBytes - (at % blockBytes))
      parts.push({ kind: "write", at, data: step.data.subarray(done, end) })
      done = end
    }
    return parts
  })

/** What an fsync has to write: sizes, then each sector once, as it stands when the fsync begins. */
const sectorsOf = (steps: ReadonlyArray<Step>, kept: Content): ReadonlyArray<Step> => {
  const content = steps.reduce(applied, kept) as Uint8Array
  const places = pieces(steps).flatMap((step) => (step.kind === "write" ? [step.at] : []))
  const sectors = [...new Set(places)].map((at): Step => {
    return { kind: "write", at, data: content.subarray(at, at + blockBytes) }
  })
  return [...steps.filter(({ kind }) => kind === "size"), ...sectors]
}

/** Blocks reach the disk in any order, the size before them: what is missing reads as zero. */
const scattered = (kept: Uint8Array, live: Uint8Array, random: () => number): Uint8Array => {
  const bytes = new Uint8Array(live.length)
  bytes.set(kept.subarray(0, live.length))
  for (let at = 0; at < live.length; at += blockBytes) {
    if (random() < 0.6) bytes.set(live.subarray(at, at + blockBytes), at)
  }
  return bytes
}

/** The outcomes that a step, or an fsync where there is none, can have at a crash. */
export const outcomesOf = (step: Step | undefined): ReadonlyArray<Outcome> =>
  step?.kind === "write" || step === undefined
    ? ["persisted", "lost", "torn", "scattered"]
    : ["persisted", "lost", "torn"]

/**
 * What a crash leaves that comes with `step` on `node`, or with its fsync where there is none.
 *
 * persisted: the process dies just behind it, nothing is forgotten. lost: the power fails just
 * before it. torn: a write is there by half with all before it; any other step reached the disk
 * alone, before what came earlier; of an fsync half was made. scattered: blocks in any order.
 */
export const survivors = (
  root: Node,
  node: Node,
  step: Step | undefined,
  outcome: Outcome,
  random: () => number,
): Tree => {
  const after = step === undefined ? node.live : applied(node.live, node.whole(step))
  if (outcome === "persisted") return treeOf(root, (at) => (at === node ? after : at.live))
  if (outcome === "lost") return treeOf(root, (at) => at.kept)
  if (outcome === "scattered" && node.kept instanceof Uint8Array) {
    const mixed = scattered(node.kept, after as Uint8Array, random)
    return treeOf(root, (at) => (at === node ? mixed : at.kept))
  }
  if (step?.kind === "write") {
    const half = node.whole({ ...step, data: step.data.subarray(0, step.data.length >> 1) })
    return treeOf(root, (at) => (at === node ? applied(node.live, half) : at.live))
  }
  const done = pieces(node.changes)
  const some = step === undefined ? done.slice(0, Math.floor(done.length * random())) : [step]
  return treeOf(root, (at) => (at === node ? some.reduce(applied, node.kept) : at.kept))
}

/** All that is there by a choice of each node's content. */
export const treeOf = (root: Node, contentOf: (node: Node) => Content): Tree => {
  const tree = new Map<string, Uint8Array | undefined>()
  const walk = (node: Node, path: string): void => {
    const content = contentOf(node)
    if (content instanceof Uint8Array) tree.set(path, content)
    else {
      if (path !== "") tree.set(path, undefined)
      for (const [name, child] of content) walk(child, path === "" ? name : `${path}/${name}`)
    }
  }
  walk(root, "")
  return tree
}

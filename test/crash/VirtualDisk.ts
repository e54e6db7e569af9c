/**
 * A disk inside this process: node:fs is watched below one folder, so that each file operation of
 * the code under test is counted, may fail, and is followed by a model of what a power cut leaves.
 *
 * The code under test is the real one and its files are real files in a temporary folder; only
 * fsync is not made. Not seen: what SQLite does with a lock file, which it never writes.
 */
import fs, { type PathLike } from "node:fs"
import promises, { type FileHandle } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join, relative } from "node:path"
import { Node, type Step, type Tree, treeOf } from "./DiskModel.ts"

export type Operation =
  | "close"
  | "create"
  | "fsync"
  | "link"
  | "list"
  | "mkdir"
  | "open"
  | "read"
  | "rename"
  | "stat"
  | "truncate"
  | "unlink"
  | "write"

/** A file operation that is about to be made. */
export interface Call {
  readonly operation: Operation
  /** Below the disk's root. */
  readonly path: string
  /** What it changes; an fsync has a node and no step. */
  readonly node: Node | undefined
  readonly step: Step | undefined
}

/**
 * How an operation fails: with its whole effect, with none, or with half of it. An fsync that
 * fails forgets whole sectors, none that a later write touches; one that fails `unwritten` leaves
 * its data readable and clean, as Linux does: no later fsync writes it.
 */
export interface Fault {
  readonly code: "EIO" | "EMFILE" | "ENOSPC"
  readonly effect: "lost" | "persisted" | "torn" | "unwritten"
}

/** node:fs as it was. */
export const real = { ...fs, promises: { ...promises } }
const { O_CREAT, O_EXCL, O_TRUNC } = fs.constants

export const flagsOf = (flags: string | number | undefined): number => {
  if (typeof flags === "number") return flags
  if (flags === "w") return O_CREAT | O_TRUNC
  return flags === "wx" ? O_CREAT | O_EXCL : 0
}

const errorOf = (code: string, operation: string, path: string): Error =>
  Object.assign(new Error(`${code}: told to fail, ${operation} '${path}'`), {
    code,
    syscall: operation,
    path,
  })

export const names = (...pairs: ReadonlyArray<readonly [string, Node | undefined]>): Step => ({
  kind: "names",
  names: new Map(pairs),
})

const emptyFile = (): Node => new Node(new Uint8Array(0))
export const emptyFolder = (): Node => new Node(new Map())

/** In memory where there is such a place: nothing here asks for a real disk. */
const place = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir()

export interface OpenFile {
  readonly path: string
  readonly node: Node | undefined
}

export class VirtualDisk {
  /** Asked before each operation; the fault with which it fails. */
  decide: (call: Call) => Fault | undefined = () => undefined
  /** Names whose fsync is answered with success and not made: a disk that a table must find out. */
  lies: (path: string) => boolean = () => false
  /** Turns of the event loop that an fsync in libuv's pool lasts. */
  turns = 1
  root = ""
  node = emptyFolder()
  readonly open = new Map<number, OpenFile>()

  /** A new folder with these files, all of them durable. */
  load(tree: Tree): string {
    this.drop()
    const root = real.mkdtempSync(join(place, "strongroom-disk-"))
    // Node writes files by its public functions: until the root is known none of this is seen.
    for (const [path, content] of tree) {
      const full = join(root, path)
      if (content === undefined) real.mkdirSync(full, { mode: 0o700 })
      else real.writeFileSync(full, content, { mode: 0o600 })
    }
    this.root = root
    this.node = emptyFolder()
    for (const [path, content] of tree) {
      const parent = this.find(join(root, dirname(path)))
      parent?.change(
        names([basename(path), content === undefined ? emptyFolder() : new Node(content)]),
      )
      parent?.settle(1)
    }
    return this.root
  }

  /** What is there, and what would be after a power cut. */
  get live(): Tree {
    return treeOf(this.node, (node) => node.live)
  }
  get kept(): Tree {
    return treeOf(this.node, (node) => node.kept)
  }

  /** Files below the root that this process has open; Linux only. */
  openFiles(): ReadonlyArray<string> {
    if (process.platform !== "linux") return []
    const files = real.readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        return [real.readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    return files.filter((file) => file.startsWith(`${this.root}/`))
  }

  /** Takes the folder away. */
  drop(): void {
    this.decide = () => undefined
    if (this.root !== "") real.rmSync(this.root, { recursive: true, force: true })
    this.root = ""
  }

  isOurs(path: PathLike): path is string {
    return this.root !== "" && typeof path === "string" && `${path}/`.startsWith(`${this.root}/`)
  }

  find(path: string): Node | undefined {
    let node: Node | undefined = this.node
    for (const name of relative(this.root, path).split("/").filter(Boolean)) {
      const content: Node["live"] | undefined = node?.live
      node = content instanceof Map ? content.get(name) : undefined
    }
    return node
  }

  #fail({ code }: Fault, operation: string, path: string): never {
    throw errorOf(code, operation, path)
  }

  #fault(operation: Operation, path: string, node?: Node, step?: Step): Fault | undefined {
    // A file of a folder that was dropped meanwhile is nobody's any more.
    if (!this.isOurs(path)) return undefined
    return this.decide({ operation, path: relative(this.root, path), node, step })
  }

  /** An operation that changes nothing. */
  look<A>(operation: Operation, path: string, act: () => A): A {
    const fault = this.#fault(operation, path)
    if (fault === undefined) return act()
    if (operation === "close") act()
    return this.#fail(fault, operation, path)
  }

  /** An operation that changes a node; `half` is what a torn one does. */
  change<A>(
    operation: Operation,
    path: string,
    node: Node | undefined,
    step: Step,
    act: () => A,
    half: () => void = () => undefined,
  ): A {
    if (node === undefined) return act()
    const fault = this.#fault(operation, path, node, step)
    if (fault?.effect === "torn") half()
    if (fault !== undefined && fault.effect !== "persisted") {
      return this.#fail(fault, operation, path)
    }
    // First in earnest: what the system refuses changes nothing.
    const result = act()
    node.change(step)
    return fault === undefined ? result : this.#fail(fault, operation, path)
  }

  write(fd: number, { path, node }: OpenFile, data: Uint8Array, at: number): number {
    const write = (step: Step): void => {
      const whole = node?.whole(step) ?? step
      if (whole.kind !== "write") return
      const bytes = whole.data
      for (let done = 0; done < bytes.length; ) {
        done += real.writeSync(fd, bytes, done, bytes.length - done, whole.at + done)
      }
    }
    const step: Step = { kind: "write", at, data: data.slice() }
    const half: Step = { kind: "write", at, data: data.slice(0, data.length >> 1) }
    const tear = (): void => {
      write(half)
      node?.change(half)
    }
    this.change("write", path, node, step, () => write(step), tear)
    return data.length
  }

  truncate(fd: number, { path, node }: OpenFile, length: number): void {
    const step: Step = { kind: "size", length }
    this.change("truncate", path, node, step, () => real.ftruncateSync(fd, length))
  }

  /** The end of an fsync that begins now. */
  sync(fd: number, { path, node }: OpenFile): () => void {
    if (node === undefined) return () => undefined
    const count = node.changes.length
    const fault = this.#fault("fsync", path, node)
    return () => {
      if (this.lies(path)) return
      if (fault === undefined || fault.effect === "persisted") node.settle(count)
      else if (fault.effect === "unwritten") node.skip(count)
      else this.#forget(fd, node, count, fault.effect === "torn" ? 0.5 : 0)
      if (fault !== undefined) this.#fail(fault, "fsync", path)
    }
  }

  #forget(fd: number, node: Node, count: number, share: number): void {
    node.drop(count, share)
    if (!(node.live instanceof Uint8Array)) return
    real.ftruncateSync(fd, 0)
    real.writeSync(fd, node.live, 0, node.live.length, 0)
  }

  openFile(path: string, flags: number, open: () => number): number {
    const found = this.find(path)
    const isNew = found === undefined && (flags & O_CREAT) !== 0
    let fd: number
    if (isNew) {
      const step = names([basename(path), emptyFile()])
      const made: Array<number> = []
      const make = (): number => made[made.push(open()) - 1]!
      try {
        fd = this.change("create", path, this.find(dirname(path)), step, make)
      } catch (error) {
        // It was made and yet failed: then nobody has it open.
        for (const one of made) real.closeSync(one)
        throw error
      }
    } else fd = this.look("open", path, open)
    this.open.set(fd, { path, node: this.find(path) })
    if (!isNew && (flags & O_TRUNC) !== 0) found?.change({ kind: "size", length: 0 })
    return fd
  }

  rename(from: string, to: string): void {
    const step = names([basename(from), undefined], [basename(to), this.find(from)])
    const folder = this.find(dirname(from))
    this.change("rename", to, folder, step, () => real.renameSync(from, to))
  }

  unlink(path: string): void {
    // Of what is not there the system says so.
    if (this.find(path) === undefined) return real.unlinkSync(path)
    const step = names([basename(path), undefined])
    this.change("unlink", path, this.find(dirname(path)), step, () => real.unlinkSync(path))
  }

  wrapHandle(handle: FileHandle, path: string): FileHandle {
    const file = { path, node: this.find(path) }
    const { fd } = handle
    this.open.set(fd, file)
    let end = 0
    const write = (data: Uint8Array, at: number): number => {
      const written = this.write(fd, file, data, at)
      end = Math.max(end, at + written)
      return written
    }
    const close = handle.close.bind(handle)
    return Object.assign(handle, {
      write: async (bytes: Uint8Array, from: number, length: number, at: number) => ({
        bytesWritten: write(bytes.subarray(from, from + length), at),
        buffer: bytes,
      }),
      writeFile: async (data: Uint8Array) => void write(data, end),
      truncate: async (length: number) => this.truncate(fd, file, length),
      sync: async () => this.sync(fd, file)(),
      close: async () => {
        this.open.delete(fd)
        await close()
        this.look("close", path, () => undefined)
      },
    })
  }
}

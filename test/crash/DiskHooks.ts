/** node:fs under a VirtualDisk: below its root every call goes through it. */
import fs, { type PathLike } from "node:fs"
import promises from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"
import { basename, dirname } from "node:path"
import {
  emptyFolder,
  flagsOf,
  names,
  type OpenFile,
  type Operation,
  real,
  VirtualDisk,
} from "./VirtualDisk.ts"

const fileOf = (disk: VirtualDisk, fd: number): OpenFile | undefined => {
  const file = disk.open.get(fd)
  return file !== undefined && disk.isOurs(file.path) ? file : undefined
}
/** The flush that libuv's pool makes. */
const later =
  (disk: VirtualDisk, flush: typeof real.fsync) =>
  (fd: number, done: (cause: Error | null) => void): void => {
    const file = fileOf(disk, fd)
    if (file === undefined) return flush(fd, done)
    const end = disk.sync(fd, file)
    const after = (turns: number): void => {
      if (turns > 0) return void setImmediate(() => after(turns - 1))
      let cause: Error | null = null
      try {
        end()
      } catch (error) {
        cause = error as Error
      }
      done(cause)
    }
    after(disk.turns)
  }

const fileHooks = (disk: VirtualDisk) => ({
  openSync: (path: PathLike, flags?: string | number, mode?: number) => {
    const open = () => real.openSync(path, flags ?? "r", mode)
    return disk.isOurs(path) ? disk.openFile(path, flagsOf(flags), open) : open()
  },
  closeSync: (fd: number) => {
    const file = fileOf(disk, fd)
    disk.open.delete(fd)
    if (file === undefined) return real.closeSync(fd)
    return disk.look("close", file.path, () => real.closeSync(fd))
  },
  close: (fd: number, done?: (cause?: Error | null) => void) => {
    disk.open.delete(fd)
    return real.close(fd, done)
  },
  writeSync: (fd: number, data: Uint8Array, from = 0, length?: number, at?: number | null) => {
    const file = fileOf(disk, fd)
    if (file === undefined) return real.writeSync(fd, data, from, length, at)
    const bytes = data.subarray(from, length === undefined ? undefined : from + length)
    const size = () => real.fstatSync(fd).size
    return disk.write(fd, file, bytes, at ?? size())
  },
  writeFileSync: (target: number | string, data: string | Uint8Array, options?: object) => {
    const file = typeof target === "number" ? fileOf(disk, target) : undefined
    if (file === undefined) return real.writeFileSync(target, data, options)
    disk.write(target as number, file, Buffer.from(data as string), 0)
  },
  ftruncateSync: (fd: number, length: number) => {
    const file = fileOf(disk, fd)
    if (file === undefined) return real.ftruncateSync(fd, length)
    disk.truncate(fd, file, length)
  },
  fsyncSync: (fd: number) => {
    const file = fileOf(disk, fd)
    return file === undefined ? real.fsyncSync(fd) : disk.sync(fd, file)()
  },
  fsync: later(disk, real.fsync),
  fdatasync: later(disk, real.fdatasync),
  readSync: (fd: number, ...rest: [Uint8Array, number, number, number]) => {
    const file = fileOf(disk, fd)
    const read = () => real.readSync(fd, ...rest)
    return file === undefined ? read() : disk.look("read", file.path, read)
  },
  readFileSync: (target: number | string, options?: object) => {
    const file = typeof target === "number" ? fileOf(disk, target) : undefined
    const read = () => real.readFileSync(target, options)
    const path = file?.path ?? target
    return disk.isOurs(path as string) ? disk.look("read", path as string, read) : read()
  },
})

const nameHooks = (disk: VirtualDisk) => ({
  renameSync: (from: string, to: string) =>
    disk.isOurs(to) ? disk.rename(from, to) : real.renameSync(from, to),
  unlinkSync: (path: string) => (disk.isOurs(path) ? disk.unlink(path) : real.unlinkSync(path)),
  linkSync: (from: string, to: string) => {
    if (!disk.isOurs(to)) return real.linkSync(from, to)
    const step = names([basename(to), disk.find(from)])
    disk.change("link", to, disk.find(dirname(to)), step, () => real.linkSync(from, to))
  },
  mkdirSync: (path: string, options?: fs.MakeDirectoryOptions) => {
    if (!disk.isOurs(path)) return real.mkdirSync(path, options)
    if (options?.recursive === true && disk.find(path) !== undefined) return undefined
    const step = names([basename(path), emptyFolder()])
    const mode = options?.mode ?? 0o700
    const make = () => real.mkdirSync(path, { mode })
    disk.change("mkdir", path, disk.find(dirname(path)), step, make)
    return options?.recursive === true ? path : undefined
  },
})

const promiseHooks = (disk: VirtualDisk) => ({
  open: async (path: string, flags: string, mode?: number) => {
    if (!disk.isOurs(path)) return real.promises.open(path, flags, mode)
    // Made at once, so that what follows in this process finds it in order.
    const fd = disk.openFile(path, flagsOf(flags), () => real.openSync(path, flags, mode))
    disk.open.delete(fd)
    const handle = await real.promises.open(path, "r+")
    real.closeSync(fd)
    return disk.wrapHandle(handle, path)
  },
  rename: async (from: string, to: string) =>
    disk.isOurs(to) ? disk.rename(from, to) : real.promises.rename(from, to),
  /** Clearing away: neither counted nor made to fail. */
  rm: async (path: string, options: fs.RmOptions) => {
    await real.promises.rm(path, options)
    if (disk.isOurs(path)) disk.find(dirname(path))?.change(names([basename(path), undefined]))
  },
  unlink: async (path: string) =>
    disk.isOurs(path) ? disk.unlink(path) : real.promises.unlink(path),
})

const lookHooks = (disk: VirtualDisk) => {
  const looking =
    (operation: Operation, call: (path: never, ...rest: ReadonlyArray<never>) => unknown) =>
    (path: PathLike, ...rest: ReadonlyArray<never>) => {
      const look = () => call(path as never, ...rest)
      return disk.isOurs(path) ? disk.look(operation, path, look) : look()
    }
  return {
    accessSync: looking("stat", real.accessSync),
    lstatSync: looking("stat", real.lstatSync),
    statSync: looking("stat", real.statSync),
    readdirSync: looking("list", real.readdirSync),
    existsSync: (path: PathLike) => {
      try {
        return looking("stat", real.existsSync)(path)
      } catch {
        return false
      }
    },
    fstatSync: (fd: number, options?: fs.StatOptions) => {
      const file = disk.open.get(fd)
      const look = () => real.fstatSync(fd, options)
      const isOurs = file !== undefined && disk.isOurs(file.path)
      return isOurs ? disk.look("stat", file.path, look) : look()
    },
  }
}

/** A disk that node:fs knows of, until `close`. */
export const mountVirtual = (): { readonly disk: VirtualDisk; readonly close: () => void } => {
  const disk = new VirtualDisk()
  const hooks = [fileHooks(disk), nameHooks(disk), lookHooks(disk)]
  const laterHooks = promiseHooks(disk)
  for (const hook of hooks) Object.assign(fs, hook)
  Object.assign(promises, laterHooks)
  syncBuiltinESMExports()
  const before = (name: string) => Reflect.get(real, name)
  const close = (): void => {
    disk.drop()
    for (const name of hooks.flatMap(Object.keys)) Reflect.set(fs, name, before(name))
    for (const name of Object.keys(laterHooks)) {
      Reflect.set(promises, name, Reflect.get(real.promises, name))
    }
    syncBuiltinESMExports()
  }
  return { disk, close }
}

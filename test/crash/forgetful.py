#!/usr/bin/env python3
"""A file system in memory that forgets, at a power cut, what was not yet fsynced.

    python forgetful.py MOUNTPOINT

What POSIX promises and nothing more: the data of a file survives from its last fsync or fdatasync
on, the names in a directory from the last fsync of that directory on, a new file is empty until it
is fsynced itself. What was not asked for is lost (`forget`), or survives in part (`prefix`: a
random prefix of the 512-byte pieces written, and of the changes of a directory; `scatter`: each
512-byte block on its own). With `kill` nothing is lost yet: it is the process that ended, not
the power.

The tree is below `/gN`, N counting the times that power came back, so that the kernel's memory of
names ends with a power cut too. `.forgetful` in the root takes commands and, read, answers with
counters as JSON:

    arm MODE SEED AFTER    cut the power before the AFTER-th change or fsync from now on; 0: never
    cut                    cut it now: from then on everything fails with EIO
    on                     power comes back; files that were open stay dead
    fail AFTER             the AFTER-th fsync fails once with EIO, and what it was for is forgotten,
                           whole 512-byte sectors; a later write into one of them brings it back
    full AFTER             the AFTER-th growing write is cut short, then the disk is full; 0: not
    refuse CODE PART       changes, and files opened for writing, below a path with PART in it fail
                           with the errno of that name, as EROFS; OK: not any more

FORGETFUL_LIES, a list of file name endings and `dir`, names fsyncs that are answered with success
and not made: a file system that a test must find out.
"""

import errno
import json
import os
import random
import stat
import sys
import time

import mfusepy as fuse

CONTROL = "/.forgetful"
BLOCK = 512


class Node:
    """A file or directory: what is there now, what would survive, and the changes between."""

    def __init__(self, mode):
        self.mode = mode
        self.is_dir = stat.S_ISDIR(mode)
        self.live = {} if self.is_dir else bytearray()
        self.kept = {} if self.is_dir else bytearray()
        self.changes = []
        # All that was ever written, as its pages have it, once an fsync has failed.
        self.pages = None
        self.links = 1
        self.time = time.time_ns()

    def change(self, *step):
        if self.pages is not None:
            apply(self.pages, step)
            step = self.whole(step)
        self.changes.append(step)
        apply(self.live, step)
        self.time = time.time_ns()

    def whole(self, step):
        """A write makes its sectors dirty again, with the bytes that an fsync had forgotten."""
        if step[0] != "write":
            return step
        offset, data = step[1:]
        end = offset + len(data)
        start = offset - offset % BLOCK
        end = min(-(-end // BLOCK) * BLOCK, max(end, len(self.live)))
        return ("write", start, bytes(self.pages[start:end]))

    def sync(self):
        for step in self.changes:
            apply(self.kept, step)
        self.changes = []


def apply(content, step):
    """One step: ("write", offset, data), ("size", length), ("names", {name: node or None})."""
    kind, *rest = step
    if kind == "write":
        offset, data = rest
        if offset > len(content):
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
    elif kind == "size":
        (length,) = rest
        del content[length:]
        content.extend(bytes(length - len(content)))
    else:
        for name, node in rest[0].items():
            content.pop(name, None)
            if node is not None:
                content[name] = node


def pieces(changes):
    """The same steps, writes split at block boundaries: what a disk takes one at a time."""
    for step in changes:
        if step[0] != "write":
            yield step
            continue
        offset, data = step[1:]
        while data:
            room = BLOCK - offset % BLOCK
            yield ("write", offset, data[:room])
            offset, data = offset + room, data[room:]


def survive_prefix(node, rng):
    steps = list(node.changes if node.is_dir else pieces(node.changes))
    for step in steps[: rng.randint(0, len(steps))]:
        apply(node.kept, step)


def survive_scatter(node, rng):
    """Blocks reach the disk in any order, the size on its own: what is missing reads as zero."""
    if node.is_dir or rng.random() < 0.2:
        survive_prefix(node, rng)
        return
    kept, live = node.kept, node.live
    size = rng.choice([len(kept), len(live), rng.randint(*sorted([len(kept), len(live)]))])
    apply(kept, ("size", size))
    share = rng.choice([0.5, 0.9, 1])
    for at in range(0, size, BLOCK):
        end = min(at + BLOCK, size, len(live))
        if at < end and rng.random() < share:
            kept[at:end] = live[at:end]


SURVIVORS = {"forget": lambda node, rng: None, "prefix": survive_prefix, "scatter": survive_scatter}


def refuse(code):
    raise fuse.FuseOSError(code)


class Forgetful(fuse.Operations):
    use_ns = True

    def __init__(self, lies):
        self.root = Node(stat.S_IFDIR | 0o700)
        self.lies = [lie for lie in lies if lie]
        self.handles = {}
        self.next_handle = 1
        self.is_off = False
        self.generation = 0
        self.mode = "forget"
        self.rng = random.Random(0)
        self.after = 0
        self.fail_after = 0
        self.full_after = 0
        self.is_full = False
        self.refused = None
        names = ("changes", "fsyncs", "lies", "cuts", "lost", "failed", "full")
        self.counts = dict.fromkeys(names, 0)

    def init_with_config(self, conn_info, config_3):
        # No data and no size may come from the kernel's caches, nor a file be kept under another
        # name. Names may: those of a generation are never used after its power cut.
        config_3.direct_io = 1
        config_3.hard_remove = 1
        config_3.attr_timeout = config_3.negative_timeout = 0
        config_3.entry_timeout = 60

    # The power.

    def cut(self):
        self.is_off = True
        self.counts["cuts"] += 1
        self.handles = {}
        if self.mode != "kill":
            self.lose(self.root, set())

    def lose(self, node, seen):
        if id(node) in seen:
            return
        seen.add(id(node))
        self.counts["lost"] += len(node.changes)
        if node.changes:
            SURVIVORS[self.mode](node, self.rng)
        node.changes = []
        node.live = node.kept.copy()
        node.pages = None
        for child in node.live.values() if node.is_dir else []:
            self.lose(child, seen)

    def fail(self, node):
        """As a kernel does it: the pages are clean, and the next fsync has nothing to say.

        Nothing is written while this runs: what comes later finds its sectors in the pages.
        """
        if not node.is_dir:
            node.pages = node.live if node.pages is None else node.pages
            node.live = node.kept.copy()
            node.changes = []
        refuse(errno.EIO)

    def step(self, kind):
        """Before every change and fsync: is this where the power is cut?"""
        self.check()
        self.counts[kind] += 1
        if self.after == 0:
            return
        self.after -= 1
        if self.after == 0:
            self.cut()
            refuse(errno.EIO)

    def check(self):
        if self.is_off:
            refuse(errno.EIO)

    def bar(self, path):
        """Before every change below a path: is it one that may not change?"""
        if self.refused is not None and self.refused[1] in path:
            refuse(self.refused[0])

    def command(self, text):
        verb, *rest = text.split()
        if verb == "arm":
            mode, seed, after = rest
            self.mode, self.rng, self.after = mode, random.Random(int(seed)), int(after)
        elif verb == "cut":
            self.after = 0
            if not self.is_off:
                self.cut()
        elif verb == "fail":
            self.fail_after = int(rest[0])
        elif verb == "full":
            self.full_after, self.is_full = int(rest[0]), False
        elif verb == "refuse":
            code, part = rest
            self.refused = None if code == "OK" else (getattr(errno, code), part)
        else:
            self.is_off = False
            self.generation += 1

    def answer(self):
        counts = {**self.counts, "off": self.is_off}
        return json.dumps(counts).encode().ljust(1024)

    # Names.

    def find(self, path):
        node = self.root
        generation, *names = path[1:].split("/")
        if generation not in ("", f"g{self.generation}"):
            refuse(errno.ENOENT)
        for name in names:
            node = node.live.get(name) if node.is_dir else refuse(errno.ENOTDIR)
            if node is None:
                refuse(errno.ENOENT)
        return node

    def parent(self, path):
        return self.find(os.path.dirname(path)), os.path.basename(path)

    def file(self, fh):
        if fh not in self.handles:
            refuse(errno.EIO)
        return self.handles[fh]

    def grip(self, node, path):
        fh, self.next_handle = self.next_handle, self.next_handle + 1
        self.handles[fh] = (node, path)
        return fh

    def add(self, path, node):
        if self.is_full:
            refuse(errno.ENOSPC)
        folder, name = self.parent(path)
        if name in folder.live:
            refuse(errno.EEXIST)
        folder.change("names", {name: node})

    def getattr(self, path, fh=None):
        if path == CONTROL:
            return {"st_mode": stat.S_IFREG | 0o600, "st_size": 1024, "st_nlink": 1}
        self.check()
        node = self.handles[fh][0] if fh in self.handles else self.find(path)
        times = {f"st_{which}time": node.time for which in "amc"}
        size = BLOCK if node.is_dir else len(node.live)
        return {"st_mode": node.mode, "st_size": size, "st_nlink": node.links, **times}

    def readdir(self, path, fh):
        self.check()
        return [".", "..", *self.find(path).live]

    def opendir(self, path):
        self.check()
        return self.grip(self.find(path), "dir")

    def releasedir(self, path, fh):
        self.handles.pop(fh, None)
        return 0

    def mkdir(self, path, mode):
        self.bar(path)
        self.step("changes")
        self.add(path, Node(stat.S_IFDIR | mode))
        return 0

    def create(self, path, mode, fi=None):
        self.bar(path)
        self.step("changes")
        node = Node(stat.S_IFREG | mode)
        self.add(path, node)
        return self.grip(node, path)

    def link(self, target, source):
        self.bar(target)
        self.step("changes")
        node = self.find(source)
        self.add(target, node)
        node.links += 1
        return 0

    def rename(self, old, new):
        self.bar(new)
        self.step("changes")
        node = self.find(old)
        folder, name = self.parent(old)
        if os.path.dirname(old) != os.path.dirname(new):
            refuse(errno.EXDEV)
        folder.change("names", {name: None, os.path.basename(new): node})
        return 0

    def unlink(self, path):
        self.bar(path)
        self.step("changes")
        node = self.find(path)
        folder, name = self.parent(path)
        folder.change("names", {name: None})
        node.links -= 1
        return 0

    def rmdir(self, path):
        if self.find(path).live:
            refuse(errno.ENOTEMPTY)
        return self.unlink(path)

    def chmod(self, path, mode):
        self.check()
        node = self.find(path)
        node.mode = stat.S_IFMT(node.mode) | mode
        return 0

    def chown(self, path, uid, gid):
        return 0

    def utimens(self, path, times=None):
        return 0

    # Contents.

    def open(self, path, flags):
        if path == CONTROL:
            return 0
        self.check()
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self.bar(path)
        return self.grip(self.find(path), path)

    def read(self, path, size, offset, fh):
        if path == CONTROL:
            return self.answer()[offset : offset + size]
        self.check()
        return bytes(self.file(fh)[0].live[offset : offset + size])

    def write(self, path, data, offset, fh):
        if path == CONTROL:
            self.command(data.decode())
            return len(data)
        self.check()
        node, name = self.file(fh)
        self.bar(name)
        self.step("changes")
        if offset + len(data) > len(node.live):
            data = self.take_space(data)
        node.change("write", offset, data)
        return len(data)

    def take_space(self, data):
        """What there is space for; overwriting needs none."""
        if self.is_full:
            refuse(errno.ENOSPC)
        if self.full_after > 0:
            self.full_after -= 1
            if self.full_after == 0:
                self.is_full = True
                self.counts["full"] += 1
                return data[: len(data) // 2] or refuse(errno.ENOSPC)
        return data

    def truncate(self, path, length, fh=None):
        if path == CONTROL:
            return 0
        self.check()
        node, name = self.file(fh) if fh else (self.find(path), path)
        self.bar(name)
        self.step("changes")
        node.change("size", length)
        return 0

    def release(self, path, fh):
        self.handles.pop(fh, None)
        return 0

    def fsync(self, path, datasync, fh):
        self.check()
        node, name = self.file(fh)
        self.step("fsyncs")
        if self.fail_after > 0:
            self.fail_after -= 1
            if self.fail_after == 0:
                self.counts["failed"] += 1
                self.fail(node)
        if any(name.endswith(lie) for lie in self.lies):
            self.counts["lies"] += 1
        else:
            node.sync()
        return 0

    def fsyncdir(self, path, datasync, fh):
        return self.fsync(path, datasync, fh)


if __name__ == "__main__":
    lies = os.environ.get("FORGETFUL_LIES", "").split(",")
    fuse.FUSE(Forgetful(lies), sys.argv[1], foreground=True, nothreads=True, fsname="forgetful")

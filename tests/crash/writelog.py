# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk's log of writes (the format of Linux' dm-log-writes), and the disks that a power cut may leave.

A cut after entry N keeps everything up to the last flush before it: a flush makes every write that was complete when it
was asked for durable. Of the writes after it the disk may have kept all, none or any, in any order."""
import collections
import os
import random
import struct

SUPER = struct.Struct("<QQQI")  # magic, version, number of entries, size of a sector
ENTRY = struct.Struct("<QQQQ")  # sector, number of sectors, flags, length of a mark's text
MAGIC = 0x6a736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8

Write = collections.namedtuple("Write", "at length source")  # source: where in the log its data is; None: zeros


class Cut(collections.namedtuple("Cut", "after seed")):
    """After so many entries of the log. Without a seed all writes were kept; with one a random part of those after the
    last flush, in a random order."""

    def __str__(self):
        return str(self.after) if self.seed is None else f"{self.after}:{self.seed}"


def count(path):
    """How many entries the log has now; a process may be writing it."""
    with open(path, "rb") as log:
        magic, _, entries, _ = SUPER.unpack(log.read(SUPER.size))
    if magic != MAGIC:
        raise ValueError(f"{path} is no log of writes")
    return entries


class Log:
    """`entries`: (flags, Write or None), in the order in which they were complete."""

    def __init__(self, path):
        self.path, self.entries = path, []
        with open(path, "rb") as log:
            _, _, entries, sector = SUPER.unpack(log.read(SUPER.size))
            at = sector
            for _ in range(entries):
                log.seek(at)
                first, sectors, flags, text = ENTRY.unpack(log.read(ENTRY.size))
                at += sector
                length = sectors * sector
                data = None if flags & DISCARD else at
                self.entries.append((flags, Write(first * sector, length, data) if length else None))
                if flags & MARK:
                    at += -(-text // sector) * sector
                elif not flags & DISCARD:
                    at += length

    def writes(self, begin, end):
        return [write for _, write in self.entries[begin:end] if write]

    def last_flush(self, after):
        """So many entries are durable, whatever the disk does, when the power is cut after `after` of them. The write
        that a FLUSH entry carries comes behind its flush, unless it is FUA."""
        for number in range(after, 0, -1):
            flags, write = self.entries[number - 1]
            if flags & FLUSH:
                return number if write is None or flags & FUA else number - 1
        return 0

    def cuts(self, begin, end, subsets, seed, always=()):
        """After every write, at every flush (of several in a row: the last, and those in `always`), and for each write
        `subsets` random parts of what was not flushed, where there is more than one write to choose from."""
        chance = random.Random(seed)
        for after in range(begin, end + 1):
            if not after:
                continue
            write = self.entries[after - 1][1]
            if write is None:
                if after == end or after in always or self.entries[after][1] is not None:
                    yield "flush", Cut(after, None)
                continue
            yield "write", Cut(after, None)
            if len(self.writes(self.last_flush(after), after)) > 1:
                for _ in range(subsets):
                    yield "subset", Cut(after, chance.randrange(1 << 31))


class Replay:
    """Makes the disk of one cut after the other, in the order of the log: `base` is the disk before its first entry."""

    def __init__(self, log, base, scratch):
        """`scratch`: a folder on a fast file system with holes."""
        self.log, self.flushed = log, 0
        self.master, self.image = scratch / "master.raw", scratch / "image.raw"
        copy(base, self.master)
        self.size = os.stat(base).st_size
        self.image.touch()
        os.truncate(self.image, self.size)

    def make(self, cut):
        """Makes `image` what the cut left."""
        flushed = self.log.last_flush(cut.after)
        if flushed < self.flushed:
            raise ValueError("the cuts must come in the order of the log")
        self._apply(self.master, self.log.writes(self.flushed, flushed))
        self.flushed = flushed
        pending = self.log.writes(flushed, cut.after)
        if cut.seed is not None:
            chance = random.Random(cut.seed)
            pending = chance.sample(pending, chance.randrange(len(pending)))
        copy(self.master, self.image)
        self._apply(self.image, pending)

    def _apply(self, path, writes):
        with open(path, "r+b") as image, open(self.log.path, "rb") as log:
            for write in writes:
                image.seek(write.at)
                if write.source is None:
                    image.write(bytes(write.length))
                else:
                    log.seek(write.source)
                    image.write(log.read(write.length))


def copy(source, target):
    """Copies a file with its holes; the target stays the same file (a loop device may stand on it)."""
    with open(source, "rb") as old, open(target, "r+b" if os.path.exists(target) else "w+b") as new:
        size = os.stat(source).st_size
        os.ftruncate(new.fileno(), 0)
        os.ftruncate(new.fileno(), size)
        at = 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            os.lseek(new.fileno(), at, os.SEEK_SET)
            while at < end:
                sent = os.sendfile(new.fileno(), old.fileno(), at, end - at)
                at += sent

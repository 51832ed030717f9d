# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that logs every write: a file, behind a process that writes the log, behind a loop device.

    file system -> /dev/loopN -> disk.raw by FUSE -> qemu-storage-daemon -> data.raw and log.raw

The kernel's own dm-log-writes needs a device mapper, which not every kernel has; this is the same log. All of it is in
a mount namespace of the caller's own (see blocks).

"overlay" is an overlay whose directories are all on one file system, which the device sees beside it: the lower one has
what the device began with."""
import ctypes
import errno
import fcntl
import os
import pathlib
import struct
import subprocess
import threading
import time

from device import wait_for
import writelog

BELOW = {"overlay": "ext4"}
SIZES = {"ext4": 96, "xfs": 320, "btrfs": 192, "overlay": 96}  # MiB; it is copied for each cut; journald must fit
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-N", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f"]}
OPTIONS = {"ext4": "", "xfs": "", "btrfs": "nodiscard",
           "overlay": "lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work"}

LIBC = ctypes.CDLL(None, use_errno=True)
LOOP_CTL_GET_FREE, LOOP_CONFIGURE = 0x4C82, 0x4C0A
BTRFS_IOC_FORGET_DEV = 0x50009405


def _checked(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def bind(source, place):
    _checked(LIBC.mount(os.fsencode(source), os.fsencode(place), None, 0x1000, None), f"bind {source}")


def unmount(place):
    _checked(LIBC.umount2(os.fsencode(place), 0), f"unmount {place}")


def forget(device):
    """btrfs remembers every device that it has seen, and refuses an older state of the same one."""
    with open("/dev/btrfs-control", "rb", buffering=0) as control:
        try:
            fcntl.ioctl(control, BTRFS_IOC_FORGET_DEV, bytearray(struct.pack("<q4088s", 0, os.fsencode(device))))
        except OSError as error:
            if error.errno != errno.ENOENT:  # it was forgotten at the unmount
                raise


def _attach(path):
    """A loop device over a file, gone when nothing has it open; returns its path and a descriptor."""
    with open(path, "r+b", buffering=0) as backing, open("/dev/loop-control", "rb", buffering=0) as control:
        while True:
            loop = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            held = os.open(loop, os.O_RDWR)
            try:
                # struct loop_config: fd, block size, loop_info64 with its flags at byte 52 (4: autoclear), reserved
                fcntl.ioctl(held, LOOP_CONFIGURE, struct.pack("<II52xI240x", backing.fileno(), 512, 4))
                return loop, held
            except OSError as error:
                os.close(held)
                if error.errno != errno.EBUSY:  # somebody else took it first
                    raise


def syncfs(place):
    folder = os.open(place, os.O_RDONLY)
    try:
        _checked(LIBC.syncfs(folder), f"syncfs {place}")
    finally:
        os.close(folder)


class Mounted:
    """A file system in a file, mounted through a loop device of its own, so that nothing is cached from before. `enter`:
    the words that run a command in another mount namespace, where it shall be."""

    def __init__(self, path, place, kind, enter=()):
        self.place, self.kind, self.enter = place, kind, enter
        self._loop, held = _attach(path)
        try:
            if kind in BELOW:
                self._run("mkdir", "-p", f"{place}.disk")
                self._mount(BELOW[kind], self._loop, f"{place}.disk")
            self._mount(kind, kind if kind in BELOW else self._loop, place)
        finally:
            os.close(held)

    def _run(self, *command):
        subprocess.run([*self.enter, *map(str, command)], check=True)

    def _mount(self, kind, source, place):
        options = OPTIONS[kind].format(f"{place}.disk")
        if self.enter:
            self._run("mount", "-t", kind, *(["-o", options] if options else []), source, place)
            return
        until = time.monotonic() + 1
        while True:  # no process for each of thousands
            try:
                _checked(LIBC.mount(os.fsencode(source), os.fsencode(place), kind.encode(), 0, options.encode()),
                         f"mount {kind} on {place}")
                return
            except OSError as error:  # busy: who tries to configure a loop device that is taken has it for an instant
                if error.errno != errno.EBUSY or time.monotonic() > until:
                    raise

    def _unmount(self, place):
        if self.enter:
            self._run("umount", place)
        else:
            unmount(place)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._unmount(self.place)
        if self.kind in BELOW:
            self._unmount(f"{self.place}.disk")
        if self.kind == "btrfs":
            forget(self._loop)


def make(kind, path, fill):
    """A new file system in the file `path`, with what `fill(folder)` puts on it."""
    path.touch()
    os.truncate(path, SIZES[kind] << 20)
    disk = BELOW.get(kind, kind)
    subprocess.run([*MAKE[disk], path], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    place = path.with_suffix(".making")
    place.mkdir()
    with Mounted(path, place, disk):
        for name in ("upper", "work", "lower") if kind in BELOW else ():
            (place / name).mkdir()
        fill(place / "lower" if kind in BELOW else place)
    place.rmdir()


class LogDisk:
    def __init__(self, kind, folder, fill, place, enter=()):
        """Makes the disk in the empty `folder` (base.raw is what it was at first) and mounts it as Mounted does."""
        self.kind, self.dir = kind, pathlib.Path(folder)
        self.base, self.log, self.disk = (self.dir / name for name in ("base.raw", "log.raw", "disk.raw"))
        make(kind, self.base, fill)
        writelog.copy(self.base, self.dir / "data.raw")
        for path in (self.log, self.disk):
            path.touch()
        os.truncate(self.log, 4 << 30)
        self._serve()
        self._mounted = Mounted(self.disk, place, kind, enter)

    def _serve(self):
        drivers = (f"driver=file,node-name=data,filename={self.dir}/data.raw,cache.no-flush=on",
                   f"driver=file,node-name=log,filename={self.log},cache.no-flush=on",
                   "driver=blklogwrites,node-name=lw,file=data,log=log,log-sector-size=512,log-super-update-interval=1")
        with open(self.dir / "qsd.log", "wb") as output:
            self.daemon = subprocess.Popen(
                ["qemu-storage-daemon", *(word for driver in drivers for word in ("--blockdev", driver)),
                 "--export", f"type=fuse,id=ex,node-name=lw,mountpoint={self.disk},writable=on"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)

        def served():
            if self.daemon.poll() is not None:
                raise RuntimeError((self.dir / "qsd.log").read_text())
            return self.disk.stat().st_size == SIZES[self.kind] << 20
        wait_for("the logging disk", served)

    def entries(self):
        return writelog.count(self.log)

    def close(self):
        """Unmounts it and ends its process; the log stays."""
        self._mounted.__exit__()
        unmount(self.disk)
        self.daemon.terminate()
        self.daemon.wait(20)


class Syncing:
    """A loop of syncfs() beside what is done within it: the file system commits between any two system calls."""

    def __init__(self, place):
        self._end, self._thread = threading.Event(), threading.Thread(target=self._loop, args=(place,), daemon=True)

    def _loop(self, place):
        while not self._end.wait(0.0005):
            syncfs(place)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole machine: QEMU without KVM and Debian's kernel, for the drivers that a container cannot have. Its power can be
cut, and it can be put back to an instant. It has no network to the outside.

A machine that has just booted is made once and kept under nspawn.py's CACHE: the disk, and the memory in a snapshot.
Commands go to Debian's guest agent in it."""
import base64
import hashlib
import io
import itertools
import json
import lzma
import pathlib
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile

from device import LabError, wait_for
from nspawn import CACHE, base_root, furnish, install, made_once, own_suite

PACKAGES = ("busybox-static", "qemu-guest-agent", "hostapd", "wpasupplicant", "iw", "wireguard-tools")
# Debian's kernel, unpacked: as a package it would come with an initrd of its own, which takes minutes to make.
KERNEL = """
    apt-get -q update
    package=$(apt-cache show linux-image-amd64 | sed -n 's/^Depends: \\(linux-image-[^ ,]*\\).*/\\1/p' | head -n 1)
    cd /var/tmp
    apt-get -q download "$package"
    dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x -C / --keep-directory-symlink
    rm "$package"_*.deb
    depmod "${package#linux-image-}"
    rm -r /var/lib/apt/lists/*
    """
DRIVERS = ("virtio_pci", "virtio_blk", "ext4")  # what the kernel needs to see its disk; modules in Debian's
BOOTED = "booted"
NUMBERS = itertools.count(1)
PATIENCE = 300  # seconds for anything, whatever else this machine does; alone it takes 15 to boot
INIT = """\
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for driver in /drivers/*; do /bin/busybox insmod "$driver"; done
until /bin/busybox mount -t ext4 /dev/vda /root 2>/dev/null; do /bin/busybox sleep 0.1; done
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /sbin/init
"""
QEMU = ("setpriv", "--pdeathsig", "KILL", "--",  # it ends when the test does, however that ends
        "qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "512",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
        "-append", "console=ttyS0 rw quiet tsc=unstable mitigations=off nokaslr audit=0",
        "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
        "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0")


class Wire:
    """A socket that takes a command as a line of JSON and answers with another: QEMU's monitor, the guest's agent."""

    def __init__(self, path):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE)
            link.connect(str(path))
            self.file = link.makefile("rwb")

    def ask(self, execute, **arguments):
        self.file.write(json.dumps({"execute": execute, "arguments": arguments}).encode() + b"\n")
        self.file.flush()
        for line in self.file:
            answer = json.loads(line.lstrip(b"\xff"))
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise LabError(f"{execute}: {answer['error']['desc']}")
        raise LabError(f"{execute}: the machine is off")


def _run(*command, **more):
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **more).stdout


def _unpacked(vmlinuz):
    """The kernel that a bzImage holds: QEMU starts it at once, and unpacking it would take the machine seconds."""
    setup_sectors, offset, size = vmlinuz[0x1f1], *struct.unpack_from("<II", vmlinuz, 0x248)
    begin = (setup_sectors + 1) * 512 + offset
    return lzma.LZMADecompressor().decompress(vmlinuz[begin:begin + size])


def _initrd(root, version, tree):
    """In the directory `tree`; returns the archive."""
    for name in ("bin", "dev", "root", "drivers"):
        (tree / name).mkdir(parents=True)
    shutil.copy(root / "bin/busybox", tree / "bin")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    needed = [line.split()[1] for driver in DRIVERS for line in
              _run("chroot", root, "modprobe", "-S", version, "--show-depends", driver, text=True).splitlines()
              if line.startswith("insmod")]
    for number, path in enumerate(dict.fromkeys(needed)):
        shutil.copy(root / path.lstrip("/"), tree / f"drivers/{number:02}.ko")
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    return subprocess.run([root / "bin/busybox", "cpio", "-o", "-H", "newc"], cwd=tree, input=names.encode(), check=True,
                          capture_output=True).stdout


def booted_machine():
    """The directory that machines start from."""
    root = base_root(own_suite(), PACKAGES)
    version = _run("qemu-system-x86_64", "--version", text=True).splitlines()[0]
    key = hashlib.sha256(" ".join([root.name, version, KERNEL, INIT, *QEMU]).encode()).hexdigest()[:12]

    def make(where):
        where.mkdir()
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            tree = pathlib.Path(scratch) / "root"
            _run("cp", "-a", root, tree)
            _run("chroot", tree, "sh", "-ec", KERNEL)
            kernel, = (tree / "boot").glob("vmlinuz-*")
            (where / "vmlinux").write_bytes(_unpacked(kernel.read_bytes()))
            version = kernel.name.removeprefix("vmlinuz-")
            (where / "initrd").write_bytes(_initrd(tree, version, pathlib.Path(scratch) / "initrd"))
            furnish(tree)
            _run("truncate", "-s", "2G", where / "root.raw")
            _run("mkfs.ext4", "-q", "-d", tree, where / "root.raw")
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", where / "root.raw", where / "disk.qcow2")
        machine = Machine(where, where)
        try:
            machine.boot()
            machine.keep(BOOTED)
        finally:
            machine.power_cut()
    return made_once(f"machine-{key}", make)


class Machine:
    def __init__(self, base, where=None):
        """A machine like the one in `base`, in a directory of its own."""
        self.base = base
        self.dir = where or pathlib.Path(tempfile.mkdtemp(prefix="machine.", dir=CACHE))
        self.qemu = self.monitor = self.agent = None
        if not where:
            shutil.copy(base / "disk.qcow2", self.dir)

    def boot(self):
        """From its disk, as it is; returns when the system has come up."""
        self._power_on()
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def keep(self, name):
        """Keeps this instant: what is in its memory and on its disk."""
        self.run("sync")
        self._say(f"savevm {name}")

    def back_to(self, name):
        if self.qemu:
            self._say(f"loadvm {name}")
        else:
            self._power_on("-loadvm", name)

    def power_cut(self):
        """Nothing but what it has written to its disk is left."""
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
            for wire in filter(None, (self.monitor, self.agent)):
                wire.file.close()
        self.qemu = None

    def destroy(self):
        self.power_cut()
        shutil.rmtree(self.dir)

    def install(self, build):
        with tempfile.TemporaryDirectory() as tree:
            install(build, pathlib.Path(tree))
            self._unpack(_run("tar", "-C", tree, "-c", "."))

    # Inside

    def run(self, *command, check=True, data=b""):
        """Runs a command with `data` as its standard input."""
        name, *arguments = map(str, command)
        given = {"input-data": base64.b64encode(data).decode()} if data else {}
        pid = self.agent.ask("guest-exec", path=name, arg=arguments, **{"capture-output": True}, **given)["pid"]

        def ended():
            status = self.agent.ask("guest-exec-status", pid=pid)
            return status if status["exited"] else None
        status = wait_for(f"the end of {' '.join(command)}", ended, PATIENCE, pause=0.1)
        out, err = (base64.b64decode(status.get(key, "")).decode(errors="replace") for key in ("out-data", "err-data"))
        result = subprocess.CompletedProcess(command, status.get("exitcode", -status.get("signal", 0)), out, err)
        if check and result.returncode != 0:
            raise LabError(f"{' '.join(command)}: status {result.returncode}\n{out}{err}")
        return result

    def write(self, files):
        """Files of root's, {path: text}, durably; one that begins like a script can be run."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                data = text.encode()
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(data), 0o755 if text.startswith("#!") else 0o600
                tar.addfile(entry, io.BytesIO(data))
        self._unpack(archive.getvalue())

    def read(self, path):
        return self.run("cat", path).stdout

    def _unpack(self, archive):
        self.run("sh", "-ec", "tar -x -C / --keep-directory-symlink --no-overwrite-dir; sync", data=archive)

    # Outside

    def _power_on(self, *options):
        base = self.base
        disk = f"driver=qcow2,node-name=disk,file.driver=file,file.filename={self.dir}/disk.qcow2," \
            f"backing.driver=raw,backing.file.driver=file,backing.file.filename={base}/root.raw,cache.no-flush=on"
        with open(self.dir / "console.log", "ab") as console:
            self.qemu = subprocess.Popen(
                [*QEMU, "-kernel", base / "vmlinux", "-initrd", base / "initrd", "-blockdev", disk,
                 "-device", "virtio-blk-pci,drive=disk", "-serial", f"file:{self.dir}/serial.log",
                 "-chardev", f"socket,id=agent,path={self.dir}/agent.socket,server=on,wait=off",
                 "-qmp", f"unix:{self.dir}/monitor.socket,server=on,wait=off", *options],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.monitor = self._wire("monitor")
        self.monitor.ask("qmp_capabilities")
        self.agent = self._wire("agent")
        self.agent.ask("guest-sync", id=next(NUMBERS))

    def _wire(self, name):
        def connected():
            if self.qemu.poll() is not None:
                raise LabError(f"QEMU ended: {(self.dir / 'console.log').read_text(errors='replace')[-2000:]}")
            try:
                return Wire(self.dir / f"{name}.socket")
            except (FileNotFoundError, ConnectionRefusedError):
                return None
        return wait_for(f"QEMU's {name}", connected, 60)

    def _say(self, command):
        said = self.monitor.ask("human-monitor-command", **{"command-line": command})
        if said:
            raise LabError(f"{command}: {said}")

# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device with a kernel of its own, User Mode Linux: for what this machine's kernel has not (PPP, bonds, VLANs).

It is the lab's device in all else: same programs, same services, same words. Its disk is an image with an ext4 in it,
so a power cut loses what was not synced. Commands go in over a serial line (hand.py is at its other end)."""
import ctypes
import errno
import itertools
import json
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import threading
from types import SimpleNamespace

import device
from device import Device, LAB, LabError, PROFILES

device.PATIENCE = 6  # no hardware helps here, and each process costs
DISK_SIZE = 64 << 20
MEMORY = "384M"


# User Mode Linux 6.1 has room for AVX-512's registers; what it gives back of a processor that has more (AMX) is refused, and
# it dies: "ptrace set fp regs failed". Where it cannot ask for them it takes the older call, which has those of SSE, so the
# machine's glibc must use no others: it printed "%s" in the place of names. (Without the last two of HWCAPS it hung, once.)
PTRACE, GETREGSET, SETREGSET, XSTATE = 101, 0x4204, 0x4205, 0x202  # x86-64's
HWCAPS = "-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load,-Prefer_No_VZEROUPPER"
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF
ALLOW, REFUSE = 0x7fff0000, 0x00050000 | errno.EINVAL
FILTER = ((LOAD, 0, 0, 0), (EQUAL, 0, 6, PTRACE), (LOAD, 0, 0, 16), (EQUAL, 1, 0, GETREGSET), (EQUAL, 0, 3, SETREGSET),
          (LOAD, 0, 0, 32), (EQUAL, 0, 1, XSTATE), (RETURN, 0, 0, REFUSE), (RETURN, 0, 0, ALLOW))


def without_xstate():
    """For this process and all that come of it, by seccomp."""
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in FILTER))
    program = struct.pack("HxxxxxxP", len(FILTER), ctypes.addressof(filters))
    if ctypes.CDLL(None, use_errno=True).prctl(22, 2, program, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError(ctypes.get_errno(), "seccomp")


class Line:
    """A machine's serial line: questions out, answers in, in any order."""

    def __init__(self):
        self.ours, self.machines = socket.socketpair()
        self._numbers, self._answers, self._lock = itertools.count(1), {}, threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.ours.makefile("rb") as answers:
            while True:
                try:
                    number, result = json.loads(answers.readline())
                except (OSError, ValueError):  # the machine is off
                    for answer in self._answers.values():
                        answer.put(None)
                    return
                self._answers.pop(number).put(result)

    def ask(self, timeout, **request):
        number, answer = next(self._numbers), queue.Queue()
        self._answers[number] = answer
        with self._lock:
            self.ours.sendall(json.dumps({"number": number, **request}).encode() + b"\n")
        try:
            result = answer.get(timeout=timeout)
        except queue.Empty:
            raise LabError(f"the machine does not answer within {timeout} s: {request}") from None
        if result is None:
            raise LabError(f"the machine died: {request}")
        return result

    def close(self):
        self.ours.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self.ours.close()


class Machine(Device):
    """Options of create(): modules (of its kernel), modem (yes: one with ModemManager)."""

    def __init__(self, name="machine"):
        super().__init__(name)
        self.image = self.dir / "disk.img"
        self._kernel = self._line = None

    def create(self, helper=None, **options):
        super().create(helper, **{"modules": '""', "modem": "no", **options})

    def boot(self):
        if self.running():
            raise LabError("the machine is running already")
        self._format()
        self._line = Line()
        with open(self.dir / "console.log", "ab") as console, self._line.machines as line:
            self._kernel = subprocess.Popen(
                # It ends with this process, however that ends.
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "linux.uml", f"mem={MEMORY}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
                 f"init={LAB}/uml-init.sh", f"dir={self.dir}", f"ubd0={self.image}", f"uml_dir={self.dir}", "umid=kernel",
                 f"GLIBC_TUNABLES=glibc.cpu.hwcaps={HWCAPS}", "con=null", "con0=fd:0,fd:1",
                 f"ssl0=fd:{line.fileno()},fd:{line.fileno()}", "pty.legacy_count=1", "quiet"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, pass_fds=[line.fileno()], start_new_session=True,
                preexec_fn=without_xstate)
        try:
            self.run("true")
            self.wait_nm(60)
        except LabError as error:
            raise LabError(f"{error}\n{(self.dir / 'console.log').read_text(errors='replace')[-2000:]}") from None

    def _format(self):
        """What create() and the tests have put on the disk is its first content."""
        if self.image.exists():
            return
        with open(self.image, "wb") as image:
            image.truncate(DISK_SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-d", self.disk, self.image], check=True)
        shutil.rmtree(self.disk)

    def running(self):
        return self._kernel is not None

    def power_cut(self):
        """The kernel dies, and with it what it had not written yet."""
        os.killpg(self._kernel.pid, signal.SIGKILL)
        self._kernel.wait()
        self._line.close()
        self._kernel = self._line = None

    def destroy(self):
        if self.running():
            self.power_cut()
        if self.dir.exists():
            shutil.rmtree(self.dir)

    def run(self, *command, check=True, timeout=60, stdin=None):
        limit = timeout * device.PATIENCE
        status, output, error = self._line.ask(limit + 20, run=[*map(str, command)], input=stdin or "", limit=limit)
        if check and status != 0:
            raise LabError(f"{' '.join(map(str, command))}: status {status}\n{output}{error}")
        return SimpleNamespace(returncode=status, stdout=output, stderr=error)

    # Its disk, and the network that it is plugged into

    def tree(self, path):
        found = self._line.ask(60, tree=f"/{path}")
        return {name: (mode, content.encode("latin-1")) for name, (mode, content) in found.items()}

    def read(self, path):
        found = self.tree(path).get(".")
        return found and found[1]

    def profile_file(self, name, text, load=True):
        if not self.image.exists():
            super().profile_file(name, text)
            return
        path = f"/{PROFILES}/{name}.nmconnection"
        self.run("sh", "-c", 'umask 077 && cat >"$0.new~" && mv "$0.new~" "$0"', path, stdin=text)
        if load:
            self.run("nmcli", "connection", "load", path)

    def network(self, command, check=True):
        return self.run("ip", "netns", "exec", "world", "sh", "-c", command, check=check)

    # Its modem

    def lose_line(self):
        """The carrier is gone, and nobody is told."""
        self.run("sh", "-c", "kill -KILL $(cat /run/modem/carrier)")

    def pull_modem(self):
        self.run("sh", "-c", "touch /run/lab-hold-modem; pkill -f [m]odem.py; rm /run/modem/ready; "
                 "echo remove >/sys/class/tty/ttyp0/uevent")

    def plug_modem(self):
        self.run("sh", "-c", "rm /run/lab-hold-modem; while ! [ -e /run/modem/ready ]; do sleep 0.1; done; "
                 "echo add >/sys/class/tty/ttyp0/uevent")

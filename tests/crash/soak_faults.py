# SPDX-License-Identifier: LGPL-2.1-or-later
"""The faults of a cycle of tests/crash/soak: each comes at its moment, in a thread of its own, and is healed."""
import os
import signal
import struct
import threading
import time

from device import LabError

CLOCK = "etc/lab/clock"


def set_clock(device, seconds):
    """So far is the device's wall clock off (soak-clock.c): at once, for all who look, and beyond a power cut."""
    path = device.disk / CLOCK
    if not path.exists():
        path.write_bytes(bytes(8))
    with open(path, "r+b", buffering=0) as file:
        file.write(struct.pack("=q", seconds))


class Faults:
    """`life` is the device, `operation` what is done with it meanwhile."""

    def __init__(self, life, plan, operation):
        self.life, self.plan, self.operation = life, plan, operation
        self.device = life.device
        self.went_wrong, self.killed, self.cut, self.ended = [], False, False, 0.0
        self.threads = [threading.Thread(target=self._one, args=[fault], daemon=True) for fault in plan.faults]

    @property
    def orphans(self):
        """Whether a command may have gone and left its checkpoint: killed, or without an answer."""
        return self.killed or any(fault.kind in ("hang-nm", "stop-helper", "suspend") for fault in self.plan.faults)

    def start(self):
        for thread in self.threads:
            thread.start()

    def join(self):
        """Returns when all is healed: only then does the power go off no more."""
        for thread in self.threads:
            thread.join()
        self.ended = time.monotonic()
        if self.went_wrong and not self.cut:
            raise LabError(f"a fault that could not be made: {self.went_wrong}")

    def _one(self, fault):
        time.sleep(fault.at)  # the moment is the fault
        if self.cut:
            return
        self.life.tell(f"fault: {fault.kind} {fault.what}")
        try:
            getattr(self, fault.kind.replace("-", "_"))(fault)
        except (LabError, OSError, IndexError) as error:
            self.went_wrong.append(f"{fault.kind}: {error!r}")

    def _lasts(self, fault):
        end = time.monotonic() + fault.lasts
        while time.monotonic() < end and not self.cut:
            time.sleep(0.02)
        self.life.tell(f"healed: {fault.kind}")

    def power_cut(self, _fault):
        self.cut = self.killed = True
        self.device.power_cut()

    def kill_helper(self, fault):
        found = self.life.helpers()
        self.killed = self.killed or bool(found)
        for pid in found if fault.what == "all" else found[-1:]:
            self.life.kill_process(pid)

    def kill_nm(self, _fault):
        for pid in self.life.helpers("NetworkManager"):
            self.life.kill_process(pid)

    def kill_dispatcher(self, _fault):
        for pid in self.life.helpers("nm-dispatcher"):
            self.life.kill_process(pid)

    def _stop(self, fault, found):
        for pid in found:
            self.life.kill_process(pid, signal.SIGSTOP)
        self._lasts(fault)
        for pid in found:
            self._continue(pid)

    def _continue(self, pid):
        """nsenter, outside of the device, has stopped with its command."""
        try:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                parent = next(int(line.split()[1]) for line in status if line.startswith("PPid:"))
            with open(f"/proc/{parent}/comm", encoding="ascii", errors="replace") as comm:
                if comm.read() == "nsenter\n":
                    self.life.kill_process(parent, signal.SIGCONT)
        except OSError:
            pass
        self.life.kill_process(pid, signal.SIGCONT)

    def hang_nm(self, fault):
        self._stop(fault, self.life.helpers("NetworkManager"))

    def stop_helper(self, fault):
        self._stop(fault, self.life.helpers())

    def suspend(self, fault):
        """All that runs in the device stands still, and no clock does."""
        namespace = os.readlink(f"/proc/{self.device.init_pid()}/ns/pid")
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                    found.append(pid)
            except OSError:
                continue
        self._stop(fault, found)

    def carrier(self, fault):
        self.device.break_network("carrier")
        self._lasts(fault)
        if not self.cut:  # the next boot plugs a new cable in
            self.device.heal("carrier")

    def full(self, fault):
        try:
            self.life.small.fill()
            self._lasts(fault)
        finally:
            self.life.small.free()

    def read_only(self, fault):
        """As soon as the kernel lets it: not while a file of it is open for writing."""
        end = time.monotonic() + fault.lasts
        for path in ("/etc", "/var"):
            while not self.cut and time.monotonic() < end:
                try:
                    self.life.read_only(True, [path])
                    break
                except LabError:
                    continue
        self._lasts(fault)
        if not self.cut:
            self.life.read_only(False)

    def clock(self, fault):
        set_clock(self.device, fault.what)

    def checkpoint(self, fault):
        """Another tool's. While ours is there NetworkManager refuses it, and while it hangs nobody answers."""
        try:
            path = self.life.create_checkpoint(max(1, round(fault.lasts)) + (30 if fault.what == "destroyed" else 0))
        except LabError:
            self.life.tell("the other tool got no checkpoint")
            return
        self._lasts(fault)
        if fault.what == "destroyed" and not self.cut:
            try:
                self.life.destroy_checkpoint(path)
            except LabError:
                self.life.tell("the other tool's checkpoint was gone")  # with its NetworkManager

    def operator(self, fault):
        named = {"GOOD": self.life.good, "NEW": self.operation.name}
        self.operation.do(*[named.get(word, word) for word in fault.what])

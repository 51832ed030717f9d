# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device of the lab with "lan" active on eth0 and the candidate "good", and what is done to it here: one step of a
trial, by nm-trial or by a peer, with the clock, the bus or the system calls watched."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from measure import BARE, HELPER, HERE, STRACE, Trace

sys.path[:0] = [str(HERE.parent / "lab"), str(HERE.parent / "integration")]

import device  # noqa: E402 (their folders come first)
from device import PROFILES, Device, uuid_of, wait_for  # noqa: E402
from hands import INTERFACE, NM, Hands, background  # noqa: E402
from watch import RECORD, record_state  # noqa: E402

GOOD = {"autoconnect": False, "address": "10.99.{n}.20/24"}
MANUAL = ("--confirm", "manual", "--check", "none", "--timeout", "10m")
STRAYS = "var/lib/bare"  # what bare.c writes in place of the record and the history; no agent looks there
# A method call, in `dbus-monitor --profile`: who, to whom, what
CALLED = re.compile(r"^mc\t[\d.]+\t\d+\t(\S+)\t(\S+)\t\S+\t\S+\t(\w+)$", re.M)


class ManyDevice(Device):
    """Of whose profiles nobody makes a list: nmcli reads them all."""

    def get(self, path, interface, name):
        done = self.run("dbus-send", "--system", "--print-reply=literal", f"--dest={INTERFACE}", path,
                        "org.freedesktop.DBus.Properties.Get", f"string:{interface}", f"string:{name}", check=False)
        return done.stdout.split()[-1] if done.returncode == 0 else ""

    def active(self, device="eth0"):
        """The UUID of what is activated there."""
        path = self.run("dbus-send", "--system", "--print-reply=literal", *NM, f"{INTERFACE}.GetDeviceByIpIface",
                        f"string:{device}", check=False).stdout.strip()
        active = self.get(path, f"{INTERFACE}.Device", "ActiveConnection")
        state = self.get(active, f"{INTERFACE}.Connection.Active", "State")
        return self.get(active, f"{INTERFACE}.Connection.Active", "Uuid") if state == "2" else ""

    def wait_active(self, name, device="eth0", seconds=60):
        super().wait_active(uuid_of(name), device, seconds)


class Scene(Hands):
    def __init__(self, name, **options):
        self.device = ManyDevice(f"bench-{name}-{os.getpid()}")
        self.options = options
        self.activations = []

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.device.destroy)
            self.device.create(HELPER, connectivity=self.options.pop("connectivity", True), **self.options)
            (self.device.disk / STRAYS).mkdir(parents=True)
            self.device.profile("lan")
            self.device.profile("good", **GOOD)
            self.prepare()
            self.device.boot()
            self.device.wait_active("lan")
            self.quiet()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def prepare(self):
        """More on the disk, before the device's first boot."""

    def run(self, *command, status=0):
        done = self.device.run(*command, check=False)
        if done.returncode != status:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def path(self, name):
        """A profile's file, as the device has it."""
        return f"/{PROFILES}/{name}.nmconnection"

    def closed(self):
        return self.device.read(RECORD) is None

    def wait_closed(self):
        wait_for("the trial's end", self.closed, 30)

    # Where each step begins

    def reset(self):
        """"lan" is active and "good" is not, as they were at the beginning; no trial was ever there."""
        self.device.profile("lan", load=False)
        self.device.profile("good", load=False, **GOOD)
        (self.device.disk / "var/lib/nm-trial/history").unlink(missing_ok=True)
        self.dbus(f"--dest={INTERFACE}", "/org/freedesktop/NetworkManager/Settings",
                  f"{INTERFACE}.Settings.LoadConnections", f"array:string:{self.path('lan')},{self.path('good')}")
        if self.device.active() != uuid_of("lan"):
            self.run(BARE, "up", uuid_of("lan"), "eth0")
        self.device.wait_active("lan")
        self.quiet()

    def quiet(self):
        """Until the agent has looked at all that: its wakeups stand still."""
        seen = [None, 0]

        def settled():
            now = [wakeups(pid) for pid in self.helpers()]
            if now != seen[0]:
                seen[:] = now, time.monotonic()
            return time.monotonic() - seen[1] > 0.3
        wait_for("an agent that sleeps", settled, 30)

    def trying(self):
        """A trial of "good" that is open, and its candidate active."""
        self.reset()
        self.run("nm-trial", "start", "good", *MANUAL)
        self.device.wait_active("good")
        self.quiet()

    @contextlib.contextmanager
    def without_agent(self):
        """A peer's turn: the agent, which would look at each file that is written, stands still meanwhile."""
        pids = self.helpers()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    # The clock

    def watch(self):
        """From here on `activations` has the times, in us, at which an activation was done."""
        process = background(self.device, BARE, "watch")
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        assert process.stdout.readline() == "ready\n"

        def follow():
            for line in process.stdout:
                self.activations.append(int(line))
        threading.Thread(target=follow, daemon=True).start()

    def time(self, *command, status=0):
        """Runs a command; returns when it began and ended, in us."""
        begin, end, got, _ = map(int, self.run(BARE, "time", 1, *self.program(command)).split())
        if got != status:
            raise RuntimeError(f"{' '.join(map(str, command))}: status {got}")
        return begin, end

    @staticmethod
    def program(command):
        """With its whole path: nothing is searched for while the clock runs."""
        paths = {"nm-trial": "/usr/local/sbin/nm-trial", "nmcli": "/usr/bin/nmcli"}
        return [paths.get(command[0], command[0]), *command[1:]]

    def until_active(self, *command):
        """Milliseconds from a command's start to the next activation that is done."""
        begin, _ = self.time(*command)
        return (wait_for("an activation", lambda: [at for at in self.activations if at > begin])[0] - begin) / 1000

    # The bus

    def owner(self, name):
        return self.dbus("--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetNameOwner", f"string:{name}").strip()

    @contextlib.contextmanager
    def calls(self):
        """The block's method calls to NetworkManager: a list of (sender, method), filled at the block's end."""
        found, log = [], self.device.dir / "bus"
        network_manager = (INTERFACE, self.owner(INTERFACE))
        with open(log, "wb") as file:
            monitor = subprocess.Popen(self.device.inside("dbus-monitor", "--system", "--profile"), stdout=file,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_for("the monitor", lambda: b"NameLost" in log.read_bytes())
            yield found
            self.dbus("--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetId")  # all before it was written then
            wait_for("the end of the log", lambda: "GetId" in log.read_text())
        finally:
            for pid in self.helpers("dbus-monitor"):
                self.kill_process(pid)
            monitor.wait()
        found += [(sender, method) for sender, to, method in CALLED.findall(log.read_text()) if to in network_manager]

    def traced(self, name, *command):
        """Runs a command under strace; returns its Trace."""
        log = self.device.dir / name
        self.run(*STRACE, log, *command)
        return Trace.read(log)

    @contextlib.contextmanager
    def traced_agent(self):
        """An agent under strace in place of the lab's own; yields a list whose first element is its Trace in the end."""
        log, found = self.device.dir / "agent.strace", []
        self.hold_agent()
        background(self.device, *STRACE, log, "nm-trial", "agent")
        wait_for("the agent", lambda: self.device.test("! flock -n /run/nm-trial/agent true"))
        try:
            yield found
        finally:
            self.quiet()
            self.kill_helpers()
            wait_for("strace's end", lambda: not self.helpers("strace"))
            found.append(Trace.read(log))
            self.release_agent()


def threads(pid):
    """{thread: (how often it has gone to sleep of itself, its CPU time in ms)} of those that live."""
    found, tasks = {}, ()
    with contextlib.suppress(FileNotFoundError):  # the whole process has
        tasks = tuple(pathlib.Path(f"/proc/{pid}/task").iterdir())
    for task in tasks:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            slept = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M)
            found[task.name] = int(slept[1]), int((task / "schedstat").read_text().split()[0]) / 1e6
    return found


def wakeups(pid):
    return sum(slept for slept, _ in threads(pid).values())


def cpu_ms(pid):
    return sum(cpu for _, cpu in threads(pid).values())


def peak_kib(pid):
    return int(re.search(r"^VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.M)[1])


__all__ = ["MANUAL", "PROFILES", "RECORD", "STRAYS", "Scene", "background", "cpu_ms", "device", "peak_kib", "record_state",
           "threads", "uuid_of", "wait_for"]

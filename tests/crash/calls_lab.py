# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bench of tests/crash/calls: one lab device that stands at the same beginning before each point, a process in it
that suffers one fault, and what the promises say of it then."""
import base64
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lab"), str(HERE.parent / "integration")]

from device import Device, LabError, wait_for  # noqa: E402 (their folders come first)
from hands import Hands, background  # noqa: E402
from watch import record_state  # noqa: E402
import invariants  # noqa: E402

BUS, BUS_LOG, CALL_LOG = "/run/lab-bus", "bus.log", "call.log"
SAID_WRONG = re.compile("Sanitizer|runtime error|CRITICAL|core dumped")
CODES = (0, 1, 3, 4, 5)
# GLib ends a program that it cannot give a thread: that is a death, and none of ours
DEATHS = ("clone", "clone3")
COMMAND_S, END_S = 40, 30
LATE_S = 0.5 + 1.0 + 1.0  # promise 3, an agent that comes back in the lab, a machine that has more to do

OTHER = "# somebody else's\n" + Device.profile_text("other", device="eth1") + "\n[x-unknown]\nkey = value\n"


class Bench(Hands):
    def __init__(self, helper, fault, name):
        self.helper, self.fault = helper, fault
        self.device = Device(name)
        self.clean = self.device.dir / "clean"
        self.files = {}
        self.log_of_calls = None

    # The beginning

    def make(self):
        """A device that was on once, so that NetworkManager has made its own files."""
        if self.device.dir.exists():
            self.device.destroy()
        device = self.device
        device.create(self.helper)
        device.profile("lan")
        device.profile("new", autoconnect=False, address="10.99.{n}.20/24")
        device.profile_file("other", OTHER)
        device.boot()
        device.wait_active("lan")
        device.power_cut()
        shutil.copytree(device.disk, self.clean, symlinks=True)

    def fresh(self, prepare=None):
        """The device as it was made, `prepare`d while it is off, on again."""
        if self.device.running():
            self.device.power_cut()
        for path in self.device.disk.iterdir():  # not the directory itself: it may be a mount point
            path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)
        shutil.copytree(self.clean, self.device.disk, symlinks=True, dirs_exist_ok=True)
        for name in ("journal", "agent.log"):
            (self.device.dir / name).unlink(missing_ok=True)
        if prepare:
            prepare(self.device)
        self.device.boot()
        self.device.wait_active("lan")
        self.files = self.read()

    def read(self):
        """The files that count, at one instant: whoever changes them is stopped meanwhile."""
        stopped = self.helpers() if self.device.running() else []
        for pid in stopped:
            self.kill_process(pid, 19)
        try:
            return invariants.files_below(self.device.disk)
        finally:
            for pid in stopped:
                self.kill_process(pid, 18)

    def destroy(self):
        self.device.destroy()

    # nm-trial, well and with a fault

    def trial(self, *arguments):
        result = self.device.run("nm-trial", *arguments)
        return result.stdout

    def start(self, *arguments):
        found = re.match(r"trial ([0-9a-f]{8})\n", self.trial("start", *arguments))
        return found[1]

    def state(self):
        return record_state(self.device)

    def suffer(self, command, fault, n):
        """Runs `nm-trial COMMAND...` with that fault; returns its result and what was counted, a list of texts."""
        if fault.startswith("bus-"):
            return self._on_bus(command, fault.removeprefix("bus-"), n)
        log = self.log_of_calls = self.device.dir / CALL_LOG
        return self._run(self.fault, log, fault, n, "nm-trial", *command), log.read_text().splitlines()

    def counted(self):
        """What was counted of a process that did not come back."""
        log = self.log_of_calls
        return log.read_text().splitlines() if log and log.exists() else []

    def _on_bus(self, command, fault, n):
        log = self.log_of_calls = self.device.dir / BUS_LOG
        log.unlink(missing_ok=True)
        background(self.device, "python3", "-B", HERE / "calls_bus.py", BUS, log, fault, n)
        wait_for("the bus in between", lambda: self.device.test(f"test -S {BUS}"))
        result = self._run("env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={BUS}", "nm-trial", *command)
        return result, log.read_text().splitlines()

    def _run(self, *command):
        mark = len(self.device.journal("nm-trial"))
        result = self.device.run(*command, check=False, timeout=COMMAND_S)
        if "agent" in command:  # which says it in the journal
            result.stderr += "\n".join(entry["MESSAGE"] for entry in self.device.journal("nm-trial")[mark:])
        if result.returncode < 0:  # as a shell and calls-fault tell of a signal
            result.returncode = 128 - result.returncode
        if result.returncode == 99:
            raise LabError(f"the tool failed: {result.stderr}")
        return result

    # How it went on

    def over(self, tried):
        told = self.device.disk / invariants.STATE / "history"
        entries = told.read_bytes().count(b'"verdict"') if told.exists() else 0
        return self.state() == "none" and entries >= tried

    def ends(self, cut, tried):
        """Brings the trial, or so many of them, to the end; returns the broken promises of the way there."""
        broken = []
        if cut:
            self.device.boot()
        else:
            self.release_agent()
            broken += self.until_deadline()
        try:
            wait_for("the trial's end", lambda: self.over(tried), END_S)
        except LabError:
            broken.append(invariants.Broken(6, f"no end within {END_S} s (record: {self.state()})"))
        return broken

    def until_deadline(self):
        """A trial that is still open gets a near deadline, by which it must have its verdict."""
        until = time.monotonic() + END_S
        while self.state() == "trying" and time.monotonic() < until:
            if self.device.run("nm-trial", "extend", "--timeout", "1s", check=False).returncode:
                self.device.run("nm-trial", "status", check=False)  # NetworkManager is not there yet, or it is over
                continue
            deadline = time.monotonic() + 1
            try:
                wait_for("a verdict", lambda: self.state() != "trying", 1 + LATE_S)
            except LabError:
                late = time.monotonic() - deadline
                return [invariants.Broken(3, f"no verdict {late:.1f} s after the deadline")]
        return []

    def settled(self, addresses):
        """The device has that network and is online; returns the broken promises."""
        broken = []
        for what, good in (("the addresses", lambda: self.addresses() == addresses), ("a network", self.device.online),
                           ("the network of eth1", lambda: self.device.online("eth1"))):
            try:
                wait_for(what, good, 15)
            except LabError as error:
                broken.append(invariants.Broken(1, f"{error}; eth0 has {sorted(self.addresses())}, expected "
                                                   f"{sorted(addresses)}"))
        return broken

    def in_memory(self):
        """What NetworkManager autoconnects next is what its files say."""
        def differing():
            for uuid, (profile, *_) in invariants.profiles(self.read()).items():
                said = self.device.nmcli("-g", "connection.autoconnect,connection.autoconnect-priority",
                                         "connection", "show", uuid, check=False).split()
                wanted = ["yes" if invariants.autoconnect(profile) else "no", str(invariants.priority(profile))]
                if said != wanted:
                    yield f"{uuid}: NetworkManager has {said}, its file {wanted}"
        try:
            wait_for("NetworkManager to have what the files say", lambda: not list(differing()), 5)
        except LabError as error:
            return [invariants.Broken("-", f"{error}: {'; '.join(differing())}")]
        return []

    def no_checkpoint(self):
        """One that is left would undo all of it later."""
        try:
            self.device.wait_nm()  # its death may have been the fault
            wait_for("no checkpoint", lambda: not self.checkpoints())
        except LabError as error:
            return [invariants.Broken(4, str(error))]
        return []

    def log(self, since=0):
        """What happened, for a failure's report; without so many of the journal's first entries."""
        said = [f"{entry.get('SYSLOG_IDENTIFIER')}: {entry.get('MESSAGE')}" for entry in self.device.journal()[since:]
                if entry.get("SYSLOG_IDENTIFIER") == "nm-trial" or "audit" in entry.get("MESSAGE", "") or
                "Activation: " in entry.get("MESSAGE", "")]
        agent = self.device.dir / "agent.log"
        return said[-60:] + (agent.read_text(errors="replace").splitlines()[-10:] if agent.exists() else [])


class Box:
    """Files alone: what `nm-trial boot` sees before NetworkManager starts, in a mount namespace. It takes no boot."""

    def __init__(self, helper, fault, directory):
        self.helper, self.fault, self.dir = pathlib.Path(helper).resolve(), fault, directory
        self.boots = 0

    def fill(self, files):
        shutil.rmtree(self.dir, ignore_errors=True)
        for place in (*invariants.PLACES, "etc/nm-trial"):
            (self.dir / place).mkdir(parents=True)
        for path, data in files.items():
            (self.dir / path).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / path).write_bytes(data)
            (self.dir / path).chmod(0o600)

    def read(self):
        return invariants.files_below(self.dir)

    SCRIPT = """set -e
        mount -t tmpfs tmpfs /run
        mount -t tmpfs tmpfs /var/lib
        mkdir /var/lib/nm-trial
        mount --bind "$1/var/lib/nm-trial" /var/lib/nm-trial
        mount --bind "$1/etc/NetworkManager" /etc/NetworkManager
        mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id
        shift
        exec "$@" """

    def boot(self, fault="none", n=0):
        """One more boot, up to NetworkManager's start."""
        self.boots += 1
        (self.dir / "boot_id").write_text(f"00000000-0000-4000-8000-{self.boots:012}\n")
        log = self.dir / CALL_LOG
        result = subprocess.run(["unshare", "--mount", "sh", "-c", self.SCRIPT, "-", self.dir, self.fault, log, fault,
                                 str(n), self.helper, "boot"], capture_output=True, text=True, timeout=COMMAND_S,
                                check=False)
        if result.returncode == 99 or not log.exists():
            raise LabError(f"the tool failed: {result.stderr}")
        return result, log.read_text().splitlines()


def judged_result(result, calls, fault):
    """What the command itself must keep to: it ends as documented and says why."""
    broken, died = [], result.returncode >= 128
    hit = next((line.split()[1] for line in calls if line.endswith(" !")), "")
    if SAID_WRONG.search(result.stderr):
        broken.append(f"it said: {result.stderr.strip()}")
    if died and not (fault.startswith(("kill", "bus-caller-dies")) or hit in DEATHS):
        broken.append(f"it died of signal {result.returncode - 128}: {result.stderr.strip()}")
    if not died and result.returncode not in CODES:
        broken.append(f"it ended with {result.returncode}: {result.stderr.strip()}")
    if not died and result.returncode and not result.stderr.strip():
        broken.append(f"it ended with {result.returncode} and said nothing")
    return [invariants.Broken("-", text) for text in broken]


def encoded(data):
    return base64.b64encode(data).decode()

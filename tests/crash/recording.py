# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is done on the device whose disk logs every write: the scenarios, the controls, and a recording of one of them.

A recording is a folder: base.raw, the disk at first; log.raw, every write since; story.json, what the device had, where
in the log the scenario began and ended, and after which entry a command had answered."""
import base64
import contextlib
import json
import shutil

from device import Device, wait_for
import invariants
import logdisk

SECRET = "[wifi-security]\nkey-mgmt=wpa-psk\npsk=the-old-secret\n"
BAD = {"address": "10.99.{n}.66/24", "gateway": "10.99.{n}.254"}
MANUAL = ("--confirm", "manual", "--check", "none")
NEW = "/var/tmp/new.nmconnection"
NM = ("dbus-send", "--system", "--print-reply=literal", "--dest=org.freedesktop.NetworkManager")


class Run:
    """One scenario's hands on the device."""

    def __init__(self, device, disk):
        self.device, self.disk, self.answered = device, disk, []

    def answer(self, command):
        """From this entry of the log on, what the command has said must be true."""
        self.answered.append([command, self.disk.entries()])

    def start(self, *what, timeout="60s"):
        self.device.run("nm-trial", "start", *what, *MANUAL, "--timeout", timeout)

    def confirm(self):
        wait_for("a confirm that is accepted", lambda: self.device.run("nm-trial", "confirm", check=False).returncode == 0)
        self.answer("confirm")

    def cancel(self):
        self.device.run("nm-trial", "cancel")
        self.answer("cancel")

    def closed(self):
        wait_for("the end of the trial", lambda: not (self.device.disk / invariants.RECORD).exists(), 30)

    def modify_badly(self):
        self.device.nmcli("connection", "modify", "lan", "ipv4.addresses", "10.99.0.66/24", "ipv4.gateway", "10.99.0.254")

    def file(self, name):
        return self.device.profile_path(name).read_bytes()


def put(device, text):
    """A file beside the profiles, for `stage` and `start --from`."""
    (device.disk / NEW[1:]).write_text(text)


def edited(text, **words):
    """The lab's profile "lan" with another address and another secret."""
    old, new = Device.profile_text("lan"), Device.profile_text("lan", **words)
    return text.replace(old.partition("[ipv4]")[2].partition("[ipv6]")[0], new.partition("[ipv4]")[2].partition("[ipv6]")[0])


class Scenario:
    """`devices`: what is on trial where, as the oracle takes it; on a device's first port, for most."""
    helper, control = True, False
    trial = {"good": "lan", "candidate": "new"}
    files, stores = {}, ()  # that the scenario makes, as it is to make them, and where
    again = False  # what was put back is tried again, at any moment after a boot

    def __init__(self, device):
        self.port, self.devices = device.port, {device.port: self.trial}

    def profiles(self, device):
        device.profile_file("lan", "# by hand\n" + device.profile_text("lan", device=self.port))
        device.profile("new", device=self.port, autoconnect=False, address="10.99.{n}.20/24")
        device.profile("other", device="eth1")

    def prepare(self, run):
        """On the running device, before the recording begins."""

    def act(self, run):
        raise NotImplementedError


class Promote(Scenario):
    def act(self, run):
        run.start("new")
        run.device.wait_active("new", self.port)
        run.confirm()
        run.closed()


class Timeout(Scenario):
    def act(self, run):
        run.start("new", timeout="2s")
        run.closed()


class Cancel(Scenario):
    def act(self, run):
        run.start("new")
        run.device.wait_active("new", self.port)
        run.cancel()
        run.closed()


class Edit(Scenario):
    words = {"address": "10.99.{n}.40/24"}

    def profiles(self, device):
        text = device.profile_text("lan", device=self.port)
        text = "# by hand\n" + text.replace("[ipv6]", SECRET + "\n[ipv6]")
        device.profile_file("lan", text)
        device.profile("other", device="eth1")
        text = edited(text, **self.words).replace("the-old-secret", "the-new-secret")
        put(device, text)
        self.devices = {self.port: {"good": "lan", "content": base64.b64encode(text.encode()).decode()}}

    def act(self, run):
        run.start("--edit", "lan", "--from", NEW)
        run.confirm()
        run.closed()


class EditReverted(Edit):
    words = BAD

    def act(self, run):
        run.start("--edit", "lan", "--from", NEW, timeout="2s")
        run.closed()


class Two(Scenario):
    """Two devices in one trial."""

    def __init__(self, device):
        super().__init__(device)
        self.devices = {"eth0": self.trial, "eth1": {"good": "lan1", "candidate": "new1"}}

    def profiles(self, device):
        for suffix, port in (("", "eth0"), ("1", "eth1")):
            device.profile("lan" + suffix, device=port)
            device.profile("new" + suffix, device=port, autoconnect=False, address="10.99.{n}.20/24")

    def act(self, run):
        run.start("new", "new1")
        for suffix, port in (("", "eth0"), ("1", "eth1")):
            run.device.wait_active("new" + suffix, port)
        run.confirm()
        run.closed()


class Stage(Scenario):
    """The candidate's file comes into being."""
    stores = (invariants.PROFILES + "new.nmconnection",)

    def profiles(self, device):
        device.profile("lan", device=self.port)
        device.profile("other", device="eth1")
        text = device.profile_text("new", device=self.port, address="10.99.{n}.20/24")
        put(device, text)
        self.files = {self.stores[0]: text.encode()}

    def act(self, run):
        run.device.run("nm-trial", "stage", NEW)
        run.answer("stage")
        run.start("new")
        run.cancel()
        run.closed()


class Recovery(Scenario):
    """The power is cut in a trial; what the next boot does about it is recorded, to be cut again."""

    def act(self, run):
        run.start("new")
        run.device.wait_active("new", self.port)
        run.device.power_cut()
        run.device.boot()
        run.closed()


class Guard(Scenario):
    """A guarded profile is changed with nmcli, and the change is promoted."""
    again = True

    def profiles(self, device):
        device.profile("lan", device=self.port)
        device.profile("other", device="eth1")
        (device.disk / "etc/nm-trial").mkdir(exist_ok=True)
        (device.disk / "etc/nm-trial/nm-trial.conf").write_text("[trial]\ntimeout=20s\nhold=1s\n")

    def prepare(self, run):
        written_by_networkmanager(run, self.port)
        run.device.run("nm-trial", "guard", "lan")
        text = run.file("lan").replace(b"10.99.0.10/24", b"10.99.0.40/24")
        self.devices = {self.port: {"good": "lan", "content": base64.b64encode(text).decode()}}

    def act(self, run):
        run.device.nmcli("connection", "modify", "lan", "ipv4.addresses", "10.99.0.40/24")
        run.device.nmcli("connection", "up", "lan")
        wait_for("the promotion", lambda: invariants.promotions(invariants.files_below(run.device.disk)) == 1, 30)
        run.closed()


def written_by_networkmanager(run, port):
    """Makes lan's file what NetworkManager writes: what it writes later differs in what was changed alone."""
    run.device.nmcli("connection", "modify", "lan", "ipv4.route-metric", "50")
    run.device.nmcli("connection", "up", "lan")
    run.device.wait_active("lan", port)


class Modify(Scenario):
    """Control: `nmcli connection modify` alone."""
    helper, control = False, True
    trial = {"good": "lan", "candidate": "bad"}

    def profiles(self, device):
        device.profile("lan", device=self.port)
        device.profile("bad", device=self.port, autoconnect=False, **BAD)  # what the oracle calls new; never used
        device.profile("other", device="eth1")

    def prepare(self, run):
        written_by_networkmanager(run, self.port)

    def act(self, run):
        run.modify_badly()
        run.device.nmcli("connection", "up", "lan")


class Checkpoint(Modify):
    """Control: the same under a checkpoint of NetworkManager, which rolls it back after 6 s."""

    def act(self, run):
        before = run.file("lan")
        run.device.run(*NM, "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager.CheckpointCreate",
                       "array:objpath:", "uint32:6", "uint32:0")
        run.modify_badly()
        run.device.nmcli("connection", "up", "lan")
        wait_for("the rollback", lambda: run.file("lan") == before, 20)


SCENARIOS = {"promote": Promote, "timeout": Timeout, "cancel": Cancel, "edit": Edit, "edit-reverted": EditReverted,
             "two": Two, "stage": Stage, "recovery": Recovery, "guard": Guard}
CONTROLS = {"checkpoint": Checkpoint, "modify": Modify}


class Recording:
    def __init__(self, folder):
        self.dir = folder
        told = json.loads((folder / "story.json").read_text())
        self.kind, self.begin, self.end, self.control = (told[key] for key in ("kind", "begin", "end", "control"))
        self.again = told["again"]
        self._answered = told["answered"]
        self.answers = {entry for _, entry in self._answered}
        files = {path: base64.b64decode(data) for path, data in told["files"].items()}
        self.story = invariants.Story(told["devices"], files, told["stores"])

    def answered(self, cut):
        """The last command that had answered 0 before the cut."""
        return next((command for command, entry in reversed(self._answered) if cut.after >= entry), None)


class Lab(Device):
    """The lab's device, in namespaces."""
    port, enter = "eth0", ()

    def __init__(self, folder):
        super().__init__(folder)
        self.place = self.disk


def record(device, folder, kind, name, helper, syncing):
    """Makes a device whose disk logs every write, does the scenario on it and cuts its power. The device stays, without
    a disk."""
    kinds = {**SCENARIOS, **CONTROLS}
    device.create(helper if kinds[name].helper else None)
    scenario = kinds[name](device)
    scenario.profiles(device)
    disk = logdisk.LogDisk(kind, folder, lambda place: _move(device.disk, place), device.place, device.enter)
    try:
        device.boot()
        device.wait_active("lan", device.port)
        run = Run(device, disk)
        scenario.prepare(run)
        logdisk.syncfs(device.disk)
        files, begin = {**invariants.files_below(device.disk), **scenario.files}, disk.entries()
        with logdisk.Syncing(device.disk) if syncing else contextlib.nullcontext():
            scenario.act(run)
        logdisk.syncfs(device.disk)
        end = disk.entries()
    finally:
        if device.running():
            device.power_cut()
        disk.close()
    (folder / "story.json").write_text(json.dumps({
        "kind": kind, "devices": scenario.devices, "begin": begin, "end": end, "control": scenario.control,
        "again": scenario.again, "stores": scenario.stores, "answered": run.answered,
        "files": {path: base64.b64encode(data).decode() for path, data in files.items()}}))
    return Recording(folder)


def _move(source, target):
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(source)
    source.mkdir()

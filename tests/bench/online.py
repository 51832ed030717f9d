# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole boot until the device is online, behind a power cut in a trial: beside the same device's boot without
nm-trial. With the real units, under systemd; instructions are counted in the lab, where callgrind can be in the way."""
import contextlib
import dataclasses
import re
import shutil

from boot import fresh, inside, interrupted
from measure import BUILD, HELPER, Row, in_turn, instructions
from scene import PROFILES, RECORD, wait_for
from nspawn import ACTIVE, Container

ADDRESS, TRIED = "10.99.7.10", "10.99.7.20"
STATE = "var/lib/nm-trial"
UNIT, BOOT, AGENT = "NetworkManager.service", "nm-trial-boot.service", "nm-trial.service"
# In NetworkManager's place; what it starts is not counted.
COUNTED = """#!/bin/sh
exec valgrind --tool=callgrind --callgrind-out-file={counts} --log-file={counts}.log /usr/sbin/NetworkManager "$@"
"""


@dataclasses.dataclass
class Boot:
    """In milliseconds."""
    online: float  # from systemd's start until the old network is active
    cpu: float     # of all that runs in the device until then
    waited: float = 0  # for nm-trial-boot.service, by NetworkManager's start
    own: float = 0     # by the program of nm-trial-boot.service
    ours: float = 0    # CPU of nm-trial's units


class Booted:
    """A device whose power is cut again and again: in a trial, or (without nm-trial) in its good network."""

    def __init__(self, build=None):
        self.build = build

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.container = Container(self.build)
            stack.callback(self.container.destroy)
            self.container.create()
            self.container.profile("lan", address=ADDRESS, autoconnect=True)
            self.container.profile("good", address=TRIED, autoconnect=False)
            if self.build:
                self.container.install()
            self.container.boot()
            self.container.wait_active("lan")
            if self.build:
                self.container.run("nm-trial", "start", "good", "--confirm", "manual", "--check", "none", "--timeout", "10m")
                self.container.wait_active("good")
            self.container.power_cut()
            for path in self.kept():
                shutil.copytree(self.container.root / path, self.container.dir / "cut" / path)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def kept(self):
        return [PROFILES, STATE] if self.build else [PROFILES]

    def boot(self):
        for path in self.kept():
            shutil.rmtree(self.container.root / path)
            shutil.copytree(self.container.dir / "cut" / path, self.container.root / path)
        before = self.cpu()
        self.container.boot()
        online = wait_for("NetworkManager's word", self.online, 60, 0.2)
        found = Boot(online - self.shown("", "UserspaceTimestampMonotonic")[0], self.cpu() - before)
        if self.build:
            if (self.container.root / RECORD).exists():
                raise RuntimeError("the trial was not ended")
            found.waited, found.own = self.waited()
            found.ours = sum(self.shown(unit, "CPUUsageNSec")[0] for unit in (BOOT, AGENT)) / 1000
        self.container.power_cut()
        return found

    def cpu(self):
        """Milliseconds of all that has ever run in the device."""
        return int(re.search(r"^usage_usec (\d+)", (self.container.cgroup / "cpu.stat").read_text(), re.M)[1]) / 1000

    def online(self):
        """When NetworkManager has said it in this boot, in ms of CLOCK_MONOTONIC; None: it has not."""
        return next((at * 1000 for at in self.container.said(ACTIVE)), None)

    def shown(self, unit, *properties):
        """systemd's own figures of a unit ("": of itself), us as ms, in the order that was asked for."""
        said = self.container.run("systemctl", "show", *([unit] if unit else []),
                                  *(f"--property={name}" for name in properties)).stdout
        values = dict(line.split("=", 1) for line in said.splitlines())
        return [int(values[name]) / 1000 for name in properties]

    def waited(self):
        """How long NetworkManager's start was kept by nm-trial-boot.service alone, and how long its program ran."""
        began, = self.shown(UNIT, "InactiveExitTimestampMonotonic")
        main, over = self.shown(BOOT, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        if not 0 < over <= began:
            raise RuntimeError(f"{BOOT} was not over before {UNIT} began")
        after = self.container.run("systemctl", "show", UNIT, "--property=After", "--value").stdout.split()
        others = [self.shown(unit, "ActiveEnterTimestampMonotonic")[0] for unit in after if unit != BOOT]
        return max(0, over - max(at for at in others if at <= began)), over - main


def counted(scene):
    """NetworkManager's instructions until a device that is switched on is online."""
    counts, path = scene.device.dir / "callgrind", scene.device.dir / "sbin/NetworkManager"
    path.write_text(COUNTED.format(counts=counts), encoding="ascii")
    path.chmod(0o755)
    scene.device.boot()
    scene.device.wait_online(seconds=120)
    scene.device.run("callgrind_control", "--dump")
    dump = counts.with_name(f"{counts.name}.1")
    found = wait_for("callgrind's count", lambda: dump.exists() and re.search(r"^summary: (\d+)", dump.read_text(), re.M))
    return int(found[1])


def rows(rounds):
    with Booted(BUILD) as ours, Booted() as without:
        taken = in_turn(rounds, ours=ours.boot, without=without.boot)
    ours, without = taken["ours"], taken["without"]
    yield Row("boot to online after a power cut in a trial", "ms", [boot.online for boot in ours],
              "without nm-trial", [boot.online for boot in without])
    yield Row("boot to online: all processes", "ms CPU", [boot.cpu for boot in ours], "without nm-trial",
              [boot.cpu for boot in without])
    yield Row("boot to online: nm-trial's units", "ms CPU", [boot.ours for boot in ours], "all processes",
              [boot.cpu for boot in ours])
    yield Row("boot to online: NetworkManager has waited for nm-trial-boot", "ms", [boot.waited for boot in ours],
              "its program's own run", [boot.own for boot in ours], 1)
    with interrupted() as (top, scene):
        boot = instructions([HELPER, "boot"], inside(fresh(top), top))
        agent = instructions([HELPER, "agent", "--exit-idle"], inside(top / "after", top))
        yield Row("boot to online: instructions of nm-trial boot and agent", "", [boot + agent],
                  "NetworkManager until online", [counted(scene)])

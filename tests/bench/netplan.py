# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same wrong change by `nm-trial start` and by `netplan try`, each on a device of its own with systemd and
NetworkManager: which network it has in the end, and how fast it has its old one again."""
import concurrent.futures
import contextlib
import os
import re
import signal
import time

from measure import BUILD, BenchError, Row, in_turn, run, say
from scene import RECORD, wait_for
from nspawn import ACTIVE, GATEWAY, Container, LabError

PACKAGE = "netplan.io"
ADDRESS, NOBODY = "10.99.7.10", "10.99.7.99"  # the change: a gateway that is not there
NETWORKS = {GATEWAY: "the old one", NOBODY: "**the untried one**", "": "**none**"}
DEADLINE_S, LATER_S = 10, 10
SLOWEST = 5  # each round takes twice the deadline, and more
# A container's /sys is read-only and nobody listens to its events: `udevadm trigger` fails there, and netplan with it.
UDEVADM = """#!/bin/sh
[ "$1" = trigger ] || exec /usr/bin/udevadm "$@"
"""


class Tool:
    """A device that is online, with a tool by which to change that."""
    packages, build = (), None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.container = Container(self.build, self.packages)
            stack.callback(self.container.destroy)
            self.container.create()
            if self.build:
                self.container.install()
            self.restore()
            self.boot()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def path(self, name):
        """A file of its disk, named with the leading slash."""
        return self.container.root / name.lstrip("/")

    def wait_network(self, gateway, seconds=60):
        wait_for(f"a default route by {gateway}", lambda: self.container.default_gateway() == gateway, seconds, 0.2)

    def network(self):
        return NETWORKS[self.container.default_gateway()]

    def boot(self):
        self.container.boot()
        self.wait_network(GATEWAY)
        self.container.run("nm-online", "-s", "-q", "-t", "30")  # the route is there before NetworkManager is ready

    def reset(self):
        """As it was before the first trial, and booted."""
        self.container.power_cut()
        self.restore()
        self.boot()

    def reboot(self):
        """The power is cut: which network does the next boot have?"""
        self.container.power_cut()
        self.container.boot()
        with contextlib.suppress(LabError):  # "none" is an answer, too
            wait_for("a default route", self.container.default_gateway, 20)
        return self.network()

    def tried(self):
        """The change is active; returns its deadline."""
        deadline = self.try_it()
        self.wait_network(NOBODY, DEADLINE_S)
        return deadline

    def after(self, deadline):
        """The network that it has when its deadline has long passed."""
        time.sleep(max(0, deadline + LATER_S - time.monotonic()))
        return self.network()

    # What is done to it

    def reverted(self):
        """Nobody confirms: milliseconds from the deadline, and from the verdict, until the old network is active."""
        self.reset()
        deadline = self.tried()
        self.wait_network(GATEWAY)
        verdict, = wait_for("a verdict", lambda: self.container.said(self.VERDICT, deadline - 1))
        active = wait_for("NetworkManager's word", lambda: self.container.said(ACTIVE, verdict))[-1]
        return (active - deadline) * 1000, (active - verdict) * 1000

    def forgotten(self):
        self.reset()
        return self.after(self.tried())

    def forgotten_then_booted(self):
        """To be called behind forgotten()."""
        return self.reboot()

    def cut(self):
        self.reset()
        self.tried()
        return self.reboot()

    def killed(self):
        self.reset()
        deadline = self.tried()
        for pid in self.container.host_pids(self.NAME):
            os.kill(pid, signal.SIGKILL)
        return self.after(deadline)

    def confirmed(self):
        self.reset()
        deadline = self.tried()
        self.confirm()
        return self.after(deadline)


class NmTrial(Tool):
    NAME, TITLE = "nm-trial", "nm-trial start --check gateway"
    VERDICT = "going back from"
    build = BUILD

    def restore(self):
        for path in (RECORD, "var/lib/nm-trial/history"):
            self.path(path).unlink(missing_ok=True)
        self.container.profile("lan", address=ADDRESS, autoconnect=True)
        self.container.profile("good", address=ADDRESS, gateway=NOBODY, autoconnect=False)

    def try_it(self):
        self.container.run("nm-trial", "start", "good", "--check", "gateway", "--timeout", f"{DEADLINE_S}s")
        deadline = int(re.search(r"^deadline-ms=(\d+)", self.path(RECORD).read_text(), re.M)[1]) / 1000
        return deadline - time.clock_gettime(time.CLOCK_BOOTTIME) + time.monotonic()

    def confirm(self):
        self.container.run("nm-trial", "confirm", check=False)


class Netplan(Tool):
    """Its file is edited, then tried."""
    NAME, TITLE = "netplan", "netplan try"
    VERDICT = "^Reverting"
    packages = (PACKAGE,)
    KEY = "/run/key"  # a terminal at which nobody sits
    YAML = """\
network:
  version: 2
  renderer: NetworkManager
  ethernets:
    host0:
      addresses: [{address}/24]
      routes: [{{to: default, via: {gateway}, metric: {metric}}}]
"""
    CHANGED, OPTIONS, METRIC = "/etc/netplan/lan.yaml", "", 100

    def restore(self):
        self.path("/usr/local/sbin/udevadm").write_text(UDEVADM)
        self.path("/usr/local/sbin/udevadm").chmod(0o755)
        for path in self.path("/etc/netplan").iterdir():
            path.unlink()
        self.write("/etc/netplan/lan.yaml", GATEWAY, 100)

    def write(self, path, gateway, metric):
        self.path(path).write_text(self.YAML.format(address=ADDRESS, gateway=gateway, metric=metric))
        self.path(path).chmod(0o600)

    def try_it(self):
        self.write(self.CHANGED, NOBODY, self.METRIC)
        self.container.run("mkfifo", self.KEY)
        self.container.run("systemd-run", "-q", "--unit=netplan-try", "-E", "PYTHONUNBUFFERED=1", "sh", "-c",
                           f"exec netplan try --timeout {DEADLINE_S} {self.OPTIONS} 0<>{self.KEY}")
        asked, = wait_for("netplan's question", lambda: self.container.said("^Do you want to keep these settings"), 60, 0.2)
        return asked + DEADLINE_S

    def confirm(self):
        self.container.run("sh", "-c", f"echo >{self.KEY}")


class NetplanFile(Netplan):
    """The change is a file of its own, which netplan adds to what there is: its route is the better one."""
    TITLE = "netplan try --config-file"
    CHANGED, OPTIONS, METRIC = "/root/change.yaml", "--config-file /root/change.yaml", 50


SCENARIOS = (("nobody confirms: the network after the deadline", Tool.forgotten),
             ("then the power is cut: the next boot's", Tool.forgotten_then_booted),
             ("confirmed by mistake: after the deadline", Tool.confirmed),
             ("the tool is killed in the trial: after the deadline", Tool.killed),
             ("the power is cut in the trial: the next boot's", Tool.cut))


def found(tools):
    """A table of what becomes of the device."""
    yield f"| the gateway of the change is not there; {DEADLINE_S} s to confirm | " + " | ".join(
        tool.TITLE for tool in tools) + " |"
    yield "|---" * (len(tools) + 1) + "|"
    with concurrent.futures.ThreadPoolExecutor() as devices:  # most of it is waiting, and none of it is timed
        for what, scenario in SCENARIOS:
            yield f"| {what} | " + " | ".join(devices.map(scenario, tools)) + " |"


def nmstate():
    """Only what Debian packages is set beside nm-trial."""
    known = run(["apt-cache", "madison", PACKAGE, "nmstate"]).stdout
    if PACKAGE not in known:
        raise BenchError("apt knows no package here: apt-get update")
    if "nmstate" in known:
        raise BenchError(f"nmstate is packaged, and {__file__} has no device with it:\n{known}")
    return "nmstate: no package of this Debian (apt-cache madison nmstate)."


def rows(rounds):
    print(f"\n{nmstate()}\n")
    with NmTrial() as ours, Netplan() as edited, NetplanFile() as file:
        for line in found((ours, edited, file)):
            print(line, flush=True)
        print()
        rounds = min(rounds, SLOWEST)
        say(f"bench: netplan: {rounds} rounds, of a minute each")
        taken = in_turn(rounds, ours=ours.reverted, edited=edited.reverted, file=file.reverted)
    ours, own = zip(*taken["ours"], strict=True)
    for name, title in (("edited", Netplan.TITLE), ("file", NetplanFile.TITLE)):
        theirs, other = zip(*taken[name], strict=True)
        yield Row("wrong change: deadline until the old network is active", "ms", ours, title, theirs, 1)
        yield Row("wrong change: verdict until the old network is active", "ms", own, title, other, 1)

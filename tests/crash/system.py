# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole system as the scenarios' device: systemd, journald, NetworkManager and nm-trial's own units in a container,
whose /etc and /var are on the disk that logs every write. /usr, which nothing writes, is not."""
import pathlib
import shutil
import subprocess
import sys

from device import Device
import nspawn

INTERNET = "10.99.255.1"
# A refusal comes from the machine itself: it was reached.
REACH = f"""
import socket
try:
    socket.create_connection(("{INTERNET}", 9), 2)
except ConnectionRefusedError:
    raise SystemExit(0)
except OSError:
    raise SystemExit(1)
"""


class System(Device):
    port = "host0"

    def __init__(self, helper):
        self.container = nspawn.Container(pathlib.Path(helper).parent)
        self.place = None  # where the disk is, in the container's mount namespace

    def create(self, helper=None):
        self.container.create()
        if helper:
            self.container.install()
        self.place = self.container.dir / "disk"
        self.place.mkdir()
        for name in ("etc", "var"):
            shutil.copytree(self.container.root / name, self.place / name, symlinks=True,
                            ignore=shutil.ignore_patterns("dpkg", "apt"))

    def _mount(self, *words):
        subprocess.run([*self.enter, *words], check=True)

    @property
    def enter(self):
        return ["nsenter", "-t", str(self.container.gateway), "-m", "--"]

    @property
    def disk(self):
        """The same as this process sees it."""
        return pathlib.Path(f"/proc/{self.container.gateway}/root") / str(self.place)[1:]

    def running(self):
        return self.container.init is not None

    def boot(self):
        for name in ("etc", "var"):
            self._mount("mount", "--bind", self.place / name, self.container.root / name)
        self.container.boot()
        for words in ((f"{INTERNET}/32", "dev", "lo"), ("10.99.0.1/24", "dev", f"ve-{self.container.name}")):
            self._outside("addr", "replace", *words)
        self._outside("link", "set", "lo", "up")

    def power_cut(self):
        self.container.power_cut()
        for name in ("etc", "var"):
            self._mount("umount", self.container.root / name)

    def destroy(self):
        self.container.destroy()

    def run(self, *command, check=True, timeout=60, stdin=None):
        assert stdin is None
        return self.container.run(*command, check=check, timeout=timeout)

    def journal(self, identifier=None):
        return []  # it is on the disk, in journald's own form

    def active(self, device="host0"):
        return self.container.active() if device == self.port else ""

    def online(self, device="host0", family=4):
        """Whether what is behind the gateway can be reached."""
        return subprocess.run(["nsenter", "-t", str(self.container.init), "-n", sys.executable, "-c", REACH],
                              check=False).returncode == 0

    def _outside(self, *words):
        subprocess.run(["nsenter", "-t", str(self.container.gateway), "-n", "ip", *words], check=True)

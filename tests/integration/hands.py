# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test does to its device, and where it looks, beside nm-trial's own words."""
import contextlib
import json
import os
import re
import subprocess

from device import wait_for

HOLD = "/run/lab-hold-agent"
NM = ("--dest=org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager")
INTERFACE = "org.freedesktop.NetworkManager"
# What is installed here, as (1, 42, 4)
NM_VERSION = tuple(int(number) for number in re.match(r"(\d+)\.(\d+)\.(\d+)", subprocess.run(
    ["NetworkManager", "--version"], check=True, capture_output=True, text=True).stdout).groups())


class Hands:
    """A mixin for Case; uses its device."""

    def addresses(self, device="eth0"):
        output = self.device.run("ip", "-j", "-4", "address", "show", "dev", device).stdout
        return {f"{a['local']}/{a['prefixlen']}" for link in json.loads(output) for a in link.get("addr_info", [])}

    def stored_addresses(self, name):
        stored = self.profile(name)["ipv4"]
        if stored["method"] != "manual":
            return self.addresses()
        return {value.partition(",")[0] for key, value in stored.items() if key.startswith("address")}

    def dbus(self, *arguments, check=True):
        """dbus-send, of Debian's dbus-bin, which the lab's dbus-daemon brings along."""
        return self.device.run("dbus-send", "--system", "--print-reply=literal", *arguments, check=check).stdout

    def checkpoints(self):
        output = self.dbus(*NM, "org.freedesktop.DBus.Properties.Get", f"string:{INTERFACE}", "string:Checkpoints")
        return re.findall(r"/org/freedesktop/NetworkManager/Checkpoint/\d+", output)

    def create_checkpoint(self, seconds, device="eth0"):
        """As any other program would; NetworkManager rolls back after that time. Returns its path, or raises LabError."""
        path = self.dbus(*NM, f"{INTERFACE}.GetDeviceByIpIface", f"string:{device}").strip()
        return self.dbus(*NM, f"{INTERFACE}.CheckpointCreate", f"array:objpath:{path}",
                         f"uint32:{seconds}", "uint32:0").strip()

    def destroy_checkpoint(self, path):
        self.dbus(*NM, f"{INTERFACE}.CheckpointDestroy", f"objpath:{path}")

    def destroy_checkpoints(self):
        for path in self.checkpoints():
            self.destroy_checkpoint(path)

    def helpers(self, name="nm-trial"):
        """The device's nm-trial processes, as this machine numbers them."""
        namespace = os.readlink(f"/proc/{self.device.init_pid()}/ns/pid")
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/comm", encoding="ascii", errors="replace") as comm:
                    if comm.read() == f"{name}\n" and os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                        found.append(int(entry))
            except OSError:
                continue
        return found

    def nm_host_pid(self):
        return self.helpers("NetworkManager")[0]

    @staticmethod
    def kill_process(pid, signal=9):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal)

    def kill_helpers(self):
        for pid in self.helpers():
            self.kill_process(pid)

    def hold_agent(self):
        """The agent dies and stays dead, until release_agent()."""
        self.device.run("touch", HOLD)
        self.kill_helpers()
        wait_for("the agent's end", lambda: not self.helpers())

    def release_agent(self):
        self.device.run("rm", "-f", HOLD)

    def set_option(self, name, value):
        """An option of the lab's device, from its next boot on."""
        path = self.device.dir / "options"
        lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{name}=")]
        path.write_text("\n".join([*lines, f"{name}={value}", ""]))

    def signal_nm(self, name):
        """STOP: NetworkManager hangs; CONT: it goes on."""
        self.device.run("kill", f"-{name}", self.device.nm_pid())

    def read_only(self, yes, paths=("/etc", "/var")):
        for path in paths:
            self.device.run("mount", "-o", f"remount,bind,{'ro' if yes else 'rw'}", path)

    def said(self, pattern, identifier="nm-trial"):
        """The journal's messages of nm-trial that match."""
        return [entry["MESSAGE"] for entry in self.device.journal(identifier)
                if re.search(pattern, entry.get("MESSAGE", ""), re.I)]


def background(device, *command):
    """Starts a command in the device without waiting for it; the caller ends it."""
    return subprocess.Popen(device.inside(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests in a whole machine share: nm-trial installed as a package would, put back before each test to the
instant at which the class was ready; words for trials, and how they end."""
import functools
import json
import os
import re
import sys
import unittest

import device
import keyfile
from qemu import BOOTED, Machine, PATIENCE, booted_machine

READY = "ready"
UNIT = """\
[Unit]
Before=NetworkManager.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/site/site
[Install]
WantedBy=multi-user.target
"""
# As at each boot: what is around the device is there before NetworkManager, which would look at the site's radios too
START = """
systemctl daemon-reload
systemctl stop NetworkManager
systemctl enable --now site.service || { journalctl -b -o short-precise -n 60 --no-pager >&2; exit 1; }
systemctl start NetworkManager
until nmcli connection load /etc/NetworkManager/system-connections/lan.nmconnection; do sleep 0.5; done
"""


def path(name):
    """A profile's file."""
    return f"/{device.PROFILES}/{name}.nmconnection"


def wait_for(what, condition):
    """Each look is a command in a slow machine: it is left alone in between."""
    return device.wait_for(what, condition, PATIENCE, pause=0.5)


class MachineCase(unittest.TestCase):
    """A subclass has these two. The script /etc/site/site makes the network around the device at each boot."""
    interface = None

    def __init__(self, method="runTest"):
        super().__init__(method)
        if hasattr(self, method):
            setattr(self, method, self._explained(getattr(self, method)))

    @classmethod
    def setUpClass(cls):
        cls.machine = Machine(booted_machine())
        cls.addClassCleanup(cls.machine.destroy)
        cls.machine.back_to(BOOTED)
        cls.machine.install(os.environ["NM_TRIAL_BUILD"])
        cls.machine.write({"/etc/systemd/system/site.service": UNIT, **cls.site()})
        cls.machine.run("sh", "-ec", START)
        cls.wait_active("lan")
        cls.machine.keep(READY)

    @classmethod
    def site(cls):
        """The files of the network around the device, and of its profile: {path: text}."""
        raise NotImplementedError

    def setUp(self):
        self.machine.back_to(READY)

    def _explained(self, method):
        """A failure is shown with what the machine's journal says of all its boots."""
        @functools.wraps(method)
        def run():
            try:
                method()
            except BaseException:
                journal = self.machine.run("journalctl", "-o", "short-precise", "-t", "nm-trial", "-t", "NetworkManager",
                                           "-t", "wpa_supplicant", check=False).stdout.splitlines()
                print("", *journal[-250:], "", sep="\n", file=sys.stderr, flush=True)
                raise
        return run

    # Profiles

    def store(self, name, text):
        """Writes a profile as an editor does, durably, and has NetworkManager load it."""
        self.machine.write({path(name): text})
        self.machine.run("nmcli", "connection", "load", path(name))

    def text(self, name):
        return self.machine.read(path(name))

    def profile(self, name):
        return keyfile.parse(self.text(name))

    @classmethod
    def active(cls):
        """The name of the profile that is activated on the device, "" when none is."""
        lines = cls.machine.run("nmcli", "-t", "-f", "NAME,DEVICE,STATE", "connection", "show", "--active").stdout
        return next((line.split(":")[0] for line in lines.splitlines() if line.endswith(f":{cls.interface}:activated")), "")

    @classmethod
    def wait_active(cls, name):
        wait_for(f"{name!r} active", lambda: cls.active() == name)

    # Trials

    def trial(self, *arguments, status=0):
        result = self.machine.run("nm-trial", *arguments, check=False)
        self.assertEqual(result.returncode, status, result)
        return result

    def start(self, *arguments):
        output = self.trial("start", *arguments).stdout
        found = re.match(r"trial ([0-9a-f]{8})\n", output)
        self.assertTrue(found, output)
        return found[1]

    def start_manual(self, *arguments):
        """Nothing but a failed activation or an operator's word ends it in this test."""
        return self.start(*arguments, "--confirm", "manual", "--check", "none", "--timeout", "1h")

    def status(self):
        return json.loads(self.trial("status", "--json").stdout)

    def history(self):
        return json.loads(self.trial("history", "--json").stdout)

    def wait_end(self, trial_id, verdict, reason):
        """Waits until the trial is closed, and returns its history entry."""
        wait_for(f"the end of trial {trial_id}", lambda: self.status()["state"] == "none")
        entry = self.history()[0]
        self.assertEqual((entry["id"], entry["verdict"], entry["reason"]), (trial_id, verdict, reason), entry)
        return entry

    def assert_flags(self, name, *, on, state=None):
        profile = self.profile(name)
        self.assertEqual((keyfile.autoconnect(profile), keyfile.annotation(profile)), (on, state), name)

    def assert_reverted(self, trial_id, name, reason="activation-failed"):
        """The profile "lan" has the device again, as it was; returns the history entry."""
        entry = self.wait_end(trial_id, "reverted", reason)
        self.wait_active("lan")
        self.assert_flags(name, on=False, state="demoted")
        self.assert_flags("lan", on=True)
        return entry

    def assert_power_cut(self, trial_id, name):
        """The power is cut in the middle of that trial: the machine comes up with the network that it had."""
        self.cut_and_boot()
        self.assert_reverted(trial_id, name, "unconfirmed-reboot")

    def cut_and_boot(self):
        self.machine.power_cut()
        self.machine.boot()


__all__ = ["MachineCase", "keyfile", "path", "wait_for"]

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests with the real units share: a device with systemd on which nm-trial is installed as a package would."""
import functools
import json
import os
import re
import sys
import unittest

from device import wait_for
import keyfile
from nspawn import Container


def explained(method):
    """A failure of the test is shown with what the container's journal says of all its boots."""
    @functools.wraps(method)
    def run(self):
        try:
            method(self)
        except BaseException:
            journal = self.container.run("journalctl", "-o", "short-precise", "-t", "nm-trial", "-t", "systemd", "-t",
                                         "NetworkManager", check=False).stdout.splitlines()
            print("", *[line for line in journal if "run-u" not in line][-200:], "", sep="\n", file=sys.stderr, flush=True)
            raise
    return run


class Words:
    """nm-trial in the container: a mixin for a test case that has one."""

    def trial(self, *arguments, check=True):
        return self.container.run("nm-trial", *arguments, check=check)

    def start(self, name="good", *, check="none"):
        output = self.trial("start", name, "--confirm", "manual", "--check", check, "--timeout", "10m").stdout
        found = re.match(r"trial ([0-9a-f]{8})\n", output)
        self.assertTrue(found, output)
        self.container.wait_active(name)
        return found[1]

    def status(self):
        return json.loads(self.trial("status", "--json").stdout)

    def last(self):
        return json.loads(self.trial("history", "--json").stdout)[0]


class SystemdCase(Words, unittest.TestCase):
    def setUp(self):
        self.assertIn("NM_TRIAL_BUILD", os.environ, "the build folder to install nm-trial from")
        self.container = Container(os.environ["NM_TRIAL_BUILD"])
        self.addCleanup(self.container.destroy)
        self.container.create()
        self.container.install()
        self.container.profile("lan", address="10.99.7.10", autoconnect=True)
        self.container.boot()
        self.container.wait_active("lan")

    def unit(self, name="nm-trial.service", *properties):
        shown = self.container.run("systemctl", "show", name, *(f"--property={prop}" for prop in properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def journal(self):
        """This boot's entries, oldest first."""
        return [json.loads(line) for line in self.container.run("journalctl", "-b", "-o", "json").stdout.splitlines()]

    def profile(self, name):
        return keyfile.parse(self.container.profile_text(name))

    def assert_quiet(self):
        """No trial is open: nothing of nm-trial runs, and its units have not failed."""
        wait_for("the agent's end", lambda: not self.container.processes("nm-trial"))
        wait_for("its unit's end", lambda: self.unit("nm-trial.service", "ActiveState")["ActiveState"] == "inactive")
        agent = self.unit("nm-trial.service", "Result", "NRestarts")
        self.assertEqual(agent, {"Result": "success", "NRestarts": "0"})
        boot = self.unit("nm-trial-boot.service", "Result", "ActiveState", "SubState")
        self.assertEqual(boot, {"Result": "success", "ActiveState": "active", "SubState": "exited"})
        self.assertEqual(self.status()["state"], "none")
        units = self.container.run("systemctl", "list-units", "--plain", "--no-legend", "*nm-trial*").stdout
        self.assertRegex(units, r"\A\S*nm-trial-boot.service +loaded +active +exited .*\n\Z", "nothing else, and no timer")
        self.assertNotIn("nm-trial", self.container.run("systemctl", "list-timers", "--all").stdout)

    def assert_agent(self):
        """The trial's agent runs, as its unit's main process."""
        wait_for("the unit", lambda: self.unit("nm-trial.service", "ActiveState")["ActiveState"] == "active")
        self.assertIn(self.unit("nm-trial.service", "MainPID")["MainPID"], self.container.processes("nm-trial"))

    def own_check(self, text):
        path = self.container.root / "etc/nm-trial/check.d/mine"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def drop_in(self, unit, text):
        """More of [Service] for that unit, from the next daemon-reload or boot on."""
        self.edit(unit, f"[Service]\n{text}")

    def edit(self, unit, text):
        """As `systemctl edit` leaves it, but for the daemon-reload."""
        path = self.container.root / f"etc/systemd/system/{unit}.d/override.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

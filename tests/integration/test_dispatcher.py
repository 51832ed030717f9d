# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dispatcher script: nothing is started for what is none of its business, and nothing it is told is believed."""
import unittest

from annotated import AnnotatedCase, SCRIPTS
from case import PROFILES, uuid_of, wait_for

SCRIPT = f"/{SCRIPTS}/90-nm-trial"
# Runs the script in a shell that is process 1 of a pid namespace, and says which pid was given out last: without a
# fork that is the shell's own. Where the script starts a program (by exec) nothing is said.
COUNTED = '. "$0"; read -r _ _ _ _ last </proc/loadavg; echo "pid $last"'


class Dispatcher(AnnotatedCase):
    def script(self, *arguments, **environment):
        """Runs the script as the dispatcher does; returns what it started: nothing, or a program that took over."""
        result = self.device.run("env", *(f"{name}={value}" for name, value in environment.items()), "unshare", "--pid",
                                 "--fork", "--mount-proc", "sh", "-c", COUNTED, SCRIPT, *arguments, check=False)
        return result.stdout.strip()

    def filename(self, name):
        return f"/{PROFILES}/{name}.nmconnection"

    def test_no_program_is_started_for_other_events(self):
        self.annotated()
        lan = {"CONNECTION_UUID": uuid_of("lan"), "CONNECTION_FILENAME": self.filename("lan")}
        good = {"CONNECTION_UUID": uuid_of("good"), "CONNECTION_FILENAME": self.filename("good")}
        for action in ("up", "down", "pre-up", "dhcp4-change", "connectivity-change", "reapply", ""):
            self.assertEqual(self.script("eth0", action, **lan), "pid 1", action)
        for action in ("down", "pre-down", "vpn-up", "dhcp6-change"):
            self.assertEqual(self.script("eth0", action, **good), "pid 1", action)
        self.assertEqual(self.script(), "pid 1")
        self.assertEqual(self.script("eth0", "up", **good), "")  # it is seen when it does start one
        self.trial("guard", "lan")
        self.assertEqual(self.script("eth0", "down", **lan), "")
        self.assertEqual(self.script("eth0", "pre-down", **lan), "pid 1")

    def test_no_program_is_started_for_what_is_no_file(self):
        self.device.run("mkfifo", "/run/pipe")
        self.device.run("sh", "-c", "printf '[connection]\\nid=x' >/run/unended; printf nm-trial.replaces=x >/run/last")
        for name in ("/run/pipe", "/run", "/nowhere", "", "/run/unended"):
            self.assertEqual(self.script("eth0", "up", CONNECTION_FILENAME=name), "pid 1", name)
        self.assertEqual(self.script("eth0", "up", CONNECTION_FILENAME="/run/last"), "")

    def test_a_hostile_environment_does_nothing(self):
        self.annotated()
        before = self.files()
        for interface, uuid in (("eth0", "$(touch /run/owned)"), ("`touch /run/owned`", uuid_of("good")),
                                ("--help", uuid_of("good")), ("eth0;touch /run/owned", uuid_of("good")),
                                ("../../etc", uuid_of("good")), ("eth0", "../../../etc/passwd"), ("eth0", "--version"),
                                ("eth0", "x" * 100000), ("eth0\nup", uuid_of("good")), ("eth1", uuid_of("good"))):
            self.device.run("env", f"CONNECTION_UUID={uuid}", f"CONNECTION_FILENAME={self.filename('good')}",
                            "PATH=/run/elsewhere:/usr/bin:/bin", "IFS=ah", SCRIPT, interface, "up", check=False)
        self.assertFalse(self.device.test("test -e /run/owned"))
        wait_for("a look at all of it", lambda: self.device.test("test -z \"$(ls -A /run/nm-trial/events)\""))
        self.assert_no_trial()
        self.assertEqual((self.device.active(), self.files()), ("lan", before))

    def test_a_slow_script_of_somebody_else_does_not_delay_it(self):
        slow = self.device.disk / SCRIPTS / "10-slow"
        slow.write_text("#!/bin/sh\n[ \"$3$2\" != up ] || exec sleep 30\n")
        slow.chmod(0o755)
        self.annotated(confirm="manual")
        self.device.nmcli("connection", "up", "good")
        self.opened()
        self.assertNotIn("eth0 up good", self.dispatched())


if __name__ == "__main__":
    unittest.main(verbosity=2)

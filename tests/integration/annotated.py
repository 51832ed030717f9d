# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of annotated candidates share: their making, and the knowledge that an event has been dealt with."""
from case import Case, wait_for

MARK = """#!/bin/sh
echo "$1 $2 $CONNECTION_ID" >>/var/log/dispatched
"""
SCRIPTS = "etc/NetworkManager/dispatcher.d"


class AnnotatedCase(Case):
    """Times are short, so that a trial ends within a test."""

    def prepare(self):
        mark = self.device.disk / SCRIPTS / "99-mark"
        mark.write_text(MARK)
        mark.chmod(0o755)

    def annotated(self, name="good", *, replaces="lan", bad=False, device="eth0", autoconnect=False,
                  connection="", more="", **annotations):
        """A candidate that says of itself what it replaces, in 20 s and with a hold of 1 s."""
        keys = {"replaces": replaces, "timeout": "20s", "hold": "1s", **annotations}
        user = "".join(f"nm-trial.{key}={value}\n" for key, value in keys.items() if value is not None)
        text = {"address": "10.99.{n}.66/24", "gateway": "10.99.{n}.254"} if bad else {"address": "10.99.{n}.20/24"}
        self.own.add(name)
        uuid = self.device.profile(name, device=device, autoconnect=autoconnect, connection=connection,
                                   ipv6=f"method=disabled\n\n[user]\n{user}{more}", **text)
        self.before = self.files()
        return uuid

    def dispatched(self):
        """The events that the dispatcher has been through with, all of them since the device was made."""
        log = self.device.disk / "var/log/dispatched"
        return log.read_text().splitlines() if log.exists() else []

    def up(self, name="good", device="eth0"):
        """Activates a profile as a person does, and waits until its event has been dealt with."""
        count = len(self.dispatched())
        self.device.nmcli("connection", "up", name, "ifname", device)
        self.dealt_with(f"{device} up {name}", count)

    def dealt_with(self, event, after=0):
        """Waits until the dispatcher and the agent have no more to do with an event: a script or a word that was
        left behind would be seen."""
        wait_for(f"the event {event!r}", lambda: event in self.dispatched()[after:])
        wait_for("the end of what it started", lambda: not self.helpers("90-nm-trial") and len(self.helpers()) == 1 and
                 self.device.test("test -z \"$(ls /run/nm-trial/events)\""))

    def opened(self, name="good"):
        """The id of the trial that the candidate's activation has opened."""
        status = wait_for(f"a trial of {name}", self.open_status)
        self.assertEqual(status["pairs"][0]["candidate"]["id"], name)
        return status["id"]

    def open_status(self):
        status = self.status()
        return status if status["state"] == "trying" else None

    def assert_no_trial(self, ended=0):
        """Nothing has begun: no trial is open, and no more of them have ended."""
        self.assertEqual((self.status()["state"], len(self.history())), ("none", ended))

    def rewrite(self, name, old, new):
        """As an editor or a tool does that reads and writes a profile; NetworkManager is told."""
        text = self.device.profile_path(name).read_text()
        self.assertIn(old, text)
        self.device.profile_file(name, text.replace(old, new))

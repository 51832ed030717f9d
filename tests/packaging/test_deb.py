# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's package on a running device: installed, upgraded and downgraded in the middle of a trial, removed, purged."""
import re
import unittest

from device import wait_for
import installed
import keyfile
import packages


class Deb(installed.Installed):
    def install(self, directory="deb"):
        self.container.run("dpkg", "-i", self.put(packages.package(directory, "*.deb")))

    def deadline(self):
        return re.search(r"^deadline-ms=(\d+)$", (self.container.root / installed.RECORD).read_text(), re.M)[1]

    def test_installed_used_and_purged(self):
        self.install()
        self.assert_ready()
        self.assert_activation_starts_a_trial()
        # What autopkgtest runs
        script = self.put(packages.SOURCE / "packaging/debian/tests/trial")
        self.assertIn("a good candidate was promoted, a bad one went back", self.container.run(script).stdout)
        self.container.wait_active("lan")
        self.container.run("dpkg", "--purge", "nm-trial")
        self.assert_gone()

    def test_upgraded_and_downgraded_in_a_trial(self):
        self.install()
        trial_id, agent, deadline = self.start(), self.agent(), self.deadline()
        self.install("deb-newer")
        self.assertEqual(self.version(), packages.NEWER)
        self.assert_goes_on(trial_id, agent)
        self.assertEqual(self.deadline(), deadline)
        self.trial("cancel")
        self.trial("wait", check=False)
        self.assert_went_back("cancelled")

        trial_id = self.start()
        self.assertRegex((self.container.root / installed.RECORD).read_text(), "^nm-trial-record 2 ")
        self.install()
        self.assertEqual(self.version(), packages.VERSION)
        wait_for("the record set aside", lambda: self.has("var/lib/nm-trial/trial.bad-1"))
        self.container.wait_active("lan")
        wait_for("the agent's end", lambda: self.agent() == "0")
        good = keyfile.parse(self.container.profile_text("good"))
        self.assertFalse(keyfile.autoconnect(good))
        self.assertEqual((keyfile.annotation(good), keyfile.annotation(good, "reason")), ("demoted", "record-lost"))
        self.assertEqual(self.status()["state"], "none")
        self.assertRegex(self.container.run("journalctl", "-b", "-t", "nm-trial").stdout, "of a newer version")

    def test_removed_in_a_trial(self):
        self.install()
        self.start()
        self.container.run("dpkg", "--remove", "nm-trial")
        self.assert_went_back("cancelled")
        self.assertFalse(self.has("usr/sbin/nm-trial"))
        self.container.run("dpkg", "--purge", "nm-trial")
        self.assert_gone()

    def test_not_removed_while_a_trial_cannot_end(self):
        self.install()
        self.assert_refused("dpkg", "--remove", "nm-trial")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's package on a running device."""
import unittest

import installed
import packages


class Deb(installed.Package):
    KIND = "deb"

    def install(self, directory=KIND):
        self.container.run("dpkg", "-i", self.put(packages.package(directory, "*.deb")))

    def test_installed_used_and_purged(self):
        self.install()
        self.assert_ready()
        self.assert_activation_starts_a_trial()
        self.assert_boot_goes_back()
        # What autopkgtest runs
        script = self.put(packages.SOURCE / "packaging/debian/tests/trial")
        self.assertIn("a good candidate was promoted, a bad one went back", self.container.run(script).stdout)
        self.container.wait_active("lan")
        self.container.run("dpkg", "--purge", "nm-trial")
        self.assert_gone()

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

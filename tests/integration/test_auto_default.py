# SPDX-License-Identifier: LGPL-2.1-or-later
"""The auto-default "Wired connection" lives in /run; a stored candidate alone suppresses it at the next boot. So
it is saved durably before a trial."""
import unittest

from case import wait_for
from wired import WIRED, WiredCase


class AutoDefault(WiredCase):
    def trying(self):
        self.own.add(WIRED)
        self.candidate()
        return self.wait_manual("good")

    def test_it_is_back_after_a_power_cut_during_a_trial(self):
        trial = self.trying()
        self.assertTrue(self.bootable())
        self.power_cut()
        self.boot()
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "unconfirmed-reboot"))
        self.device.wait_active(WIRED)
        self.device.wait_online()

    def test_it_is_found_with_the_cable_out(self):
        self.candidate()
        self.device.break_network("carrier")
        wait_for("no connection", lambda: not self.device.active())
        shown = self.trial("start", "good", "--confirm", "manual", "--check", "none", "--replace", WIRED, "--dry-run")
        self.assertRegex(shown.stdout, f"{WIRED}.* saved as /etc/")

    def test_it_is_back_after_a_revert(self):
        trial = self.trying()
        self.trial("cancel", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "reverted")
        self.device.wait_active(WIRED)
        self.device.wait_online()
        self.assertTrue(self.bootable())

    def test_it_is_retired_by_a_promotion(self):
        trial = self.trying()
        self.trial("confirm", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "promoted")
        self.assertEqual(self.bootable(), [])
        self.power_cut()
        self.boot()
        self.device.wait_active("good")
        self.device.wait_online()


if __name__ == "__main__":
    unittest.main(verbosity=2)

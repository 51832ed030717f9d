# SPDX-License-Identifier: LGPL-2.1-or-later
"""A third autoconnect profile of higher priority does not win at boot over the promoted candidate."""
import unittest

from case import Case, keyfile


class Third(Case):
    def third(self, priority, **more):
        self.device.profile("third", address="10.99.{n}.40/24", connection=f"autoconnect-priority={priority}\n",
                            load=False, **more)
        self.device.run("nmcli", "connection", "load", "/etc/NetworkManager/system-connections/third.nmconnection")

    def test_it_does_not_win_at_boot(self):
        self.third(50)
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertGreater(keyfile.priority(self.profile("good")), 50)
        self.assert_boots("good")

    def test_one_that_matches_any_ethernet_device_does_not_win(self):
        self.device.profile("third", device="", address="10.99.0.40/24", gateway="10.99.0.1", load=False,
                            connection="autoconnect-priority=50\n")
        path = self.device.profile_path("third")
        self.device.profile_file("third", path.read_text().replace("interface-name=\n", ""))
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assert_boots("good")

    def test_one_of_another_device_does_not_count(self):
        self.device.profile("wan", device="eth1", connection="autoconnect-priority=999\n")
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertLess(keyfile.priority(self.profile("good")), 999)
        self.assert_boots("good")

    def test_the_priority_of_its_own_is_not_lowered(self):
        self.candidate(connection="autoconnect-priority=500\n")
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertGreaterEqual(keyfile.priority(self.profile("good")), 500)

    def test_a_revert_leaves_it_as_it_was(self):
        self.third(50)
        self.bad()
        trial = self.wait_manual("bad")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")
        self.assert_boots("third")


if __name__ == "__main__":
    unittest.main(verbosity=2)

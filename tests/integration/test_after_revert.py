# SPDX-License-Identifier: LGPL-2.1-or-later
"""A trial that reverts is closed only when the old profile is really up again, or could not be brought up for long."""
import unittest

from case import Case, wait_for


class AfterRevert(Case):
    """lan's address comes by DHCP, so that it can fail to come up; after one failure NetworkManager leaves it alone."""
    lan = False

    def _first_boot(self):
        self.own.add("lan")
        self.device.boot()
        self.device.heal("dhcp")
        self.addCleanup(self.device.network, f"kill $(cat {self.device.dir}/dhcp0.pid)", False)
        self.device.profile("lan", ipv4="method=auto\ndhcp-timeout=4\nmay-fail=false\n",
                            connection="autoconnect-retries=1\n")
        wait_for("lan", lambda: self.device.run("nmcli", "connection", "up", "lan", check=False).returncode == 0, 30)

    def starts(self):
        """How often NetworkManager has begun to activate lan."""
        return len(self.said("starting connection 'lan'", "NetworkManager"))

    def test_it_is_tried_again_until_it_is_up(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.break_network("dhcp")
        before = self.starts()
        self.trial("cancel", trial)
        wait_for("two attempts that fail", lambda: self.starts() >= before + 2)
        self.assertEqual(self.status()["state"], "reverting")
        self.device.heal("dhcp")
        entry = self.assert_reverted(trial, "good", "cancelled")
        self.assertEqual(self.device.active(), "lan")
        self.assertTrue(entry["after_revert"] == [] or entry["after_revert"][0]["state"] == "passing")
        self.assertTrue(self.said(f"trial {trial}: reverted: \"lan\" is back on eth0"))

    def test_a_device_that_networkmanager_has_blocked(self):
        """After `nmcli device disconnect` nothing comes up by itself."""
        self.candidate()
        trial = self.wait_manual("good")
        self.device.nmcli("device", "disconnect", "eth0")
        wait_for("an idle device", lambda: self.device.active() == "")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        self.assertTrue(self.said(f"trial {trial}: reverted: \"lan\" is back on eth0"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

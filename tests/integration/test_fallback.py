# SPDX-License-Identifier: LGPL-2.1-or-later
"""--fallback: the replaced profile stays on, at its lower priority, for the day when the promoted one cannot come up."""
import unittest

from case import Case, keyfile, wait_for


class Fallback(Case):
    def test_the_old_profile_comes_up_where_the_promoted_one_cannot(self):
        self.device.heal("dhcp")
        self.addCleanup(self.device.network, f"kill $(cat {self.device.dir}/dhcp0.pid)", False)
        self.candidate(ipv4="method=auto\ndhcp-timeout=5\nmay-fail=false\n", connection="autoconnect-retries=1\n")
        trial = self.start("good", "--fallback", "--check", "gateway", "--hold", "1s", "--timeout", "60s")
        entry = self.wait_verdict(trial, 60)
        self.assertEqual(entry["verdict"], "promoted", entry)
        self.assertTrue(keyfile.autoconnect(self.profile("lan")))
        self.assertGreater(keyfile.priority(self.profile("good")), keyfile.priority(self.profile("lan")))
        self.device.power_cut()
        self.device.network(f"kill $(cat {self.device.dir}/dhcp0.pid)", check=False)
        self.device.boot()
        wait_for("the fallback", lambda: self.device.active() == "lan", 30)
        self.device.wait_online()


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second uplink that is FULL does not vouch for a broken candidate, and is not touched by its trial."""
import unittest

from case import Case, wait_for


class SecondUplink(Case):
    def prepare(self):
        self.device.profile("wan", device="eth1")

    def setUp(self):
        super().setUp()
        self.device.wait_active("wan", "eth1")
        self.device.wait_online("eth1")

    def activation(self):
        """Which activation of "wan" it is: another one would have been an outage."""
        return [line for line in self.device.nmcli("-f", "NAME,ACTIVE-PATH", "connection", "show").splitlines()
                if line.startswith("wan:")]

    def test_it_does_not_vouch_with_nm(self):
        self.does_not_vouch("nm")

    def test_it_does_not_vouch_with_gateway(self):
        self.does_not_vouch("gateway")

    def does_not_vouch(self, check):
        before = self.activation()
        self.bad()
        trial = self.start("bad", "--check", check, "--timeout", "12s", "--hold", "1s")
        self.device.wait_active("bad")
        wait_for("a failing check", lambda: [c["state"] for c in self.status()["checks"]] == ["failing"])
        self.assertTrue(self.device.online("eth1"))
        checks = self.status()["checks"]
        self.assertEqual([(c["name"], c["device"]) for c in checks], [(check, "eth0")])
        self.trial("confirm", trial, status=4)
        self.assert_reverted(trial, "bad", "check-failed")
        self.assertEqual(self.activation(), before, "the other device lost its network")
        self.assertTrue(self.device.online("eth1"))

    def test_a_broken_second_uplink_does_not_fail_a_good_candidate(self):
        self.device.break_network("gateway", 1)
        before = self.activation()
        self.candidate()
        trial = self.start("good", "--check", "nm", "--timeout", "30s", "--hold", "1s")
        self.assert_promoted(trial, "good", "checks-passed")
        self.assertEqual(self.activation(), before)


class CheckNotConfigured(Case):
    connectivity = False

    def test_nm_is_refused_with_advice(self):
        self.candidate()
        self.before = self.files()
        refused = self.trial("start", "good", "--check", "nm", status=4)
        self.assertRegex(refused.stderr, "(?i)connectivity")
        self.assertRegex(refused.stderr, "gateway|uri|conf")
        self.assertEqual((self.files(), self.state(), self.device.active()), (self.before, "none", "lan"))

    def test_the_default_is_gateway_and_the_journal_says_so(self):
        self.candidate()
        trial = self.start("good", "--timeout", "20s", "--hold", "1s")
        self.assertEqual([check["name"] for check in self.status()["checks"]], ["gateway"])
        self.assertTrue(self.said("gateway"))
        self.assert_promoted(trial, "good", "checks-passed")

    def test_what_networkmanager_makes_up_does_not_vouch(self):
        self.bad()
        trial = self.start("bad", "--timeout", "7s", "--hold", "1s")
        self.device.wait_active("bad")
        self.assert_reverted(trial, "bad", "check-failed")


class CheckConfigured(Case):
    def test_the_default_is_nm_and_the_journal_says_that_plain_http_can_be_forged(self):
        self.candidate()
        trial = self.start("good", "--timeout", "20s", "--hold", "1s")
        self.assertEqual([check["name"] for check in self.status()["checks"]], ["nm"])
        self.assertTrue(self.said(f"^trial {trial}: note: .*connectivity check is plain http, which the network can forge"))
        self.assert_promoted(trial, "good", "checks-passed")


if __name__ == "__main__":
    unittest.main(verbosity=2)

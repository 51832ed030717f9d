# SPDX-License-Identifier: LGPL-2.1-or-later
"""A candidate that did not prove itself is taken back, in time, and the old profile is up again."""
import time
import unittest

from case import Case, keyfile, wait_for


class Revert(Case):
    def test_a_dead_gateway_is_reverted_at_the_deadline_by_nm(self):
        self.dead_gateway("nm")

    def test_a_dead_gateway_is_reverted_at_the_deadline_by_gateway(self):
        self.dead_gateway("gateway")

    def dead_gateway(self, check):
        self.bad()
        trial = self.start("bad", "--check", check, "--timeout", "7s", "--hold", "1s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        wait_for("a failing check", lambda: self.checks() == {check: "failing"})
        self.assertEqual(self.status()["state"], "trying", "a failing check must not end a trial before its deadline")
        entry = self.assert_reverted(trial, "bad", "check-failed")
        self.assert_in_time(deadline)
        self.assertGreaterEqual(self.watch.left("trying", self.started), self.started + 7, "reverted too early")
        self.assertTrue(self.device.online())
        self.assertEqual({check: state for check, state in self.judged(entry["baseline"])}, {check: "passing"})
        self.assertEqual({check: state for check, state in self.judged(entry["after_revert"])}, {check: "passing"})
        self.assert_boots("lan")

    def checks(self):
        return {check["name"]: check["state"] for check in self.status()["checks"]}

    @staticmethod
    def judged(results):
        return [(result["name"], result["state"]) for result in results]

    def test_dhcp_without_a_server_is_reverted_as_soon_as_networkmanager_gives_up(self):
        self.candidate("dhcp", ipv4="method=auto\ndhcp-timeout=3\nmay-fail=false\n")
        trial = self.start_manual("dhcp")
        entry = self.assert_reverted(trial, "dhcp", "activation-failed")
        self.assertLess(time.monotonic() - self.started, 12)
        self.assertLess(entry["duration_s"], 12)
        self.assertTrue(self.device.online())

    def test_manual_without_a_confirm_is_reverted(self):
        self.candidate()
        trial = self.start_manual("good", check="nm", timeout="6s")
        deadline = self.deadline()
        self.device.wait_active("good")
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(deadline)
        self.assert_boots("lan")

    def test_a_confirm_with_a_failing_check_is_refused_and_the_trial_stays_open(self):
        self.bad()
        trial = self.start_manual("bad", check="nm", timeout="12s")
        self.device.wait_active("bad")
        before = self.files()
        refused = self.trial("confirm", trial, status=4)
        self.assertRegex(refused.stderr, r"\bnm\b")
        status = self.status()
        self.assertEqual((status["state"], status["id"]), ("trying", trial))
        self.assertEqual(self.files(), before)
        self.assertEqual(self.device.active(), "bad")
        self.assert_reverted(trial, "bad", "check-failed")

    def test_one_failing_check_of_two_is_enough(self):
        """The gateway answers; what is behind it does not."""
        self.candidate()
        self.device.break_network("internet")
        trial = self.start("good", "--check", "gateway", "--check", "nm", "--timeout", "8s", "--hold", "1s")
        self.device.wait_active("good")
        refused = self.trial("confirm", trial, status=4)
        self.assertRegex(refused.stderr, r"\bnm\b")
        entry = self.assert_reverted(trial, "good", "check-failed")
        self.assertEqual(dict(self.judged(entry["baseline"])), {"gateway": "passing", "nm": "failing"})
        self.assertEqual(dict(self.judged(entry["after_revert"])), {"gateway": "passing", "nm": "failing"},
                         "the history must tell an outage from a bad candidate")

    def test_hold_begins_anew_at_every_break(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--hold", "8s", "--timeout", "12s")
        wait_for("a passing check", lambda: self.checks() == {"gateway": "passing"})
        self.device.break_network("gateway")
        wait_for("a failing check", lambda: self.checks() == {"gateway": "failing"})
        self.device.heal("gateway")
        wait_for("a passing check", lambda: self.checks() == {"gateway": "passing"})
        self.assert_reverted(trial, "good", "timeout")

    def test_a_break_just_before_the_end_of_hold_counts(self):
        """Not only what the last of the regular checks said: the end of hold is judged by a fresh one."""
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--hold", "4s", "--timeout", "12s")
        wait_for("a passing check", lambda: self.checks() == {"gateway": "passing"})
        passing = time.monotonic()
        wait_for("most of hold", lambda: time.monotonic() - passing > 3.2)
        self.device.break_network("gateway")
        self.assertEqual(self.state(), "trying")
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "check-failed"))
        self.device.heal("gateway")

    def test_cancel(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assertNotEqual(self.state(), "trying", "cancel returned before its verdict was durable")
        self.assert_reverted(trial, "good", "cancelled")
        self.assertEqual(keyfile.annotation(self.profile("good"), "reason"), "cancelled")
        self.assert_boots("lan")

    def test_a_candidate_that_is_active_already(self):
        """NetworkManager's checkpoint would save the candidate, so there is none, and the journal says so."""
        self.candidate()
        self.device.nmcli("connection", "up", "good")
        trial = self.start_manual("good", "--replace", "lan")
        self.assertEqual(self.checkpoints(), [])
        self.assertTrue(self.said("checkpoint"))
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def test_without_a_replaced_profile_the_device_is_left_without(self):
        self.candidate(device="eth1")
        trial = self.wait_manual("good", "--replace", "none", device="eth1")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled", replaced=None)
        wait_for("eth1 left without a profile", lambda: self.device.active("eth1") == "")
        self.assertEqual(self.device.active("eth0"), "lan")
        self.assert_boots("lan")
        self.assertEqual(self.device.active("eth1"), "")

    def test_a_demoted_candidate_can_be_tried_again(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        trial = self.wait_manual("good")
        self.assertEqual(keyfile.annotation(self.profile("good")), "trying")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")


if __name__ == "__main__":
    unittest.main(verbosity=2)

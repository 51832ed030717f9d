# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 1, never lost, and promise 4, a confirm that answered is kept: power cuts in every persisted state."""
import contextlib
import subprocess
import unittest

from case import Case, background, wait_for


class PowerCut(Case):
    def test_a_bad_candidate_is_gone_after_a_power_cut(self):
        self.bad()
        trial = self.start_manual("bad")
        self.device.wait_active("bad")
        self.assertFalse(self.device.online())
        self.device.power_cut()
        self.boot_by_boot_alone()
        entry = self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.assertEqual(entry["after_revert"], [])
        self.assertTrue(self.device.online())

    def test_a_good_candidate_that_nobody_confirmed_is_gone_after_a_power_cut(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.power_cut()
        self.boot_by_boot_alone()
        self.assert_reverted(trial, "good", "unconfirmed-reboot")

    def test_a_power_cut_while_promoting_ends_in_the_promotion(self):
        """The profiles' directory is read-only, so promoting stays open until the cut."""
        self.candidate()
        trial = self.wait_manual("good")
        self.read_only(True, ["/etc"])
        self.trial("confirm", trial)
        self.assertEqual(self.state(), "promoting")
        self.device.power_cut()
        self.assertEqual(self.state(), "promoting")
        self.boot_by_boot_alone()
        self.assert_promoted(trial, "good", "confirmed")
        self.assertTrue(self.device.online())

    def test_a_power_cut_while_reverting_ends_in_the_revert(self):
        """NetworkManager hangs, so reverting stays open until the cut."""
        self.bad()
        trial = self.start_manual("bad")
        self.device.wait_active("bad")
        self.signal_nm("STOP")
        self.trial("cancel", trial)
        self.assertEqual(self.state(), "reverting")
        self.device.power_cut()
        self.assertEqual(self.state(), "reverting")
        self.boot_by_boot_alone()
        self.assert_reverted(trial, "bad", "cancelled")
        self.assertTrue(self.device.online())

    def test_a_power_cut_while_reverting_on_a_read_only_disk(self):
        self.bad()
        trial = self.start_manual("bad")
        self.device.wait_active("bad")
        self.signal_nm("STOP")
        self.read_only(True, ["/etc"])
        self.trial("cancel", trial)
        self.device.power_cut()
        self.boot_by_boot_alone()
        self.assert_reverted(trial, "bad", "cancelled")

    def test_a_power_cut_right_after_confirm_returned_keeps_the_candidate(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.device.power_cut()
        self.boot_by_boot_alone_or_closed()
        self.assert_promoted(trial, "good", "confirmed")
        self.assertTrue(self.device.online())

    def boot_by_boot_alone_or_closed(self):
        self.set_option("trial_agent", "no")
        self.device.boot()
        self.assertEqual(self.state(), "none")

    def test_a_power_cut_right_after_the_promotion_was_logged_keeps_the_candidate(self):
        self.candidate()
        trial = self.start("good", "--check", "nm", "--timeout", "20s", "--hold", "1s")
        wait_for("the promotion in the journal", lambda: any(
            entry.get("NM_TRIAL_ID") == trial and entry.get("NM_TRIAL_STATE", "").startswith("promot")
            for entry in self.device.journal("nm-trial")), 20)
        self.device.power_cut()
        self.boot_by_boot_alone_or_closed()
        self.assert_promoted(trial, "good", "checks-passed")

    def test_power_cuts_at_instants_of_a_start(self):
        self.bad()
        self.before = self.files()
        for delay in (0.0, 0.01, 0.02, 0.04, 0.07, 0.12, 0.2):
            with self.step(delay=delay):
                caller = self.background_then_cut(delay, "start", "bad", "--confirm", "manual", "--check", "none")
                self.device.boot()
                self.device.wait_active("lan")
                self.assertEqual(self.status()["state"], "none", caller)
                self.assertEqual(self.profile("bad")["connection"]["autoconnect"], "false")
                self.assert_closed()

    def test_power_cuts_at_instants_of_a_confirm(self):
        """Alternates between the two profiles, each a good candidate for the other's place."""
        old, new = "lan", "good"
        self.candidate()
        for delay in (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.15):
            with self.step(delay=delay):
                trial = self.wait_manual(new)
                status = self.background_then_cut(delay, "confirm", trial)
                self.device.boot()
                entry = self.wait_verdict(trial)
                if status == 0:
                    self.assertEqual(entry["verdict"], "promoted", "a confirm that answered was undone")
                if entry["verdict"] == "promoted":
                    old, new = new, old
                self.device.wait_active(old)
                self.assertTrue(self.device.online())
                self.assert_closed()

    def background_then_cut(self, delay, *arguments):
        """Cuts the power `delay` seconds after nm-trial was called; returns its status, if it still got one."""
        caller = background(self.device, "nm-trial", *arguments)
        with contextlib.suppress(subprocess.TimeoutExpired):
            caller.wait(delay)
        status = caller.poll()
        self.device.power_cut()
        caller.communicate()
        return status


if __name__ == "__main__":
    unittest.main(verbosity=2)

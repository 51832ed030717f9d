# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager hung (stopped) or absent: a clear error or another try, never a hang, and the verdict in time."""
import time
import unittest

from case import Case


class NmHung(Case):
    def refused_in_time(self, *words, status=(1, 4), seconds=15):
        began = time.monotonic()
        result = self.trial(*words, status=status)
        self.assertLess(time.monotonic() - began, seconds)
        self.assertRegex(result.stderr, "NetworkManager")

    def test_start_with_networkmanager_absent(self):
        self.candidate()
        self.before = self.files()
        self.device.kill_nm(restart=False)
        self.refused_in_time("start", "good")
        self.assertEqual((self.files(), self.state()), (self.before, "none"))
        self.device.kill_nm()
        self.device.wait_active("lan")

    def test_start_with_networkmanager_hung(self):
        self.candidate()
        self.before = self.files()
        self.signal_nm("STOP")
        self.refused_in_time("start", "good")
        self.assertEqual((self.files(), self.state()), (self.before, "none"))
        self.signal_nm("CONT")
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def test_confirm_with_networkmanager_hung_is_refused_and_the_trial_stays_open(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.signal_nm("STOP")
        self.refused_in_time("confirm", trial)
        self.assertEqual((self.state(), self.status()["id"]), ("trying", trial))
        self.signal_nm("CONT")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_hung_over_the_deadline(self):
        self.bad()
        trial = self.start_manual("bad", check="nm", timeout="6s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        self.signal_nm("STOP")
        self.assert_in_time(deadline)
        self.assertEqual(self.state(), "reverting")
        self.signal_nm("CONT")
        self.assert_reverted(trial, "bad")
        self.assertTrue(self.device.online())

    def test_hung_and_then_a_power_cut(self):
        self.bad()
        trial = self.wait_manual("bad")
        self.signal_nm("STOP")
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "bad", "unconfirmed-reboot")

    def test_status_history_and_wait_answer_meanwhile(self):
        self.candidate()
        trial = self.wait_manual("good", timeout="5s")
        self.signal_nm("STOP")
        began = time.monotonic()
        self.assertEqual(self.status()["id"], trial)
        self.assertEqual(self.history(), [])
        self.assertLess(time.monotonic() - began, 8)
        self.signal_nm("CONT")
        self.trial("wait", trial, status=5)
        self.assert_reverted(trial, "good", "timeout")


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager's checkpoint is the second net, for when all of ours are dead while NetworkManager lives; and it is
gone before a promotion, because one left behind silently undoes a good change."""
import unittest

from case import Case, wait_for


class Checkpoint(Case):
    def test_it_brings_the_old_profile_back_when_no_nm_trial_is_left(self):
        self.bad()
        trial = self.start_manual("bad", timeout="2s")
        self.device.wait_active("bad")
        self.assertEqual(len(self.checkpoints()), 1)
        self.hold_agent()
        wait_for("the checkpoint's rollback, 30 s after the deadline", lambda: not self.checkpoints(), 40)
        self.device.wait_active("lan")
        self.device.wait_online()
        self.assertEqual(self.helpers(), [])
        self.release_agent()
        self.assert_reverted(trial, "bad", "timeout")
        self.assert_boots("lan")

    def test_none_is_left_after_a_promotion(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.assertEqual(len(self.checkpoints()), 1)
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(self.checkpoints(), [])

    def test_somebody_else_destroys_it(self):
        """As a program does that creates one with the flag to destroy all."""
        self.bad()
        trial = self.start_manual("bad", timeout="4s")
        self.device.wait_active("bad")
        self.destroy_checkpoints()
        self.assert_reverted(trial, "bad", "timeout")

    def test_somebody_elses_on_another_device_is_left_alone(self):
        self.device.profile("wan", device="eth1")
        self.device.wait_active("wan", "eth1")
        self.create_checkpoint(60, "eth1")
        theirs = self.checkpoints()
        self.candidate()
        trial = self.wait_manual("good")
        self.assertEqual(len(self.checkpoints()), 2)
        self.trial("confirm", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "promoted")
        self.assertEqual(self.checkpoints(), theirs)


if __name__ == "__main__":
    unittest.main(verbosity=2)

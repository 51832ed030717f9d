# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager's checkpoint is gone before a promotion, because one left behind silently undoes a good change; and
those of others are theirs. (That it is a net when all of ours are dead: test_triggers.py.)"""
import unittest

from case import Case


class Checkpoint(Case):
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

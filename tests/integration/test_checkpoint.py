# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager's checkpoint is gone before a promotion, because one left behind silently undoes a good change; and
those of others are theirs. (That it is a net when all of ours are dead: test_triggers.py.)"""
import unittest

from annotated import AnnotatedCase
from case import Case, wait_for


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


class Others(AnnotatedCase):
    """Where the candidate was active before its trial we have no checkpoint, so NetworkManager grants one to another
    tool in the middle of it. It saves the candidate as it is while it is tried, without autoconnect, and NetworkManager
    writes that again, however long the trial is over: so it is not over before the other tool's checkpoint is."""

    def tried(self):
        """A trial that is open, with another tool's checkpoint of 4 s."""
        self.annotated(confirm="manual", checks="none")
        self.edited.add("good")  # a roll-back writes it in NetworkManager's own way
        self.up()
        trial = self.opened()
        wait_for("the active candidate", lambda: b"was-active=true" in self.settled_record())
        return trial, self.create_checkpoint(4)

    def waits(self, state):
        wait_for("the word that it waits", lambda: self.said("another tool has a checkpoint on eth0"))
        self.assertEqual(self.state(), state)

    def test_rolls_back_after_the_promotion(self):
        trial, _ = self.tried()
        self.trial("confirm", trial)
        self.waits("promoting")
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(self.checkpoints(), [])
        self.assert_boots("good")

    def test_is_destroyed_after_the_promotion(self):
        trial, theirs = self.tried()
        self.edited.discard("good")
        self.trial("confirm", trial)
        self.waits("promoting")
        self.destroy_checkpoint(theirs)
        self.assert_promoted(trial, "good", "confirmed")
        self.assert_boots("good")

    def test_a_power_cut_behind_its_roll_back(self):
        """The replaced profile is still on then; and the boot does again what was undone, as the trial is open."""
        trial, _ = self.tried()
        self.trial("confirm", trial)
        self.waits("promoting")
        self.hold_agent()
        wait_for("the roll-back", lambda: not self.checkpoints())
        wait_for("what it undoes", lambda: self.profile("good")["connection"].get("autoconnect") == "false")
        self.device.power_cut()
        self.device.boot()
        self.assert_promoted(trial, "good", "confirmed")
        self.assert_boots("good")

    def test_rolls_back_after_a_cancel(self):
        """It saved the candidate as the active one, which is not what the device is to be left with."""
        trial, _ = self.tried()
        self.trial("cancel", trial)
        self.waits("reverting")
        self.assert_reverted(trial, "good", "cancelled")
        self.assertEqual(self.checkpoints(), [])
        self.assert_boots("lan")


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 2, all or nothing: however many helpers are at it at once, there is one result."""
import unittest

from case import Case, background, wait_for


class Together(Case):
    def both(self, *commands):
        """Runs the commands at the same time; returns their subprocesses, ended, with `out` and `err`."""
        running = [background(self.device, "nm-trial", *words) for words in commands]
        for one in running:
            one.out, one.err = one.communicate(timeout=60)
        return running

    def test_two_starts(self):
        self.candidate()
        self.candidate("next", address="10.99.{n}.30/24")
        self.before = self.files()
        manual = ("--confirm", "manual", "--check", "none")
        for _ in range(3):
            starts = self.both(("start", "good", *manual), ("start", "next", *manual))
            self.assertEqual(sorted(one.returncode for one in starts), [0, 4], [one.err for one in starts])
            trial = self.started_as(next(one for one in starts if one.returncode == 0).out)
            winner = "good" if starts[0].returncode == 0 else "next"
            loser = "next" if winner == "good" else "good"
            self.assertEqual(self.status()["id"], trial)
            self.device.wait_active(winner)
            self.assertNotEqual(self.profile(loser).get("user", {}).get("nm-trial.state"), "trying")
            self.trial("cancel", trial)
            self.assert_reverted(trial, winner, "cancelled")

    def test_confirm_and_cancel(self):
        old, new = "lan", "good"
        self.candidate()
        for _ in range(4):
            trial = self.wait_manual(new)
            confirm, cancel = self.both(("confirm", trial), ("cancel", trial))
            said = f"confirm {confirm.returncode} {confirm.err}, cancel {cancel.returncode} {cancel.err}"
            entry = self.wait_verdict(trial)
            if entry["verdict"] == "promoted":
                self.assertEqual(confirm.returncode, 0, said)
                self.assertIn(cancel.returncode, (3, 4), said)
                self.assert_promoted(trial, new, "confirmed", replaced=old)
                old, new = new, old
            else:
                self.assertEqual((confirm.returncode, cancel.returncode), (5, 0), said)
                self.assert_reverted(trial, new, "cancelled", replaced=old)

    def test_two_confirms(self):
        self.candidate()
        trial = self.wait_manual("good")
        confirms = self.both(("confirm", trial), ("confirm", trial))
        self.assertEqual([one.returncode for one in confirms], [0, 0], [one.err for one in confirms])
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(len(self.history()), 1)

    def test_extend_and_cancel(self):
        self.candidate()
        trial = self.wait_manual("good")
        extend, cancel = self.both(("extend", trial, "--timeout", "30s"), ("cancel", trial))
        self.assertIn(extend.returncode, (0, 3, 4), extend.err)
        self.assertEqual(cancel.returncode, 0, cancel.err)
        self.assert_reverted(trial, "good", "cancelled")

    def test_many_at_the_deadline(self):
        """The agent's own verdict, a confirm and a cancel meet."""
        self.candidate()
        trial = self.wait_manual("good", timeout="3s")
        wait_for("the deadline, nearly", lambda: self.status().get("deadline_s", 0) < 0.1)
        confirm, cancel, wait = self.both(("confirm", trial), ("cancel", trial), ("wait", trial))
        entry = self.wait_verdict(trial)
        promoted = entry["verdict"] == "promoted"
        self.assertEqual(wait.returncode, 0 if promoted else 5)
        self.assertEqual(confirm.returncode, 0 if promoted else 5, confirm.err)
        self.assertIn(cancel.returncode, (3, 4) if promoted else (0, 3, 4), cancel.err)
        if promoted:
            self.assert_promoted(trial, "good", "confirmed")
        else:
            self.assert_reverted(trial, "good")


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 6, recovery converges: every nm-trial process is killed (-9) at random instants of start, promote and
revert; at least once in each persisted state, or the test fails. NM_TRIAL_SEED repeats a run's choices."""
import os
import random
import time
import unittest

from case import Case, background, wait_for

STATES = ("trying", "promoting", "reverting")
ROUNDS_LEAST, ROUNDS_MOST, SECONDS_MOST = 16, 50, 120


class RandomKill(Case):
    strays = True

    def setUp(self):
        self.seed = os.environ.get("NM_TRIAL_SEED") or str(random.SystemRandom().randrange(1 << 32))
        print(f"NM_TRIAL_SEED={self.seed}", flush=True)
        self.random = random.Random(self.seed)
        super().setUp()
        self.old, self.new = "lan", "good"
        self.kills = dict.fromkeys(("none", *STATES), 0)

    def test_killed_in_every_persisted_state(self):
        self.candidate()
        self.before = self.files()
        end = time.monotonic() + SECONDS_MOST
        for number in range(ROUNDS_MOST):
            missing = [state for state in STATES if not self.kills[state]]
            if time.monotonic() > end or (number >= ROUNDS_LEAST and not missing):
                break
            phase = {"promoting": "promote", "reverting": "revert"}.get(missing[-1] if missing else "") \
                if number >= ROUNDS_LEAST else self.random.choice(("start", "promote", "revert"))
            with self.step(seed=self.seed, round=number, phase=phase):
                self.round(phase or "start")
        print("kills by the record's state just before:", self.kills, flush=True)
        self.assertTrue(all(self.kills[state] for state in STATES), f"not every state was hit: {self.kills}")
        self.assert_boots(self.old)
        self.assertEqual(self.temporaries(), [], "a boot removes temporary files")

    def round(self, phase):
        """One trial of `new` for the place of `old`, with all helpers killed once somewhere in the phase."""
        wait_for("an agent", self.helpers)
        known = {entry["id"] for entry in self.history()}
        start = ("start", self.new, "--confirm", "manual", "--check", "none")
        if phase == "start":
            self.kill_during(start, None)
        else:
            trial = self.wait_manual(self.new)
            self.kill_during(("confirm" if phase == "promote" else "cancel", trial),
                             "promoting" if phase == "promote" else "reverting")
        wait_for("the next agent", self.helpers)
        if self.state() == "trying":
            self.device.wait_active(self.new)
            self.confirm_when_ready() if self.random.random() < 0.5 else self.trial("cancel")
        wait_for("the trial's end", lambda: self.state() == "none", 20)
        self.consistent([entry for entry in self.history() if entry["id"] not in known])

    def kill_during(self, command, state):
        """Kills at a random instant, or, where a state is given, half of the time just when that is persisted."""
        caller = background(self.device, "nm-trial", *command)
        on_state, delay = state and self.random.random() < 0.6, self.random.uniform(0, 0.12)
        agents = self.helpers()
        began = time.monotonic()
        while time.monotonic() - began < (5 if on_state else delay):
            seen = self.state()
            if on_state and (seen == state or caller.poll() is not None):
                break
        seen = self.state()
        for pid in {*agents, *self.helpers()}:
            self.kill_process(pid)
        if self.state() == seen:
            self.kills[seen] += 1
        caller.communicate()

    def consistent(self, closed):
        self.assertLessEqual(len(closed), 1, closed)
        if closed and closed[0]["verdict"] == "promoted":
            self.assert_promoted(closed[0]["id"], self.new, replaced=self.old)
            self.old, self.new = self.new, self.old
        elif closed:
            self.assert_reverted(closed[0]["id"], self.new, replaced=self.old)
        else:
            self.device.wait_active(self.old)
            self.no_trial_began()
        self.assertTrue(self.device.online())

    def no_trial_began(self):
        """The start was killed before its record: only its short checkpoint may be left, and ends by itself."""
        wait_for("the end of an orphaned checkpoint", lambda: not self.checkpoints(), 40)
        self.device.wait_active(self.old)


if __name__ == "__main__":
    unittest.main(verbosity=2)

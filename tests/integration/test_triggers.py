# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each trigger alone: what it keeps when all the others are masked or dead. A device that comes back by one of them
would come back even if the rest were broken."""
import os
import signal
import unittest

from case import Case, background, wait_for


class Alone(Case):
    """Without the dispatcher's script, which would revive an agent."""
    def prepare(self):
        for folder in (".", "no-wait.d"):
            (self.device.disk / "etc/NetworkManager/dispatcher.d" / folder / "90-nm-trial").unlink()


class AgentAlone(Alone):
    """Nothing runs before NetworkManager's start."""
    options = {"trial_boot": "no"}

    def test_the_agent_meets_the_deadline_when_the_caller_is_dead(self):
        self.bad()
        self.before = self.files()
        caller = background(self.device, "nm-trial", "start", "bad", "--confirm", "manual", "--check", "none",
                            "--timeout", "5s")
        while self.state() != "trying" and caller.poll() is None:
            pass
        os.killpg(caller.pid, signal.SIGKILL)
        caller.communicate()
        wait_for("nobody left but the agent", lambda: len(self.helpers()) == 1)
        trial, deadline = self.status()["id"], self.deadline()
        self.device.wait_active("bad")
        self.started = 0
        self.assert_reverted(trial, "bad", "timeout")
        self.assert_in_time(deadline)

    def test_the_agent_recovers_after_a_power_cut(self):
        """It comes long after NetworkManager is up."""
        self.bad()
        trial = self.wait_manual("bad", timeout="10m")
        self.device.power_cut()
        self.set_option("trial_agent", "no")
        self.device.boot()
        self.device.wait_active("lan")
        self.assertEqual((self.state(), self.helpers()), ("trying", []))
        agent = background(self.device, "nm-trial", "agent")
        self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.assert_boots("lan")
        agent.communicate(timeout=10)


class BootAlone(Alone):
    def test_the_boot_step_recovers_after_a_power_cut(self):
        """The agent is dead before the cut and never runs again."""
        self.bad()
        trial = self.wait_manual("bad", timeout="10m")
        self.hold_agent()
        self.device.power_cut()
        self.boot_by_boot_alone()
        entry = self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.assertEqual(entry["after_revert"], [], "there was no network yet to judge")
        self.assertTrue(self.device.online())


class CheckpointAlone(Alone):
    def test_networkmanagers_checkpoint_brings_the_old_profile_back(self):
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


if __name__ == "__main__":
    unittest.main()

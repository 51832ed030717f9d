# SPDX-License-Identifier: LGPL-2.1-or-later
"""Quiet: nothing of nm-trial runs or writes while no trial is open (in a device with systemd; here the lab's own
foreground agent is left out)."""
import time
import unittest

from case import Case, background, wait_for


class Idle(Case):
    options = {"trial_agent": "no"}

    def test_no_process_without_a_trial(self):
        self.assertEqual(self.helpers(), [])
        state = self.device.disk / "var/lib/nm-trial"
        self.assertFalse((state / "trial").exists())
        self.assertFalse((state / "history").exists())

    def test_agent_exit_idle_ends_at_once_without_a_trial(self):
        began = time.monotonic()
        self.trial("agent", "--exit-idle", timeout=10)
        self.assertLess(time.monotonic() - began, 3)

    def test_agent_exit_idle_stays_for_a_trial_and_ends_with_it(self):
        first = background(self.device, "nm-trial", "agent")
        self.candidate()
        self.before = self.files()
        wait_for("the agent", lambda: self.started_with_agent())
        self.kill_process(self.child(first))
        first.communicate()
        second = background(self.device, "nm-trial", "agent", "--exit-idle")
        self.device.wait_active("good")
        self.trial("confirm")
        wait_for("the agent's end", lambda: second.poll() is not None)
        second.communicate()
        self.assertEqual(second.returncode, 0)
        self.device.wait_active("good")
        self.assertEqual((self.state(), self.helpers()), ("none", []))

    @staticmethod
    def child(process):
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as children:
            return int(children.read().split()[0])

    def started_with_agent(self):
        """Starts as soon as an agent is there."""
        return self.device.run("nm-trial", "start", "good", "--confirm", "manual", "--check", "none",
                               check=False).returncode == 0

    def test_boot_without_a_record_does_nothing(self):
        before = self.files()
        began = time.monotonic()
        self.trial("boot")
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(self.files(), before)

    def test_boot_while_a_trial_of_this_boot_is_open_leaves_it_alone(self):
        """As when NetworkManager is restarted."""
        agent = background(self.device, "nm-trial", "agent")
        self.candidate()
        self.before = self.files()
        wait_for("the agent", lambda: self.started_with_agent())
        self.device.wait_active("good")
        record = self.settled_record()
        self.trial("boot")
        self.assertEqual(self.record(), record)
        self.trial("cancel")
        wait_for("the trial's end", lambda: self.state() == "none")
        self.device.wait_active("lan")
        self.kill_process(self.child(agent))
        agent.communicate()


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""NetworkManager dies (-9) and is started again, at every step. It takes the running device over and merges old and
new addresses, so a bad candidate can look good then: a verdict must not come from that."""
import threading
import time
import unittest

from case import Case, wait_for

DELAYS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08)


class NmKilled(Case):
    def test_in_trying_a_good_candidate_is_still_promoted(self):
        self.candidate()
        trial = self.start("good", "--timeout", "30s", "--hold", "3s")
        self.device.wait_active("good")
        self.device.kill_nm()
        self.assert_promoted(trial, "good", "checks-passed")
        self.assertEqual(self.addresses(), {"10.99.0.20/24"})
        self.assert_boots("good")

    def test_in_trying_a_good_candidate_can_be_confirmed(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.device.kill_nm()
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_in_trying_a_bad_candidate_is_still_reverted(self):
        self.bad()
        trial = self.start("bad", "--timeout", "12s", "--hold", "1s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        self.device.kill_nm()
        self.assert_reverted(trial, "bad", "check-failed")
        self.assert_in_time(deadline)
        self.assertTrue(self.device.online())

    def test_what_networkmanager_merges_at_its_restart_does_not_vouch_for_a_bad_candidate(self):
        self.bad()
        trial = self.start("bad", "--timeout", "12s", "--hold", "1s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        self.device.kill_nm(restart=False)
        self.device.run("ip", "address", "add", "10.99.0.10/24", "dev", "eth0")
        self.device.run("ip", "route", "add", "default", "via", "10.99.0.1", "dev", "eth0", "metric", "50")
        self.device.kill_nm()
        self.assert_reverted(trial, "bad", "check-failed")
        self.assert_in_time(deadline)

    def test_again_and_again_in_trying(self):
        self.candidate()
        trial = self.start_manual("good")
        for _ in range(4):
            self.device.kill_nm()
        self.device.wait_active("good")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_absent_over_the_deadline(self):
        self.bad()
        trial = self.start_manual("bad", timeout="4s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        self.device.kill_nm(restart=False)
        self.assert_in_time(deadline)
        self.assertEqual(self.state(), "reverting")
        self.device.kill_nm()
        self.assert_reverted(trial, "bad", "timeout")

    def kill_when(self, state, delay):
        """Kills NetworkManager beside what the test goes on to do: so many seconds after the record got to the state.
        The thread's `state` is the record's at the kill."""
        thread = threading.Thread(target=self.killer, args=[self.nm_host_pid(), state, delay])
        thread.start()
        return thread

    def killer(self, pid, state, delay):
        end = time.monotonic() + 5
        while self.state() != state and time.monotonic() < end:
            pass
        end = time.monotonic() + delay
        while time.monotonic() < end:
            pass
        threading.current_thread().state = self.state()
        self.kill_process(pid)

    def test_at_each_step_of_a_revert(self):
        self.bad()
        killed_in = []
        for delay in DELAYS:
            with self.step(delay=delay):
                trial = self.start_manual("bad")
                self.device.wait_active("bad")
                killer = self.kill_when("reverting", delay)
                self.trial("cancel", trial)
                killer.join()
                killed_in.append(killer.state)
                self.device.wait_nm()
                self.assert_reverted(trial, "bad", "cancelled")
                self.assertTrue(self.device.online())
        print("the record's state at each kill:", killed_in)
        self.assertIn("reverting", killed_in)

    def test_at_each_step_of_a_promotion(self):
        old, new = "lan", "good"
        self.candidate()
        killed_in = []
        for delay in DELAYS:
            with self.step(delay=delay):
                trial = self.wait_manual(new)
                killer = self.kill_when("promoting", delay)
                self.confirm_when_ready(trial)
                killer.join()
                killed_in.append(killer.state)
                self.device.wait_nm()
                self.assert_promoted(trial, new, "confirmed", replaced=old)
                self.assertEqual(self.addresses(), self.stored_addresses(new))
                old, new = new, old
        print("the record's state at each kill:", killed_in)
        self.assertIn("promoting", killed_in)

    def test_while_promoting_stays_open(self):
        """The profiles' directory is read-only meanwhile, so that promoting lasts."""
        self.candidate()
        trial = self.wait_manual("good")
        self.read_only(True, ["/etc"])
        self.trial("confirm", trial)
        self.assertEqual(self.state(), "promoting")
        self.device.kill_nm()
        self.read_only(False, ["/etc"])
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(self.addresses(), {"10.99.0.20/24"})

    def test_at_each_step_of_a_start(self):
        self.candidate()
        self.before = self.files()
        for delay in DELAYS:
            with self.step(delay=delay):
                killer = self.kill_when("trying", delay)
                result = self.trial("start", "good", "--confirm", "manual", "--check", "none", status=(0, 1, 4))
                killer.join()
                self.device.wait_nm()
                if result.returncode == 0:
                    trial = self.started_as(result.stdout)
                    self.device.wait_active("good")
                    self.trial("cancel", trial)
                    self.assert_reverted(trial, "good", "cancelled")
                self.device.wait_active("lan")
                self.assert_closed()
                self.kept_quiet(time.monotonic() + 0.1)

    def kept_quiet(self, until):
        """A start that has failed must not go on later."""
        wait_for("a moment", lambda: time.monotonic() > until)
        self.assertEqual((self.state(), self.device.active()), ("none", "lan"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

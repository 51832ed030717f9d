# SPDX-License-Identifier: LGPL-2.1-or-later
"""Promise 3, bounded: the agent or the caller of start dies, and the verdict comes in time all the same."""
import os
import signal
import subprocess
import time
import unittest

from case import Case, background, wait_for


class AgentKilled(Case):
    def kill_all_the_time(self, until):
        """Kills the agent as soon as it is there, again and again."""
        kills = 0
        while time.monotonic() < until and self.state() == "trying":
            for pid in self.helpers():
                self.kill_process(pid)
                kills += 1
            time.sleep(0.2)  # a pace, not a condition
        return kills

    def test_again_and_again_and_the_verdict_is_in_time(self):
        self.bad()
        trial = self.start_manual("bad", check="nm", timeout="7s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        kills = self.kill_all_the_time(deadline - 1.5)
        self.assertGreaterEqual(kills, 3)
        self.assert_reverted(trial, "bad")
        self.assert_in_time(deadline)

    def test_a_good_candidate_is_promoted_by_the_next_agent(self):
        self.candidate()
        trial = self.start("good", "--timeout", "30s", "--hold", "2s")
        self.device.wait_active("good")
        for _ in range(2):
            self.kill_helpers()
            wait_for("the next agent", self.helpers)
        self.assert_promoted(trial, "good", "checks-passed")

    def test_a_restart_begins_hold_anew_but_not_the_deadline(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "9s", "--hold", "4s")
        deadline = self.deadline()
        wait_for("a passing check", lambda: "passing" in [check["state"] for check in self.status()["checks"]])
        killed = time.monotonic()
        self.kill_helpers()
        entry = self.wait_verdict(trial)
        if entry["verdict"] == "promoted":
            self.assertGreater(self.watch.left("trying", self.started), killed + 4, "hold went on without an agent")
        self.assert_in_time(deadline)

    def test_while_no_agent_runs_the_deadline_passes_and_the_next_one_reverts(self):
        self.bad()
        trial = self.start_manual("bad", timeout="3s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        self.hold_agent()
        wait_for("the deadline", lambda: time.monotonic() > deadline + 0.2)
        self.release_agent()
        self.assert_reverted(trial, "bad", "timeout")

    def test_confirm_works_without_an_agent(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.hold_agent()
        self.trial("confirm", trial)
        self.device.power_cut()
        self.device.boot()
        self.assert_promoted(trial, "good", "confirmed")

    def test_cancel_works_without_an_agent(self):
        self.bad()
        trial = self.wait_manual("bad")
        self.hold_agent()
        self.trial("cancel", trial)
        self.device.wait_active("lan")
        self.release_agent()
        self.assert_reverted(trial, "bad", "cancelled")


class CallerKilled(Case):
    def start_in_background(self, *options, **more):
        self.candidate()
        self.before = self.files()
        self.started = time.monotonic()
        command = ("nm-trial", "start", "good", "--confirm", "manual", "--check", "none", *options)
        return subprocess.Popen(self.device.inside(*command), stdin=subprocess.DEVNULL, start_new_session=True,
                                **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **more})

    def goes_on_and_can_be_confirmed(self):
        self.device.wait_active("good")
        trial = self.status()["id"]
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_hung_up_right_after_the_record_the_trial_goes_on(self):
        """SIGHUP to the caller's session, as when its ssh connection dies with the old network."""
        caller = self.start_in_background()
        wait_for("the record", lambda: self.state() == "trying")
        os.killpg(caller.pid, signal.SIGHUP)
        caller.communicate()
        self.goes_on_and_can_be_confirmed()

    def test_killed_right_after_the_record_the_trial_goes_on(self):
        caller = self.start_in_background()
        while self.state() != "trying" and caller.poll() is None:
            pass
        os.killpg(caller.pid, signal.SIGKILL)
        caller.communicate()
        self.goes_on_and_can_be_confirmed()

    def test_killed_while_it_waits_the_trial_goes_on(self):
        caller = self.start_in_background("--wait")
        self.device.wait_active("good")
        os.killpg(caller.pid, signal.SIGHUP)
        caller.communicate()
        self.goes_on_and_can_be_confirmed()

    def test_nobody_reads_what_it_says(self):
        """The reading end of its output is closed before it says anything."""
        read_end, write_end = os.pipe()
        os.close(read_end)
        caller = self.start_in_background(stdout=write_end)
        os.close(write_end)
        caller.wait(20)
        self.goes_on_and_can_be_confirmed()

    def test_a_terminal_that_takes_nothing_holds_nobody_up(self):
        """Its output is full, as on a stopped terminal: others get the lock, and the trial ends in time."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(write_end, b"x" * 4096)
        os.set_blocking(write_end, True)
        caller = self.start_in_background("--timeout", "6s", stdout=write_end)
        os.close(write_end)
        wait_for("the record", lambda: self.state() == "trying")
        deadline = self.deadline()
        trial = self.status()["id"]
        self.device.wait_active("good")
        self.trial("extend", trial, "--timeout", "5s", timeout=8)
        deadline = self.deadline()
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(deadline)
        os.close(read_end)
        caller.wait(20)

    def test_what_is_said_under_the_lock_waits_for_its_end(self):
        """stderr takes nothing: a command that is refused, and one that shows, hold nobody up."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(write_end, b"x" * 4096)
        os.set_blocking(write_end, True)
        self.candidate()
        self.trial("annotate", "lan", "start=manual")
        trial = self.wait_manual("good", timeout="4s")
        deadline = self.deadline()
        stopped = [subprocess.Popen(self.device.inside("nm-trial", *words), stdin=subprocess.DEVNULL,
                                    stdout=write_end, stderr=write_end)
                   for words in (["annotate", "lan"], ["annotate", "good", "timeout=9s"], ["annotate", "lan", "replaces=x"],
                                 ["confirm", "00000000"], ["start", "lan"])]
        os.close(write_end)
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(deadline)
        os.close(read_end)
        for one in stopped:
            one.wait(20)

    def test_an_agent_that_cannot_be_says_why(self):
        self.hold_agent()
        for call in ("timerfd_create", "inotify_init1"):
            died = self.device.run("strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                   f"inject={call}:error=EMFILE", "nm-trial", "agent", check=False)
            self.assertEqual(died.returncode, 1)
        self.assertEqual(len(self.said("Too many open files")), 2)

    def test_waiting_helpers_die_without_a_trace(self):
        self.candidate()
        trial = self.wait_manual("good")
        waiting = background(self.device, "nm-trial", "wait", trial)
        os.killpg(waiting.pid, signal.SIGKILL)
        waiting.communicate()
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")


if __name__ == "__main__":
    unittest.main(verbosity=2)

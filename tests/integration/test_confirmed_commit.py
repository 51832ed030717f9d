# SPDX-License-Identifier: LGPL-2.1-or-later
"""RFC 6241 section 8.4, the confirmed commit, as NETCONF servers test it, and the reboots that they leave out. The
table in HACKING.md says where nm-trial does as the RFC has it, and where not."""
import os
import signal
import time
import unittest

from case import Case, RECORD, background, keyfile, wait_for
from hands import HOLD

GARBAGE = ("", "x", "0123abcg", "0123ABCD", "0123abcd0", "../../trial", "\x1b[31m", "x" * 10000)


class ConfirmedCommit(Case):
    def setUp(self):
        super().setUp()
        self.candidate()

    # The timer

    def test_a_confirm_right_after_the_start_is_a_plain_commit(self):
        trial = self.start_manual("good")
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assert_boots("good")

    def test_without_a_confirm_it_runs_out(self):
        trial = self.start_manual("good", timeout="3s")
        deadline = self.deadline()
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(deadline)

    def test_a_confirm_in_time_stops_the_timer(self):
        trial = self.wait_manual("good", timeout="4s")
        deadline = self.deadline()
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        wait_for("the deadline's end", lambda: time.monotonic() > deadline + 0.7)
        self.assertEqual(self.device.active(), "good")

    def test_a_follow_up_resets_the_timer_and_can_be_confirmed(self):
        trial = self.wait_manual("good", timeout="4s")
        deadline = self.deadline()
        self.trial("extend", trial, "--timeout", "30s")
        wait_for("the first deadline's end", lambda: time.monotonic() > deadline + 0.7)
        self.assertEqual(self.state(), "trying")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_follow_ups_that_run_out_go_back_to_the_original(self):
        """To what was before the first of them, not to what a later one found."""
        trial = self.wait_manual("good", timeout="20s")
        for seconds in (15, 3):
            self.trial("extend", trial, "--timeout", f"{seconds}s")
        deadline = self.deadline()
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(deadline)
        self.assert_boots("lan")

    # cancel

    def test_cancel_with_none_open(self):
        before = self.files()
        for words in ([], ["0123abcd"]):
            self.trial("cancel", *words, status=3)
        self.assertEqual((self.files(), self.device.active()), (before, "lan"))

    def test_cancel(self):
        """By whoever comes, without an id: there is one trial that it can mean."""
        trial = self.wait_manual("good")
        self.trial("cancel")
        self.assertNotEqual(self.state(), "trying", "cancel returned before its verdict was durable")
        self.assert_reverted(trial, "good", "cancelled")

    # Sessions and ids

    def session(self, timeout="60s"):
        """A session of its own in which `start --wait` runs; returns its leader and the trial's id."""
        leader = background(self.device, "nm-trial", "start", "good", "--confirm", "manual", "--check", "none",
                            "--timeout", timeout, "--wait")
        self.device.wait_active("good")
        return leader, self.status()["id"]

    def test_the_end_of_the_callers_session_ends_nothing(self):
        """As with <persist>: the session is expected to die with the old address that it came in by. The trial goes
        on to its deadline."""
        for how in (signal.SIGKILL, signal.SIGHUP):
            with self.step(how=how):
                leader, trial = self.session(timeout="5s")
                deadline, started = self.deadline(), time.monotonic()
                os.killpg(leader.pid, how)
                leader.communicate(timeout=10)
                self.assert_reverted(trial, "good", "timeout")
                self.assertGreater(self.watch.left("trying", started), deadline - 1.1, "reverted before its deadline")

    def test_another_session_confirms_by_the_id(self):
        leader, trial = self.session()
        os.killpg(leader.pid, signal.SIGHUP)
        leader.communicate(timeout=10)
        other = background(self.device, "env", "SUDO_USER=other", "nm-trial", "confirm", trial)
        self.assertIn(trial, other.communicate(timeout=20)[0])
        self.assertEqual(other.returncode, 0)
        self.assert_promoted(trial, "good", "confirmed")

    def refused(self, trial, other):
        record = self.settled_record()
        for words in (["confirm", other], ["cancel", other], ["extend", other, "--timeout", "30s"]):
            with self.step(words=words):
                self.assertIn(trial, self.trial(*words, status=4).stderr, "the message does not name the open trial")
                self.assertEqual((self.record(), self.device.active()), (record, "good"))

    def test_the_id_of_another_trial(self):
        other = self.wait_manual("good")
        self.trial("cancel", other)
        self.assert_reverted(other, "good", "cancelled")
        trial = self.wait_manual("good")
        self.refused(trial, "00000000" if trial != "00000000" else "11111111")
        self.trial("confirm", other, status=5)  # that one has its answer already
        self.assertEqual((self.state(), self.status()["id"]), ("trying", trial))

    def test_garbage_for_an_id(self):
        trial = self.wait_manual("good")
        for word in GARBAGE:
            self.refused(trial, word)

    def test_a_second_one_is_refused_while_one_is_open(self):
        self.bad()
        trial = self.wait_manual("good")
        record = self.settled_record()
        for name in ("bad", "good"):
            self.assertIn(trial, self.trial("start", name, status=4).stderr)
        self.assertEqual((self.record(), self.device.active()), (record, "good"))
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    # What is stored to go back to

    def test_a_bogus_stored_copy(self):
        """Nothing of it is applied: it is set aside, and the known-good profile, which never left the disk, is up."""
        self.wait_manual("good")
        bogus = self.settled_record().replace(b"candidate", b"replaced!")
        (self.device.disk / RECORD).write_bytes(bogus)
        self.kill_helpers()
        wait_for("the record set aside", lambda: self.state() == "none")
        self.assertEqual((self.device.disk / f"{RECORD}.bad-1").read_bytes(), bogus)
        self.device.wait_active("lan")
        self.assertEqual(keyfile.annotation(self.profile("good")), "demoted")
        self.assert_boots("lan")

    # Reboots

    def shut_down(self):
        """As a clean reboot does: everything is asked to end, and what it says is on disk."""
        self.device.run("touch", HOLD, "/run/lab-hold-nm")
        for pid in (*self.helpers(), self.nm_host_pid()):
            self.kill_process(pid, signal.SIGTERM)
        wait_for("the end of all", lambda: not self.helpers() and not self.helpers("NetworkManager"))
        self.assertEqual(self.state(), "trying", "the trial is for the next boot to end")
        self.device.power_cut()

    def test_a_clean_reboot(self):
        trial = self.wait_manual("good", timeout="10m")
        self.shut_down()
        self.device.boot()
        self.assert_reverted(trial, "good", "unconfirmed-reboot")

    def test_a_power_cut(self):
        trial = self.wait_manual("good", timeout="10m")
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "good", "unconfirmed-reboot")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What confirm, cancel, extend and wait answer, and that a wrong word changes nothing."""
import time
import unittest

from case import Case, background, wait_for

WITH_ID = (["confirm", "{}"], ["cancel", "{}"], ["extend", "{}", "--timeout", "30s"], ["wait", "{}"])
WITHOUT = (["confirm"], ["cancel"], ["extend", "--timeout", "30s"], ["wait"])


def with_id(trial):
    return [[word.format(trial) for word in words] for words in WITH_ID]


class Verbs(Case):
    def test_without_a_trial_the_answer_is_3(self):
        before = self.files()
        for words in [*WITHOUT, *with_id("0123abcd")]:
            with self.subTest(words=words):
                self.trial(*words, status=3)
        self.assertEqual(self.files(), before)
        self.assertEqual(self.device.active(), "lan")

    def test_a_wrong_id_is_refused_and_nothing_changes(self):
        self.candidate()
        trial = self.wait_manual("good")
        record, before = self.settled_record(), self.files()
        for words in with_id("00000000" if trial != "00000000" else "11111111"):
            with self.subTest(words=words):
                refused = self.trial(*words, status=4)
                self.assertIn(trial, refused.stderr, "the message does not name the open trial")
                self.assertEqual(self.record(), record)
        self.assertEqual(self.files(), before)
        self.assertEqual(self.device.active(), "good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good")

    def test_words_for_a_trial_that_was_promoted(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good")
        before = self.files()
        for _ in range(2):
            self.trial("confirm", trial, status=0)
            self.trial("wait", trial, status=0)
        self.trial("cancel", trial, status=3)
        self.trial("extend", trial, "--timeout", "30s", status=3)
        self.assertEqual((self.files(), self.device.active()), (before, "good"))

    def test_words_for_a_trial_that_was_reverted(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good")
        before = self.files()
        for _ in range(2):
            self.trial("confirm", trial, status=5)
            self.trial("wait", trial, status=5)
        self.trial("cancel", trial, status=3)
        self.trial("extend", trial, "--timeout", "30s", status=3)
        self.assertEqual((self.files(), self.device.active()), (before, "lan"))

    def test_words_for_a_closed_trial_while_another_is_open(self):
        self.candidate()
        closed = self.wait_manual("good")
        self.trial("cancel", closed)
        self.assert_reverted(closed, "good")
        trial = self.wait_manual("good")
        self.trial("confirm", closed, status=5)
        self.trial("wait", closed, status=5)
        self.trial("cancel", closed, status=4)
        self.trial("extend", closed, "--timeout", "30s", status=4)
        self.assertEqual((self.status()["state"], self.status()["id"]), ("trying", trial))

    def test_a_second_start_is_refused_and_the_first_trial_goes_on(self):
        self.candidate()
        self.bad()
        trial = self.wait_manual("good")
        record, before = self.settled_record(), self.files()
        refused = self.trial("start", "bad", status=4)
        self.assertIn(trial, refused.stderr)
        self.trial("start", "good", status=4)
        self.assertEqual((self.files(), self.record()), (before, record))
        self.assertEqual(self.device.active(), "good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good")

    def test_extend_then_silence_brings_the_original_back(self):
        self.candidate()
        trial = self.start_manual("good", timeout="4s")
        first = self.deadline()
        self.device.wait_active("good")
        self.trial("extend", trial, "--timeout", "7s")
        second = self.deadline()
        self.assertGreater(second, first + 2)
        wait_for("the first deadline's end", lambda: time.monotonic() > first + 0.7)
        self.assertEqual(self.status()["state"], "trying", "the first deadline still counts")
        self.assert_reverted(trial, "good", "timeout")
        self.assert_in_time(second)

    def test_extend_can_shorten(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("extend", "--timeout", "2s")
        self.assert_reverted(trial, "good", "timeout")
        self.assertLess(time.monotonic() - self.started, 20)

    def test_start_says_the_id_the_deadline_and_the_confirm_command(self):
        self.candidate()
        output = self.trial("start", "good", "--confirm", "manual", "--check", "none", "--timeout", "90").stdout
        trial = self.started_as(output)
        self.assertIn(f"nm-trial confirm {trial}", output)
        self.assertRegex(output, r"90|1:30|1 min|89")

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        def into_nothing(*words):
            return self.device.run("sh", "-c", '"$@" >/dev/full', "sh", "nm-trial", *words, check=False)
        self.candidate()
        self.trial("annotate", "good", "timeout=5m")
        for words in (["status"], ["status", "--json"], ["history"], ["doctor", "--json"], ["annotate", "good"], ["guard"],
                      ["start", "good", "--dry-run"], ["--help"], ["--version"]):
            with self.subTest(words=words):
                result = into_nothing(*words)
                self.assertEqual((result.returncode, "No space left" in result.stderr), (1, True), result.stderr)
        started = ("start", "good", "--confirm", "manual", "--check", "none")
        result = into_nothing(*started)
        trial = self.status()["id"]
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, f"trial {trial} is open, but .*No space left")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good")
        result = into_nothing(*started, "--timeout", "2s", "--wait")  # what it is asked for then is its status
        self.assertEqual(result.returncode, 5, result.stderr)

    def test_a_closed_output_is_nobodys(self):
        result = self.device.run("sh", "-c", "nm-trial doctor --json >&-; nm-trial status >&- 2>&- <&-", check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_start_wait_ends_with_the_verdict(self):
        self.candidate()
        result = self.trial("start", "good", "--wait", "--timeout", "20s", "--hold", "1s", status=0)
        self.assert_promoted(self.started_as(result.stdout), "good", "checks-passed")
        self.assertNotIn("\r", result.stdout + result.stderr, "progress for a terminal went to a pipe")
        self.bad()
        result = self.trial("start", "bad", "--wait", "--timeout", "5s", "--hold", "1s", status=5)
        self.assert_reverted(self.started_as(result.stdout), "bad", "check-failed", replaced="good")

    def test_wait_ends_when_the_trial_does(self):
        self.candidate()
        for verb, status in (("cancel", 5), ("confirm", 0)):
            trial = self.wait_manual("good")
            waiting = [background(self.device, "nm-trial", "wait", *words) for words in ([], [trial])]
            self.assertTrue(all(one.poll() is None for one in waiting))
            self.trial(verb, trial)
            for one in waiting:
                one.communicate(timeout=20)
                self.assertEqual(one.returncode, status)
            self.assertEqual(self.status()["state"], "none")

    def test_without_the_boots_id_nothing_is_changed(self):
        """Found by failing each read of confirm: it took the trial for one of another boot, and went back."""
        self.candidate()
        trial = self.wait_manual("good")
        record = self.settled_record()
        self.device.run("mount", "--bind", "/dev/null", "/proc/sys/kernel/random/boot_id")
        self.kill_helpers()
        for words in (["confirm"], ["cancel"], ["extend", "--timeout", "30s"]):
            with self.subTest(words=words):
                self.assertIn("this boot's id cannot be read", self.trial(*words, status=1).stderr)
        self.assertEqual(self.device.run("nm-trial", "boot", check=False).returncode, 1)
        for words in ("start: this boot's id cannot be read", "this boot's id cannot be read; trying again"):  # the agent's
            wait_for(words, lambda words=words: self.said(words))
        self.assertIn(trial, self.trial("status").stdout)  # which needs none
        self.device.run("umount", "/proc/sys/kernel/random/boot_id")
        self.assertEqual(self.record(), record)
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good")

    def test_extend_needs_a_good_timeout(self):
        self.candidate()
        trial = self.wait_manual("good")
        record = self.settled_record()
        for words in ([], ["--timeout"], ["--timeout", "0"], ["--timeout", "25h"], ["--timeout", "soon"]):
            with self.subTest(words=words):
                self.trial("extend", trial, *words, status=2)
                self.assertEqual(self.record(), record)


if __name__ == "__main__":
    unittest.main(verbosity=2)

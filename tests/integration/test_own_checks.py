# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operator's own checks: what they say counts, what they do harms nobody, and what others may write is not run."""
import os
import pathlib
import re
import signal
import time
import unittest

from case import Case, keyfile, uuid_of, wait_for
from own import LOOK_AROUND, Own

CHECKS = "etc/nm-trial/check.d"


class OwnCase(Own, Case):
    directory = CHECKS

    def check(self, text, name="mine"):
        return self.put(text, name)

    def judged(self, name="mine"):
        """The agent's last word of that check: (state, output)."""
        for check in self.status()["checks"]:
            if check["name"] == name:
                return check["state"], check["output"]
        return None

    def wait_judged(self, state, pattern="", name="mine", seconds=15):
        def seen():
            judged = self.judged(name)
            return judged if judged and judged[0] == state and re.search(pattern, judged[1]) else None
        return wait_for(f"check {name} {state}, {pattern!r}", seen, seconds)[1]

    def confirm_refused(self):
        """What confirm says of a check that fails."""
        return self.trial("confirm", status=4).stderr

    def answer(self, text):
        """What a check that begins with ANSWER does from now on."""
        self.device.run("sh", "-c", "cat >/run/answer.new; mv /run/answer.new /run/answer", stdin=text)

    ANSWER = "[ ! -e /run/answer ] || . /run/answer"

    def trying(self, *options, name="good", check="mine", **more):
        self.candidate(name)
        return self.wait_manual(name, *options, check=check, **more)

    def cancelled(self, trial, name="good"):
        self.trial("cancel", trial)
        return self.assert_reverted(trial, name, "cancelled")


class Judging(OwnCase):
    def test_one_that_passes_promotes(self):
        self.check("echo; echo \"  all is well on $NM_TRIAL_IFACE\"; echo and more; exit 0")
        self.candidate()
        trial = self.start("good", "--check", "mine", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
        entry = self.assert_promoted(trial, "good", "checks-passed")
        said = [(check["name"], check["state"], check["output"]) for check in entry["baseline"]]
        self.assertEqual(said[0], ("mine", "passing", "all is well on eth0"))
        self.assertEqual((said[1][0], len(said)), ("gateway", 2))
        self.assertEqual(len(self.said(r"trial \w+: check mine passes on eth0: all is well on eth0")), 1)

    def test_one_that_fails_reverts_and_says_why(self):
        self.check(self.ANSWER)
        self.candidate()
        trial = self.start("good", "--check", "mine", "--timeout", "4s", "--hold", "3s")
        self.answer("echo 'CRITICAL - no peer | peers=0;;1'; exit 2")
        entry = self.assert_reverted(trial, "good", "check-failed")
        self.assertIn("check mine on eth0: exit status 2: CRITICAL - no peer | peers=0;;1", entry["detail"])
        after = entry["after_revert"][0]
        self.assertEqual((after["name"], after["state"]), ("mine", "failing"), "the old network was judged, too")

    def test_only_exit_0_passes(self):
        self.check(self.ANSWER)
        trial = self.trying()
        for text, says in (("echo slow; exit 1", "exit status 1: slow"), ("exit 2", "exit status 2"),
                           ("exit 3", "exit status 3"), ("exit 255", "exit status 255"),
                           ("echo oh >&2; exit 42", "exit status 42: oh"),
                           ("kill -SEGV $$", r"killed by signal 11 \(Segmentation fault\)"),
                           ("echo bye; kill -KILL $$", r"killed by signal 9 \(Killed\): bye")):
            with self.step(text=text):
                self.answer(text)
                self.assertRegex(self.confirm_refused(), f"check mine is failing on eth0: {says}")
        self.assertEqual(self.status()["state"], "trying")
        self.answer("exit 0")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_what_it_says_anew_is_for_everybody_to_read(self):
        """Also where it goes on failing, and nobody but a person decides."""
        self.check(self.ANSWER)
        self.answer("echo no peer; exit 1")
        self.trying()
        for text in ("no peer", "no route"):
            self.answer(f"echo {text}; exit 1")
            says = f"exit status 1: {text}"
            wait_for(says, lambda: says in self.device.run("cat", "/run/nm-trial/status.json").stdout, 20)

    def test_annotations_and_the_devices_defaults_name_them(self):
        self.check("exit 0")
        self.check("exit 0", "other")
        self.candidate("good")
        (self.device.disk / "etc/nm-trial/nm-trial.conf").write_text("[trial]\nchecks=mine\n")
        self.assertRegex(self.trial("start", "good", "--dry-run").stdout, "checks +mine\n")
        self.trial("annotate", "good", "checks=other;gateway")
        self.assertRegex(self.trial("start", "good", "--dry-run").stdout, "checks +other, gateway\n")
        (self.device.disk / CHECKS / "other").unlink()
        self.assertIn(f"/{CHECKS}/other", self.trial("start", "good", status=4).stderr)

    def test_a_break_of_one_round_restarts_hold_and_extends_nothing(self):
        """The third run fails, alone; the deadline stays where it was."""
        self.check("""now=$(cut -d' ' -f1 /proc/uptime)
            [ "$NM_TRIAL_ID" = "$(cat /run/trial)" ] || exit 0  # the baseline's run does not count
            echo "$now" >>/run/runs
            [ "$(wc -l </run/runs)" -ne 3 ] || { echo "$now" >/run/broken; exit 1; }""")
        self.candidate()
        trial = self.start("good", "--check", "mine", "--timeout", "30s", "--hold", "4s")
        deadline = self.deadline()
        self.device.run("sh", "-c", f"echo {trial} >/run/trial")
        wait_for("the break", lambda: self.device.test("test -e /run/broken"), 20)
        self.assertLess(abs(self.deadline() - deadline), 1.5, "the deadline was moved")
        wait_for("the verdict", lambda: self.watch.left("trying", self.started), 20)
        up = float(self.device.run("cut", "-d", " ", "-f1", "/proc/uptime").stdout)
        self.assert_promoted(trial, "good", "checks-passed")
        broken = float(self.device.run("cat", "/run/broken").stdout)
        runs = [float(line) for line in self.device.run("cat", "/run/runs").stdout.split()]
        self.assertGreaterEqual(up - broken, 4, "promoted without a whole hold after the break")
        self.assertGreaterEqual(runs[-1] - runs[3], 3.9, "hold is filled by evidence")
        self.assertEqual(len(self.said(r"trial \w+: check mine fails on eth0")), 1)
        self.assertEqual(len(self.said(r"trial \w+: check mine passes on eth0")), 2)


class Surroundings(OwnCase):
    def given(self, trial):
        self.assert_bare((f"NM_TRIAL_ID={trial}", "NM_TRIAL_IFACE=eth0", f"NM_TRIAL_UUID={uuid_of('good')}"))

    def test_bare_for_the_agent_and_for_confirm_and_for_start(self):
        self.check(LOOK_AROUND)
        self.candidate()
        noisy = ("trap '' HUP INT USR1; exec 7</etc/passwd 8>&1; umask 0; cd /var; "
                 "SECRET=1 IFS=x LD_LIBRARY_PATH=/run/lure GIO_EXTRA_MODULES=/run/lure exec nm-trial \"$@\"")
        with self.step(who="start"):
            self.before = self.files()
            started = self.device.run("sh", "-c", noisy, "sh", "start", "good", "--confirm", "manual", "--check", "mine",
                                      "--timeout", "60s")
            trial = self.started_as(started.stdout)
            self.given(trial)
        with self.step(who="the agent, whose own place among the killed is no check's"):
            pathlib.Path(f"/proc/{self.helpers()[0]}/oom_score_adj").write_text("300")
            self.device.run("rm", "-rf", "/run/seen")
            wait_for("the agent's round", lambda: self.device.test("test -e /run/seen"))
            self.given(trial)
        with self.step(who="confirm"):
            self.wait_judged("passing")
            self.device.run("rm", "-rf", "/run/seen")
            self.device.run("sh", "-c", noisy, "sh", "confirm", trial)
            self.given(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_a_program_is_left_no_descriptor_and_no_signal_ignored(self):
        path = self.device.disk / CHECKS / "mine"
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("/usr/bin/yes")  # runs until it is killed, which leaves time to look
        trial = self.trying()
        pid = wait_for("the check", lambda: self.helpers("yes"))[0]
        fds = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        self.assertEqual(fds.pop("0"), "/dev/null")
        self.assertRegex(fds.pop("1") + fds.pop("2"), r"^(pipe:\[\d+\])\1$")
        self.assertEqual(fds, {})
        self.assertRegex(pathlib.Path(f"/proc/{pid}/status").read_text(), r"SigBlk:\t0+\nSigIgn:\t0+\n")
        self.cancelled(trial)
        self.assertEqual(self.helpers("yes"), [], "a verdict ends the round")


class Misbehaving(OwnCase):
    def test_hanging_is_killed_with_its_children_and_delays_no_other(self):
        self.check("echo so far; sleep 301 & sleep 302")
        self.check("trap '' TERM INT HUP; sleep 303; sleep 304; sleep 305", "second")
        trial = self.trying("--check", "second", timeout="120s")
        begin = time.monotonic()
        said = self.confirm_refused()
        took = time.monotonic() - begin
        self.assertRegex(said, "check mine is failing on eth0: no end within 10 s, killed: so far")
        self.assertTrue(10 <= took < 13, f"both hang for 10 s, at the same time, but it took {took:.1f} s")
        self.wait_judged("failing", "no end within 10 s, killed$", "second")
        self.assertEqual(self.status()["state"], "trying")
        self.cancelled(trial)
        self.assertEqual(self.sleeping(), [])

    def test_a_child_that_stays_behind_with_our_pipe(self):
        self.check("sleep 301 & echo started; exit 0")
        trial = self.trying()
        self.wait_judged("passing", "^started$")
        self.assertEqual(self.sleeping(), [])
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(self.sleeping(), [])

    def memory(self, pid):
        """The most that the process ever had, in KiB."""
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])

    def test_a_flood_is_neither_kept_nor_waited_for(self):
        self.check("exit 0", "quiet")
        trial = self.trying(check="quiet")
        self.wait_judged("passing", name="quiet")
        quiet = self.memory(self.helpers()[0])
        self.cancelled(trial)
        self.check("yes flood | head -c 300000000")
        trial = self.trying()
        self.assertEqual(self.wait_judged("passing"), "flood")
        self.assertLess(self.memory(self.helpers()[0]), quiet + 4096)
        self.check("head -c 100000 /dev/zero | tr '\\0' x; exit 1")
        said = self.confirm_refused()
        self.assertIn("exit status 1: xxxx", said)
        self.assertLess(len(said), 600)
        self.cancelled(trial)

    def test_an_endless_flood_delays_no_verdict(self):
        self.check("cat /dev/zero & exec cat /dev/zero")
        self.candidate()
        trial = self.start("good", "--confirm", "manual", "--check", "mine", "--timeout", "6s")
        deadline = self.deadline()
        wait_for("the agent's flood", lambda: self.helpers("cat"), 4)
        self.assert_in_time(deadline)
        self.assert_reverted(trial, "good", "timeout")
        self.assertEqual(self.helpers("cat"), [])

    def test_hostile_output(self):
        hostile = "\\033]0;owned\\007\\033[2J\\302\\233red\\r\\342\\200\\256gnp"
        self.check(f"printf '{hostile}\\nNM_TRIAL_ID=00000000\\nPRIORITY=0\\n'; exit 1")
        trial = self.trying()
        clean = r"exit status 1: \\u001b\]0;owned\\u0007\\u001b\[2J\\u009bred\\u000d\\u202egnp"
        self.wait_judged("failing", f"^{clean}$")
        for said in (self.confirm_refused(), self.trial("status").stdout, self.trial("status", "--json").stdout):
            self.assertNotRegex(said, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
        entry = next(entry for entry in self.device.journal("nm-trial") if f"{trial}: check mine fails" in entry["MESSAGE"])
        self.assertRegex(entry["MESSAGE"], f"{clean}$")
        self.assertEqual((entry["NM_TRIAL_ID"], entry["PRIORITY"]), (trial, "6"))
        entry = self.cancelled(trial)
        self.assertRegex(entry["baseline"][0]["output"], f"^{clean}$")

    def test_one_that_cannot_be_run(self):
        for text, says in (("#!/no/such/interpreter\n", "interpreter"), ("#!/etc/passwd\n", "interpreter")):
            with self.step(text=text):
                self.check(text)
                trial = self.trying()
                self.assertRegex(self.confirm_refused(), f"exit status 126: cannot be run: .*{says}")
                self.cancelled(trial)


class Trust(OwnCase):
    ROWS = [
        ("group may write it", "chmod 0775 mine", "check.d/mine can be written by others than root"),
        ("others may write it", "chmod 0757 mine", "check.d/mine can be written by others than root"),
        ("another owner", "chown 1 mine", "check.d/mine does not belong to root"),
        ("not executable", "chmod 0644 mine", "check.d/mine cannot be executed"),
        ("set-user-ID", "chmod 4755 mine", "check.d/mine is set-user-ID"),
        ("a directory", "rm mine; mkdir mine", "check.d/mine is a directory"),
        ("a pipe", "rm mine; mkfifo -m 755 mine", "check.d/mine is no regular file"),
        ("not there", "rm mine", "check.d/mine cannot be used: No such file"),
        ("its directory is others' to write", "chmod 0777 .", "check.d can be written by others than root"),
        ("its directory is somebody's", "chown 1 .", "check.d does not belong to root"),
        ("a parent is others' to write", "chmod 0775 ..", "/etc/nm-trial can be written by others than root"),
        ("a link to nowhere", "rm mine; ln -s nowhere mine", "check.d/nowhere cannot be used: No such file"),
        ("a link to itself", "rm mine; ln -s mine mine", "check.d/mine cannot be used: .*symbolic links"),
        ("a link to what others may write", "mv mine there; chmod 0777 there; ln -s there mine", "check.d/there can"),
        ("a link through a place that others may write",
         "mkdir -m 1777 /run/open; ln -s /usr/bin/true /run/open/x; rm mine; ln -s /run/open/x mine", "/run/open can"),
    ]
    MENDED = "rm -rf mine there /run/open; chown 0 . ..; chmod 0755 . .."

    def in_directory(self, command):
        self.device.run("sh", "-ec", f"cd /{CHECKS}; {command}")

    def fresh(self):
        if (self.device.disk / CHECKS).exists():
            self.in_directory(self.MENDED)
        self.check("exit 0")

    def test_one_that_cannot_be_trusted_is_refused(self):
        self.candidate()
        for name, command, says in self.ROWS:
            with self.step(row=name):
                self.fresh()
                self.in_directory(command)
                before = self.files()
                dry = self.trial("start", "good", "--check", "mine", "--dry-run", status=4)
                refused = self.trial("start", "good", "--check", "mine", status=4)
                self.assertRegex(refused.stderr, says)
                self.assertEqual((dry.stderr, refused.stdout), (refused.stderr, ""))
                self.assertRegex(refused.stderr, f"/{CHECKS}/mine.*root.*0755")  # where it must be, and how
                self.assertEqual((self.files(), self.state(), self.checkpoints()), (before, "none", []))
        self.fresh()

    def test_a_link_all_of_whose_way_is_roots_is_run(self):
        self.fresh()
        self.in_directory("mkdir -m 755 /run/roots; ln -s /usr/bin/true /run/roots/x; rm mine; ln -s /run/roots/x mine")
        trial = self.trying()
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_one_that_is_changed_in_the_middle_of_a_trial(self):
        self.fresh()
        trial = self.trying(timeout="120s")
        self.wait_judged("passing")
        for name, command, says in self.ROWS:
            with self.step(row=name):
                self.in_directory(command)
                self.assertRegex(self.confirm_refused(), f"check mine is failing on eth0: .*{says}")
                self.fresh()
        self.in_directory("chmod 0777 mine")
        self.wait_judged("failing", "can be written by others than root")  # the agent sees it, too
        self.fresh()
        self.wait_judged("passing")
        self.cancelled(trial)


class CutOff(OwnCase):
    strays = True

    def test_power_cut_during_a_trial(self):
        self.check("sleep 303")
        trial = self.trying()
        wait_for("the check", lambda: self.sleeping())
        self.assert_boots("lan")
        entry = self.entry(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "unconfirmed-reboot"))
        self.assertEqual(keyfile.annotation(self.profile("good")), "demoted")
        self.assertEqual(self.sleeping(), [])

    def running(self):
        """A trial in the middle of a run of its check; the shell's child is what goes on without it."""
        self.check("echo $$ >>/run/pids; sleep 303; exit 0")
        trial = self.trying(timeout="120s")
        return trial, int(wait_for("the agent's check, after the baseline's", lambda: self.device.run(
            "sed", "-n", "2p", "/run/pids").stdout))

    def test_the_agent_is_killed(self):
        """The kernel kills the check with it. (Its children it does not: under systemd the unit's end does.)"""
        trial, check = self.running()
        self.hold_agent()
        wait_for("the check's end", lambda: not self.alive(check), 2)
        self.device.run("kill", "-KILL", "--", f"-{check}")
        self.answer("exit 0")
        self.check(self.ANSWER)
        self.release_agent()
        self.wait_judged("passing")
        self.cancelled(trial)

    def test_the_agent_is_stopped(self):
        """It kills the whole group itself, at once."""
        trial, check = self.running()
        self.check("exit 0")
        self.kill_process(self.helpers()[0], signal.SIGTERM)
        wait_for("the check's end", lambda: not self.alive(check) and not self.sleeping(), 2)
        self.wait_judged("passing")
        self.cancelled(trial)

    def test_a_verdict_kills_it(self):
        trial, check = self.running()
        self.check("exit 0")
        self.cancelled(trial)
        self.assertFalse(self.alive(check) or self.sleeping())


if __name__ == "__main__":
    unittest.main(verbosity=2)

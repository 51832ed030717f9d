# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verdict hooks: each verdict is told, once, whoever made it and whatever was cut off; and nothing waits for them."""
import json
import re
import time
import unittest

from case import Case, wait_for
from own import LOOK_AROUND, Own

HOOKS = "etc/nm-trial/verdict.d"
HISTORY = "var/lib/nm-trial/history"
TOLD = "var/lib/told"
# What was told, on the device's disk.
TELL = f'echo "$NM_TRIAL_ID $NM_TRIAL_VERDICT $NM_TRIAL_REASON" >>/{TOLD}'


class HookCase(Own, Case):
    """To be told first, and then to look at how it ended: the history is written once more in between."""
    directory = HOOKS

    def told(self):
        return [tuple(line.split()) for line in (self.device.read(TOLD) or b"").decode().splitlines()]

    def untold(self):
        """Whether the history still has a verdict whose hooks have not come to their end."""
        return b'"untold"' in (self.device.read(HISTORY) or b"")

    def wait_told(self, *expected, seconds=15):
        """Waits until the agent is done with its hooks; then exactly these trials have been told, in that order."""
        wait_for("the end of the hooks", lambda: len(self.told()) >= len(expected) and not self.untold(), seconds)
        self.assertEqual(self.told(), list(expected))

    def warned(self, pattern):
        """The one line of the journal about a hook that did not do well; it is a warning, and names its trial."""
        entries = [entry for entry in self.device.journal("nm-trial") if re.search(pattern, entry["MESSAGE"])]
        self.assertEqual([entry["PRIORITY"] for entry in entries], ["4"], pattern)
        self.assertIn(f"trial {entries[0]['NM_TRIAL_ID']}: hook ", entries[0]["MESSAGE"])
        return entries[0]["MESSAGE"]

    def cancelled(self, name="good"):
        """A trial that goes back; returns its id."""
        trial = self.wait_manual(name)
        self.trial("cancel", trial)
        return trial


class Telling(HookCase):
    def test_each_verdict_is_told_once_when_it_is_over(self):
        self.put(f"""{TELL}
            [ ! -e /var/lib/nm-trial/trial ] || echo open >>/run/early
            flock -n /var/lib/nm-trial/lock true || echo locked >>/run/early
            nmcli -g GENERAL.CONNECTION device show eth0 >>/run/network
            /usr/local/sbin/nm-trial history --json >/run/history
            echo "  all is well"; echo and more""")
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
        expected = [(trial, "promoted", "checks-passed")]
        self.wait_told(*expected)
        self.assert_promoted(trial, "good", "checks-passed")
        for name, verb, word in (("lan", "confirm", ("promoted", "confirmed")),
                                 ("good", "cancel", ("reverted", "cancelled"))):
            with self.step(verb=verb):
                trial = self.wait_manual(name)
                self.trial(verb, trial)
                entry = self.wait_verdict(trial)
                expected.append((trial, *word))
                self.wait_told(*expected)
                self.assertEqual((entry["verdict"], entry["reason"]), word)
                self.device.wait_active("lan")
                shown = json.loads(self.device.run("cat", "/run/history").stdout)
                self.assertEqual(shown[0]["id"], trial, "a hook finds all else in the history")
                self.assertEqual({"untold"} & {key for entry in [*shown, *self.history(), self.status()["last"]]
                                               for key in entry}, set(), "the interface has no such member")
        self.bad()
        trial = self.start("bad", "--check", "gateway", "--timeout", "3s", "--hold", "1s")
        entry = self.wait_verdict(trial)
        self.wait_told(*expected, (trial, "reverted", entry["reason"]))
        self.assert_reverted(trial, "bad")
        self.assertFalse(self.device.test("test -e /run/early"), "it runs after the end, without the lock")
        self.assertEqual(self.device.run("cat", "/run/network").stdout.split(), ["good", "lan", "lan", "lan"])
        self.assertEqual(len(self.said(rf"trial {trial}: hook mine: all is well$")), 1)

    def test_without_hooks_nothing_is_remembered(self):
        self.candidate()
        first = self.cancelled()
        self.assert_reverted(first, "good", "cancelled")
        self.assertFalse(self.untold())
        self.put(TELL)
        second = self.cancelled()
        self.wait_told((second, "reverted", "cancelled"))
        self.assert_reverted(second, "good", "cancelled")

    def test_its_surroundings_are_bare(self):
        self.put(LOOK_AROUND)
        self.candidate()
        trial = self.cancelled()
        wait_for("the hook", lambda: self.device.test("test -e /run/seen"))
        self.assert_bare((f"NM_TRIAL_ID={trial}", "NM_TRIAL_VERDICT=reverted", "NM_TRIAL_REASON=cancelled"))


class Misbehaving(HookCase):
    def test_hanging_ones_delay_nothing_and_are_killed(self):
        self.put("echo so far; sleep 301 & sleep 302")
        self.put("trap '' TERM INT HUP; sleep 303; sleep 304", "second")
        self.put(TELL, "third")
        self.candidate()
        first = self.cancelled()
        wait_for("the hooks", lambda: len(self.sleeping()) == 3)
        for name in ("mine", "second"):
            (self.device.disk / HOOKS / name).unlink()
        self.expected_now()
        begin = time.monotonic()
        second = self.wait_manual("good")
        self.trial("confirm", second)
        self.assertEqual(self.wait_verdict(second)["verdict"], "promoted")
        self.assertEqual(len(self.sleeping()), 3, f"the hooks' time was over before the trial's: {time.monotonic() - begin}")
        self.assertEqual(self.told(), [(first, "reverted", "cancelled")])
        wait_for("the next hooks", lambda: len(self.told()) == 2, 15)
        self.assertLess(time.monotonic() - begin, 18, "they hang at the same time")
        self.warned(f"{first}: hook mine failed: no end within 10 s, killed: so far")
        self.warned(f"{first}: hook second failed: no end within 10 s, killed$")
        self.wait_told((first, "reverted", "cancelled"), (second, "promoted", "confirmed"))
        self.assertEqual(self.sleeping(), [])
        self.assert_promoted(second, "good", "confirmed")

    def test_what_it_says_is_escaped_and_cut(self):
        self.put("printf '\\033]0;owned\\007\\033[2J\\302\\233red\\nPRIORITY=0\\n'; exit 3", "hostile")
        self.put("echo quiet; sleep 301 & exit 0", "leaves")
        self.put("yes flood | head -c 30000000; exit 0", "flood")
        self.put("#!/no/such/interpreter\n", "broken")
        self.put(TELL)
        self.candidate()
        trial = self.cancelled()
        self.wait_told((trial, "reverted", "cancelled"))
        self.warned(r"hook hostile failed: exit status 3: \\u001b\]0;owned\\u0007\\u001b\[2J\\u009bred$")
        self.warned("hook broken failed: exit status 126: cannot be run: .*interpreter")
        self.assertEqual(len(self.said(": hook flood: flood$")), 1)
        self.assertEqual(len(self.said(": hook leaves: quiet$")), 1)
        self.assertEqual(self.sleeping(), [], "what it left behind ends with it")

    def test_untrusted_ones_are_not_run(self):
        for name in ("writable", "theirs", "setuid", "plain", "script.sh"):
            self.put(f"echo {name} >>/run/ran", name)
        self.put(TELL)
        (self.device.disk / HOOKS / ".hidden").write_text("#!/bin/sh\necho hidden >>/run/ran\n")
        self.device.run("sh", "-ec", f"""cd /{HOOKS}; chmod 0775 writable; chown 1 theirs; chmod 4755 setuid
            chmod 0644 plain; chmod 0755 .hidden
            mkdir -m 1777 /run/open; ln -s /usr/bin/true /run/open/x; ln -s /run/open/x link""")
        self.candidate()
        trial = self.cancelled()
        self.wait_told((trial, "reverted", "cancelled"))
        for name, says in (("writable", "/writable can be written by others than root"),
                           ("theirs", "does not belong to root"), ("setuid", "is set-user-ID"),
                           ("plain", "cannot be executed"),
                           ("script.sh", "has more in its name than letters, digits"), ("link", "/run/open can be written")):
            with self.step(name=name):
                message = self.warned(f"hook {name} failed: .*{says}")
                self.assertRegex(message, f"/{HOOKS}/{name}.*root.*0755")  # where it must be, and how
        self.device.run("chmod", "0777", f"/{HOOKS}")
        second = self.cancelled()
        wait_for("the end of the hooks", lambda: not self.untold() and self.said(f"{second}: hook mine failed"))
        self.assertEqual(len(self.said(f"{second}: hook mine failed: .*verdict.d can be written by others")), 1)
        self.assertEqual(self.told(), [(trial, "reverted", "cancelled")])
        self.assertFalse(self.device.test("test -e /run/ran"))
        self.before = None  # the hooks' modes are this test's own doing


class CutOff(HookCase):
    strays = True
    # Begins, and goes on to its end only when it may.
    SLOW = f"echo $$ >>/var/lib/begun; [ -e /var/lib/go ] || {{ sleep 303; exit 1; }}; {TELL}"

    def begun(self):
        return len((self.device.read("var/lib/begun") or b"").split())

    def go(self):
        (self.device.disk / "var/lib/go").touch()

    def running(self):
        """A trial that was cancelled, in the middle of its hook."""
        self.put(self.SLOW)
        self.candidate()
        trial = self.cancelled()
        wait_for("the hook", lambda: self.begun() == 1)
        return trial

    def test_power_cut_during_a_trial(self):
        """Neither before NetworkManager's start nor by whoever made the verdict, but by the agent, once."""
        self.put(f"nm-online -s -q -t 0 || echo early >>/run/early; {TELL}")
        self.candidate()
        trial = self.wait_manual("good")
        self.device.power_cut()
        self.boot_by_boot_alone()
        self.assertEqual((self.told(), self.untold()), ([], True))
        self.device.power_cut()
        self.set_option("trial_agent", "yes")
        self.device.boot()
        self.wait_told((trial, "reverted", "unconfirmed-reboot"))
        self.assertFalse(self.device.test("test -e /run/early"))
        self.assert_reverted(trial, "good", "unconfirmed-reboot")
        self.device.power_cut()
        self.device.boot()
        other = self.cancelled()
        self.wait_told((trial, "reverted", "unconfirmed-reboot"), (other, "reverted", "cancelled"))

    def test_confirm_closes_the_trial_itself_and_the_power_is_cut(self):
        self.put(TELL)
        self.candidate()
        trial = self.wait_manual("good")
        self.hold_agent()
        self.trial("confirm", trial)
        self.assertEqual((self.state(), self.told(), self.untold()), ("none", [], True))
        self.device.power_cut()
        self.device.boot()
        self.wait_told((trial, "promoted", "confirmed"))
        self.assert_promoted(trial, "good", "confirmed")

    def test_power_cut_during_a_hook(self):
        trial = self.running()
        self.device.power_cut()
        self.go()
        self.assert_boots("lan")
        self.wait_told((trial, "reverted", "cancelled"))
        self.assertEqual(self.begun(), 2)

    def test_the_agent_is_killed_or_stopped_during_a_hook(self):
        trial = self.running()
        self.hold_agent()
        wait_for("the hook's end", lambda: not self.alive(int(self.device.read("var/lib/begun"))), 2)
        self.assertTrue(self.untold())
        self.device.run("pkill", "-f", "^sleep 303$")  # the kernel ends the hook, and systemd its children; not the lab
        self.release_agent()
        wait_for("the hook again", lambda: self.begun() == 2)
        self.kill_process(self.helpers()[0], 15)  # SIGTERM: it kills the whole group itself
        wait_for("the hook's end and its third time", lambda: self.begun() == 3)
        self.assertEqual(len(self.sleeping()), 1)
        self.go()
        self.kill_helpers()
        self.wait_told((trial, "reverted", "cancelled"))
        self.assertEqual(self.begun(), 4)

    def test_a_disk_that_does_not_take_that_it_was_told(self):
        """It is not told again and again meanwhile."""
        self.put("until [ -e /run/go ]; do sleep 0.05; done; echo $NM_TRIAL_ID >>/run/told")
        self.candidate()
        trial = self.cancelled()
        self.wait_verdict(trial)
        self.read_only(True, ["/var"])
        self.device.run("touch", "/run/go")
        wait_for("a word of the disk", lambda: self.said(f"{trial}: .*read-only"))
        self.device.run("rm", "/run/go")  # the next one would wait
        self.read_only(False, ["/var"])
        wait_for("the history", lambda: not self.untold())
        self.assertEqual(self.device.run("cat", "/run/told").stdout.split(), [trial])


if __name__ == "__main__":
    unittest.main(verbosity=2)

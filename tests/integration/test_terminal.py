# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people see: a line that redraws, colours, columns; on a terminal that tmux draws. Piped, it is plain text."""
import re
import unittest

from case import Case, wait_for
from hands import HOLD
from panes import Panes, width

# As wide as it is long, in characters of two columns and of none
NAME = "网络设置 é e\u0301 " + "网" * 50 + " and a last word"
CHECKS = ("--check", "nm", "--check", "gateway", "--confirm", "manual")
SYMBOLS = "●○✓✗"
TERMINALS = ((80, []), (40, []), (80, ["NO_COLOR=1"]), (80, ["NO_COLOR="]), (80, ["TERM=dumb"]))


class Terminal(Case):
    def setUp(self):
        super().setUp()
        self.panes = Panes(self.device)
        self.addCleanup(self.panes.__exit__)

    def assert_plain(self, text):
        self.assertNotRegex(text, f"[\x1b\r{SYMBOLS}]")

    def assert_fits(self, pane, columns):
        self.assertEqual(pane.broken(), [], pane.lines())
        self.assertLessEqual(max(map(width, pane.lines())), columns, pane.lines())

    @staticmethod
    def left(lines):
        """The one line of a wait that goes on, and its countdown."""
        found = [(line, int(match[1])) for line in lines for match in [re.search(r"trying, (\d+) s left", line)] if match]
        return found[0] if len(found) == 1 else None

    def test_wait_is_one_line_that_counts_down(self):
        self.candidate()
        panes = self.panes
        starter = panes.open("nm-trial", "start", "good", *CHECKS, "--timeout", "40s", "--wait")
        starter.wait("the wait's line", self.left)
        narrow = panes.open("nm-trial", "wait", columns=40, environment=["NO_COLOR=1"])
        dumb = panes.open("nm-trial", "wait", environment=["TERM=dumb"])
        piped = panes.open("sh", "-c", "nm-trial wait 2>&1 | cat")
        line, _ = starter.wait("both checks", lambda lines: self.left(lines) if lines[-1].count("✓") == 2 else None)
        self.assertRegex(line, r"^● trying, \d+ s left; ✓ nm for \d+ s, ✓ gateway for \d+ s, to be confirmed$")
        self.assertIn("\x1b[33m●", starter.coloured())
        self.assertIn("\x1b[32m✓", starter.coloured())
        line, _ = narrow.wait("both checks", lambda lines: self.left(lines) if lines[-1].count("✓") == 2 else None)
        self.assertRegex(line, r"^● trying, \d+ s left; ✓ nm, ✓ gatewa.*\.\.\.$")
        self.assertNotIn("\x1b", narrow.coloured())
        for pane, columns in ((starter, 80), (narrow, 40)):
            count, before = len(pane.lines()), self.left(pane.lines())[1]
            for _ in range(3):
                after = pane.wait("the next second", lambda lines, last=before:
                                  (self.left(lines) or (0, last))[1] != last and self.left(lines)[1])
                self.assertLess(after, before)
                self.assertEqual(len(pane.lines()), count, "a line that redraws has become several")
                self.assert_fits(pane, columns)
                before = after
        self.confirm_when_ready()
        self.assertEqual([pane.end() for pane in (starter, narrow, dumb)], [0, 0, 0])
        piped.end()
        for pane in (starter, narrow, dumb, piped):
            self.assertRegex("\n".join(pane.lines()),
                             r'(?m)^\S+Z  [0-9a-f]{8}  promoted\s+\(confirmed\)\n  "good" in place of "lan" on eth0$')
            self.assertIsNone(self.left(pane.lines()), "progress is left behind the verdict")
        self.assertRegex(starter.coloured(), "\x1b\\[32mpromoted")
        for pane in (dumb, piped):
            self.assert_plain(pane.coloured())
            self.assertEqual(len(pane.lines()), len(set(pane.lines())), "a line that says nothing new")
            self.assertIn("trying; nm passing, gateway passing, to be confirmed", pane.lines())

    def test_the_width_may_change(self):
        self.bad()
        pane = self.panes.open("nm-trial", "start", "bad", "--check", "gateway", "--timeout", "40s", "--wait")
        why = "✗ gateway for"
        pane.wait("the failing check", lambda lines: why in lines[-1] and lines[-1].endswith("does not answer"))
        pane.resize(40)
        pane.wait("less", lambda lines: re.match(r"● trying, \d+ s left; ✗ gateway.*\.\.\.$", lines[-1]))
        pane.resize(80)
        pane.wait("all of it", lambda lines: why in lines[-1] and lines[-1].endswith("does not answer"))
        self.assertEqual(pane.broken(), [])
        self.device.run("touch", HOLD)
        self.device.run("pkill", "-KILL", "-f", "nm-trial agent$")
        pane.wait("that nobody watches", lambda lines: re.search(r"s left, no agent; ", lines[-1]))
        status = self.trial("status").stdout
        self.assertIn("left, no agent\n", status)
        self.assertIn("\n      Next: systemctl start nm-trial.service\n", status)
        self.release_agent()
        pane.wait("an agent again", lambda lines: "no agent" not in lines[-1])
        pane.type("C-c")
        self.assertEqual(pane.end(), 1)
        self.assertRegex(pane.lines()[-1], r"^The trial goes on without this\. To go back: nm-trial cancel [0-9a-f]{8}$")
        self.trial("cancel")
        wait_for("the end of the trial", lambda: self.state() == "none")

    def test_a_stopped_terminal_holds_up_nothing(self):
        self.candidate()
        pane = self.panes.open("nm-trial", "start", "good", *CHECKS, "--timeout", "40s", "--wait")
        pane.wait("the wait's line", self.left)
        pane.type("C-s")
        trial = self.status()["id"]
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        self.assertTrue(self.left(pane.lines()), "it was not stopped")
        pane.type("C-q")
        self.assertEqual(pane.end(), 5)
        self.assertIn("reverted (cancelled)", pane.lines()[-2])

    def looks(self, *words, terminals=((80, []), (40, []))):
        """The text as it is piped; and that each terminal shows the same, whole, in lines that fit."""
        piped = self.trial(*words).stdout
        self.assert_plain(piped)
        panes = [self.panes.open("nm-trial", *words, columns=columns, environment=environment)
                 for columns, environment in terminals]
        for pane, (columns, environment) in zip(panes, terminals):
            with self.step(words=words, columns=columns, environment=environment):
                self.assertEqual(pane.end(), 0)
                self.assert_fits(pane, columns)
                shown = re.sub(f"[{SYMBOLS}]", "", "".join(pane.lines()))
                steady = [re.sub(r"\d+s", "", re.sub(r"\s", "", text)) for text in (shown, piped)]
                self.assertEqual(steady[0], steady[1])
                colours = environment in ([], ["NO_COLOR="])
                (self.assertIn if colours else self.assertNotIn)("\x1b[3", pane.coloured())
                self.assertEqual(environment != ["TERM=dumb"] and words == ("status",),
                                 bool(re.search(f"[{SYMBOLS}]", "".join(pane.lines()))))
        return piped

    def test_status_and_history(self):
        self.bad("long")
        text = self.device.profile_path("long").read_text().replace("id=long\n", f"id={NAME}\n")
        self.device.profile_file("long", text)
        self.device.nmcli("connection", "load", f"/{self.device.profile_path('long').relative_to(self.device.disk)}")
        trial = self.start(NAME, "--check", "gateway", "--timeout", "40s", "--hold", "7s")
        wait_for("a failing check", lambda: "failing" in self.trial("status").stdout)
        piped = self.looks("status", terminals=TERMINALS)
        self.assertRegex(piped, rf"^trial {trial}: trying, \d+ s left\n")
        for line in (f'      What: "{NAME}" in place of "lan" on eth0', "    Checks: gateway failing on eth0 for ",
                     f"      Next: kept if the checks pass for 7 s; at once: nm-trial confirm {trial}",
                     f"            to go back now: nm-trial cancel {trial}"):
            self.assertIn(f"\n{line}", piped)
        self.assertRegex(piped, r"\n     Since: \d+ s ago, started by root\n")
        self.trial("cancel")
        self.wait_verdict(trial)
        piped = self.looks("status")
        verdict, pair = rf"\S+Z  {trial}  reverted \(cancelled\)", f'"{NAME}" in place of "lan" on eth0'
        self.assertRegex(piped, rf"^No trial is open\.\n      Last: {verdict}\n            {pair}\n"
                                r"      Next: nm-trial start CANDIDATE --wait\n"
                                r"       Log: journalctl -x -t nm-trial\n$")
        self.assertRegex(self.looks("history"), rf"^{verdict}\n  {pair}\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)

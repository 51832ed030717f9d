# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's commands, as they stand there, on a device; what lint.readme finds in no test is in no other file either."""
import pathlib
import re
import subprocess
import unittest

from case import Case, uuid_of, wait_for
from readme import example, lines

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Who is somewhere else runs the same command here.
SSH = 'ssh() { shift; "$@"; }\n'


class Readme(Case):
    def shell(self, text, status=0):
        """README's text, by a shell that stops at the first command that fails."""
        result = self.device.run("sh", "-ec", f"cd /var/tmp\n{SSH}{text}", check=False, timeout=120)
        self.judge(text.splitlines(), result, status)
        return result.stdout

    def file(self, name, text):
        (self.device.disk / "var/tmp" / name).write_text(text)

    def over(self):
        wait_for("the trial's end", lambda: self.state() == "none" and self.history(), 20)
        return self.history()[0]["reason"]


class ByHand(Readme):
    def prepare(self):
        self.own.add("lan-new")

    def test_a_first_trial(self):
        self.device.network("ip address add 192.0.2.1/24 dev wan0")
        self.shell(example("Store the candidate as a profile of its own"))
        self.assertEqual(self.device.active(), "lan-new")
        self.assertEqual(self.history()[0]["reason"], "checks-passed")

    def test_a_candidate_that_comes_as_a_file(self):
        self.file("lan-new.nmconnection", self.device.profile_text("lan-new", address="10.99.{n}.20/24"))
        self.shell(example("A candidate that comes as a file"))
        self.assertEqual(self.device.active(), "lan-new")

    def test_a_confirm_from_where_you_are(self):
        self.candidate("lan-new")
        start, confirm = lines(example("The device answers on another address now"))
        self.shell(start)
        self.device.wait_active("lan-new")
        wait_for("checks that pass", lambda: {check["state"] for check in self.status()["checks"]} == {"passing"})
        self.shell(confirm)
        self.assertEqual(self.over(), "confirmed")

    def test_a_trial_by_activation(self):
        self.candidate("lan-new")
        annotate, activate, confirm = lines(example("An **annotated candidate** says itself what it replaces"))
        self.shell(annotate)
        self.shell(activate)
        wait_for("checks that pass", lambda: [check["state"] for check in self.status()["checks"]] == ["passing"])
        self.shell(confirm)
        self.assertEqual(self.over(), "confirmed")

    def test_the_verbs(self):
        """Each that README lists is there, with all its options."""
        for line in example("## The verbs").replace("\n" + 25 * " ", " ").splitlines():
            usage = re.split("  ", line.removeprefix("nm-trial "))[0]
            for part in usage.split(", "):  # "status [--json], history [--json]"
                said = self.trial(part.split()[0], "--help").stdout
                for option in re.findall(r"--[a-z-]+", part):
                    self.assertRegex(said, rf"{option}(?![a-z-])", line)

    def test_the_session(self):
        said = subprocess.run([ROOT / "tests/readme/session", "--check"], check=False, capture_output=True, text=True)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


class InPlace(Readme):
    def prepare(self):
        self.edited.add("lan")
        (self.device.disk / "etc/nm-trial/nm-trial.conf").write_text("[trial]\ntimeout=5s\nhold=1s\n")

    def test_an_edit(self):
        self.shell(example("try new content for it"))
        self.assertIn("10.99.0.20", self.profile("lan")["ipv4"]["address1"])

    def test_a_guarded_profile(self):
        self.shell(example("### Guarded profiles"))
        self.assertEqual(self.over(), "check-failed")
        self.device.wait_online()

    def test_a_delivery(self):
        text = self.device.profile_text("lan-new", autoconnect=True, address="10.99.{n}.20/24")
        keys = example("A candidate that appears in the profile directory")
        self.device.profile_file("lan-new", f"{text}\n{keys}", load=False)
        self.device.power_cut()
        self.device.boot()
        self.assertEqual(self.over(), "checks-passed")
        self.device.wait_active("lan-new")

    def test_what_an_image_says_of_trials(self):
        (self.device.disk / "etc/nm-trial/nm-trial.conf").write_text(example("**What this device's trials are like**"))
        self.candidate("lan-new")
        said = self.trial("start", "lan-new", "--dry-run").stdout
        for line in ("checks    nm, gateway", "timeout   300 s", "hold      30 s"):
            self.assertIn(line, said)

    def test_what_it_leaves_the_factory_with(self):
        text = self.device.profile_text("lan", address="10.99.{n}.20/24")
        self.device.profile_file("lan", f"{text}\n{example('**The profile that it leaves the factory with**')}")
        self.device.power_cut()
        self.device.boot()
        wait_for("its guard", lambda: 'known good since' in self.trial("guard").stdout, 20)

    def test_what_a_user_interface_asks(self):
        status, history = lines(example("There is no D-Bus interface to learn"))
        self.candidate("lan-new")
        self.start_manual("lan-new", timeout="60s")
        self.device.wait_active("lan-new")
        wait_for("a status", lambda: re.fullmatch(r"trying \d+ s left, confirm: true\n", self.shell(status)))
        self.trial("cancel")
        self.over()
        self.assertEqual(self.shell(history), "reverted (cancelled) \n")

    def test_what_a_modem_needs(self):
        self.device.profile_file("cell-new", f"[connection]\nid=cell-new\nuuid={uuid_of('cell-new')}\ntype=gsm\n"
                                 "autoconnect=false\ninterface-name=ttyUSB2\n\n[gsm]\napn=internet\n")
        self.shell(example("There is no neighbour to ask on such a link"))
        self.assertEqual(self.profile("cell-new")["ppp"], {"lcp-echo-failure": "3", "lcp-echo-interval": "10"})

    def test_a_container_has_what_it_needs(self):
        """An engine is not at hand: what README shows is what the script gives to one."""
        script = (ROOT / "packaging/container/run").read_text(encoding="utf-8").split()
        for line in lines(example("where the engine can give them")):
            option, value = line.split()[:2]
            self.assertIn([option, value], [script[n:n + 2] for n in range(len(script))])


if __name__ == "__main__":
    unittest.main()

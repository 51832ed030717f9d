# SPDX-License-Identifier: LGPL-2.1-or-later
"""A device with systemd on which nm-trial is installed, by a package or without one, while it runs."""
import json
import re
import shutil
import subprocess
import unittest

from device import wait_for
from nspawn import Container
import keyfile
import packages
from units import Words

RECORD = "var/lib/nm-trial/trial"
UNITS = ("nm-trial.service", "nm-trial-boot.service")


class Installed(Words, unittest.TestCase):
    def setUp(self):
        self.container = Container()
        self.addCleanup(self.container.destroy)
        self.container.create()
        self.prepare()
        self.container.profile("lan", address="10.99.7.10", autoconnect=True)
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        self.container.boot()
        self.container.wait_active("lan")

    def prepare(self):
        """What the device's disk needs before it boots."""

    def assert_activation_starts_a_trial(self):
        """By the dispatcher's script, in its place."""
        self.trial("annotate", "good", "replaces=lan", "confirm=manual", "checks=none")
        self.container.run("nmcli", "connection", "up", "good")
        wait_for("a trial", lambda: self.status()["state"] == "trying")
        self.trial("cancel")
        self.trial("wait", check=False)
        self.container.wait_active("lan")
        self.trial("annotate", "good", "--clear")


class Package(Installed):
    """A subclass has KIND, as packaging/package calls it, and install(), whose default is that directory's package."""
    def put(self, path):
        """The package's name on the device."""
        shutil.copy(path, self.container.root / "var/tmp")
        return f"/var/tmp/{path.name}"

    def history_on_disk(self):
        """Where no nm-trial is any more: the newest verdict."""
        self.assertTrue(self.has("var/lib/nm-trial/history"), "no trial has ended")
        return json.loads((self.container.root / "var/lib/nm-trial/history").read_text().partition("\n")[2])[0]

    def agent(self):
        """The pid of the agent that runs under its unit, "0": none does."""
        return self.container.run("systemctl", "show", "nm-trial.service", "-P", "MainPID").stdout.strip()

    def version(self):
        return self.trial("--version").stdout.split()[1]

    def has(self, path):
        return (self.container.root / path).exists()

    def deadline(self):
        return re.search(r"^deadline-ms=(\d+)$", (self.container.root / RECORD).read_text(), re.M)[1]

    def assert_ready(self):
        """Nothing more is needed: the units are enabled, the dispatcher runs the script, the catalog is read."""
        for unit in UNITS:
            self.assertEqual(self.container.run("systemctl", "is-enabled", unit).stdout.strip(), "enabled")
        said = self.trial("doctor", "--json", check=False).stdout
        findings = [(one["name"], one["state"], one["text"]) for one in json.loads(said)["findings"]]
        self.assertEqual([one for one in findings if one[1] == "failure"], [])
        script = [one[1:] for one in findings if one[0] == "dispatcher"]
        self.assertEqual(script, [("ok", "/usr/lib/NetworkManager/dispatcher.d/90-nm-trial will be run")])
        self.assertIn("nm-trial: A network profile is on trial",
                      self.container.run("journalctl", "--list-catalog").stdout)

    def assert_goes_on(self, trial_id, agent):
        """The same trial, with the same deadline's end, by another agent."""
        wait_for("another agent", lambda: self.agent() not in ("0", agent))
        status = self.status()
        self.assertEqual((status["state"], status["id"]), ("trying", trial_id))
        self.assertEqual(self.container.active(), "good")
        return status

    def assert_gone(self, *left):
        """Nothing of the package is there but what is named; the known-good profile is up and boots."""
        self.assert_nothing_runs()
        find = ("find /usr /etc /var/lib /run -name '*nm-trial*' ! -path '*/system-connections/*' ! -path '/run/systemd/*' "
                "! -path '/run/credentials/*'")
        found = self.container.run("sh", "-c", find).stdout.split()
        self.assertEqual(sorted(set(found) - set(left)), [])

    def assert_went_back(self, reason):
        entry = self.history_on_disk()
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", reason))
        self.container.wait_active("lan")
        lan, good = (keyfile.parse(self.container.profile_text(name)) for name in ("lan", "good"))
        self.assertTrue(keyfile.autoconnect(lan))
        self.assertFalse(keyfile.autoconnect(good))
        self.assertEqual(keyfile.annotation(good), "demoted")

    def assert_boot_goes_back(self):
        """After a power cut in a trial, before NetworkManager has read a profile: the package's unit does it."""
        self.start()
        self.container.power_cut()
        self.container.boot()
        self.assert_went_back("unconfirmed-reboot")
        over, = self.container.said("^trial .*: reverted: ")
        up = self.container.said("NetworkManager .* is starting")
        self.assertLess(over, up[0])

    def assert_refused(self, *remove):
        """A record that cannot be read, and no agent that deals with it: the package stays, and says why."""
        self.start()
        self.container.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", "nm-trial.service")
        record = self.container.root / RECORD
        record.write_bytes(record.read_bytes()[:-1])
        result = self.container.run(*remove, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("nm-trial is not removed: a trial is still open", result.stdout + result.stderr)
        self.assertEqual(self.version(), packages.VERSION)
        self.assertTrue(self.has(RECORD))
        # Its successor sets the record aside.
        self.container.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "nm-trial.service")
        wait_for("the record's end", lambda: not self.has(RECORD), 20)
        self.container.wait_active("lan")
        self.container.run(*remove)
        self.assertFalse(self.has("usr/libexec/nm-trial") or self.has("usr/lib/nm-trial"))
        self.assert_nothing_runs()

    def assert_nothing_runs(self):
        """Nor will it: what the dispatcher has called may still be about to see that there is nothing to do."""
        wait_for("the end of all processes", lambda: not self.container.processes("nm-trial"))
        self.assertEqual(self.agent(), "0")

    def test_upgraded_and_downgraded_in_a_trial(self):
        self.install()
        trial_id, agent, deadline = self.start(), self.agent(), self.deadline()
        self.install(f"{self.KIND}-newer")
        self.assertEqual(self.version(), packages.NEWER)
        self.assert_goes_on(trial_id, agent)
        self.assertEqual(self.deadline(), deadline)
        self.trial("cancel")
        self.trial("wait", check=False)
        self.assert_went_back("cancelled")

        self.start()
        self.assertRegex((self.container.root / RECORD).read_text(), "^nm-trial-record 2 ")
        self.install()
        self.assertEqual(self.version(), packages.VERSION)
        wait_for("the record set aside", lambda: self.has("var/lib/nm-trial/trial.bad-1"))
        self.container.wait_active("lan")
        wait_for("the agent's end", lambda: self.agent() == "0")
        good = keyfile.parse(self.container.profile_text("good"))
        self.assertFalse(keyfile.autoconnect(good))
        self.assertEqual((keyfile.annotation(good), keyfile.annotation(good, "reason")), ("demoted", "record-lost"))
        self.assertEqual(self.status()["state"], "none")
        self.assertRegex(self.container.run("journalctl", "-b", "-t", "nm-trial").stdout, "of a newer version")


class Elsewhere(Package):
    """Packages of distributions that have no purge: what is left is the verdicts, and what is known good. Their
    dependencies bear other names than the device's packages, so they are installed without a look at those."""
    LEFT = ("/var/lib/nm-trial", "/run/nm-trial")

    def prepare(self):
        """The package manager, which is no part of the device's release, is this machine's: the program, its libraries
        and its own files."""
        program = f"/usr/bin/{self.REMOVE[0]}"
        linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        libraries = re.findall(r"(/\S+) \(0x", linked)
        for path in (program, *libraries, *self.FILES):
            inside = self.container.root / path.lstrip("/")
            if not inside.exists():
                subprocess.run(["cp", "--recursive", "--dereference", "--parents", path, self.container.root], check=True)
        for directory in self.DIRECTORIES:
            (self.container.root / directory).mkdir(parents=True, exist_ok=True)

    def test_installed_used_and_removed_in_a_trial(self):
        self.install()
        self.assert_ready()
        self.assert_activation_starts_a_trial()
        self.assert_boot_goes_back()
        self.start()
        self.container.run(*self.REMOVE)
        self.assert_went_back("cancelled")
        self.assert_gone(*self.LEFT)

    def test_not_removed_while_a_trial_cannot_end(self):
        self.install()
        self.assert_refused(*self.REMOVE)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every integration test stands on: a device of its own with the profile "lan" active on eth0, the words to
start a trial on it and to say how it ended, and the promises that are checked in every test, asked or not."""
import contextlib
import functools
import itertools
import json
import os
import re
import sys
import time
import unittest

from device import Device, LabError, PROFILES, uuid_of, wait_for
from hands import Hands, background
import keyfile
from watch import RECORD, Watch, record_state

NUMBERS = itertools.count(1)
# What NetworkManager says that tells a failed test's story
TOLD = re.compile(r"is starting|startup complete|Activation: |-> (failed|activated|disconnected)|carrier:|audit: op=|"
                  r"auto-activating|<(warn|error)>|checkpoint")


class Case(Hands, unittest.TestCase):
    """A subclass sets these for its devices; `prepare` is its hook between the making and the first boot."""
    kind = Device
    connectivity = True
    auto_default = False
    options = {}
    helper = True  # nm-trial is installed
    strays = False  # helpers are killed: a temporary file may stay until the next boot
    watched = True  # eth0's profiles keep promise 1 from the first boot on
    lan = True  # the profile "lan" on eth0 is written and waited for

    def __init__(self, method="runTest"):
        super().__init__(method)
        if hasattr(self, method):
            setattr(self, method, self._explained(getattr(self, method)))

    def prepare(self):
        """More profiles, before the device's first boot."""

    def setUp(self):
        helper = os.environ.get("NM_TRIAL_HELPER") if self.helper else None
        if self.helper and not helper:
            self.fail("NM_TRIAL_HELPER must name the nm-trial to test")
        self.device = self.kind(f"test-{os.getpid()}-{next(NUMBERS)}")
        self.addCleanup(self.device.destroy)
        self.device.create(helper, connectivity=self.connectivity, auto_default=self.auto_default, **self.options)
        self.own, self.edited, self.before = {"lan"}, set(), None
        if self.lan:
            self.device.profile("lan")
        self.prepare()
        self._explained(self._first_boot)()
        self.watch_disk()

    def watch_disk(self):
        self.watch = Watch(self.device, profiles=self.watched)
        self.addCleanup(self.watch.end)

    def _first_boot(self):
        self.device.boot()
        if self.lan:
            self.device.wait_active("lan")

    def _explained(self, method):
        """Runs the test and then checks what holds always; whatever fails is shown with what the device said."""
        @functools.wraps(method)
        def run():
            try:
                method()
                if hasattr(self, "watch"):
                    self.invariants()
            except unittest.SkipTest:
                raise
            except BaseException:
                self.explain()
                raise
        return run

    def explain(self):
        out = [f"--- {self.id()}: the journal of {self.device.dir.name}"]
        for entry in self.device.journal()[-400:]:
            who, what = entry.get("SYSLOG_IDENTIFIER"), entry.get("MESSAGE", "")
            if who == "nm-trial" or (who == "NetworkManager" and TOLD.search(what)):
                at = entry["__REALTIME_TIMESTAMP"] / 1e6
                clock = time.strftime("%H:%M:%S", time.localtime(at))
                out.append(f"{clock}.{int(at * 1000) % 1000:03} {who}: {what}")
        log = self.device.dir / "agent.log"
        out += ["--- agent.log", *(log.read_text(errors="replace").splitlines()[-30:] if log.exists() else [])]
        print("\n".join(out), "\n---", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def step(self, **named):
        """A part of a test that later parts build on, unlike a subTest: says which one failed, and ends the test."""
        try:
            yield
        except BaseException:
            print(f"failed at {named}", file=sys.stderr)
            raise

    # Profiles

    def candidate(self, name="good", *, address="10.99.{n}.20/24", **more):
        """A profile for a trial; without more words a good one."""
        self.own.add(name)
        return self.device.profile(name, autoconnect=False, address=address, **more)

    def bad(self, name="bad", *, address="10.99.{n}.66/24", gateway="10.99.{n}.254", **more):
        """A candidate whose gateway nobody is."""
        return self.candidate(name, address=address, gateway=gateway, **more)

    def profile(self, name):
        return keyfile.parse(self.device.read(f"{PROFILES}/{name}.nmconnection").decode())

    # nm-trial's command line

    def trial(self, *arguments, status=0, timeout=60):
        """Runs nm-trial in the device; its status must be `status`, or one of those."""
        result = self.device.run("nm-trial", *arguments, check=False, timeout=timeout)
        self.judge(arguments, result, status)
        return result

    def judge(self, arguments, result, status):
        expected = status if isinstance(status, tuple) else (status,)
        said = f"nm-trial {' '.join(map(str, arguments))}: status {result.returncode}, expected {expected}\n" \
               f"stdout: {result.stdout}\nstderr: {result.stderr}"
        self.assertIn(result.returncode, expected, said)
        if result.returncode in (1, 2, 3, 4):
            self.assertTrue(result.stderr.strip(), "an error without a message: " + said)

    def start(self, candidate, *options):
        """Starts a trial that must start; returns its id. Also notes what the disk holds and the deadline."""
        if self.before is None:
            self.before = self.files()
        self.started = time.monotonic()
        output = self.trial("start", candidate, *options).stdout
        return self.started_as(output)

    def started_as(self, output):
        found = re.match(r"trial ([0-9a-f]{8})\n", output)
        self.assertTrue(found, f"start's first line must be 'trial ID', but it said: {output!r}")
        return found[1]

    def start_manual(self, candidate, *options, check="none", timeout="60s"):
        return self.start(candidate, "--confirm", "manual", "--check", check, "--timeout", timeout, *options)

    def wait_manual(self, candidate, *options, device="eth0", **more):
        """As start_manual, and waits until the candidate is active."""
        trial_id = self.start_manual(candidate, *options, **more)
        self.device.wait_active(candidate, device)
        return trial_id

    def record(self):
        """The bytes of the open trial's record."""
        return self.device.read(RECORD)

    def settled_record(self):
        """The record once the trial has noted what it saw: when it has not changed for a while."""
        seen = [(0, b"")]

        def settled():
            if self.record() != seen[0][1]:
                seen[0] = (time.monotonic(), self.record())
            return time.monotonic() - seen[0][0] > 0.4
        wait_for("a record that stays as it is", settled)
        return self.record()

    def status(self):
        return json.loads(self.trial("status", "--json").stdout)

    def history(self):
        return json.loads(self.trial("history", "--json").stdout)

    def state(self):
        return record_state(self.device)

    def confirm_when_ready(self, *arguments):
        """Confirms; as long as it is refused because the candidate is not up or judged yet, again."""
        def confirmed():
            result = self.device.run("nm-trial", "confirm", *arguments, check=False)
            self.judge(("confirm", *arguments), result, (0, 1, 4))
            if result.returncode == 1:
                self.assertIn("NetworkManager", result.stderr)
            return result.returncode == 0
        wait_for("a confirm that is accepted", confirmed)

    # How it ended

    def wait_verdict(self, trial_id, seconds=20):
        """Waits until the trial is closed; returns its history entry."""
        wait_for(f"the end of trial {trial_id}", lambda: self.device.read(RECORD) is None, seconds)
        return self.entry(trial_id)

    def entry(self, trial_id):
        found = [entry for entry in self.history() if entry["id"] == trial_id]
        self.assertEqual(len(found), 1, f"trial {trial_id} must be in the history once: {self.history()}")
        return found[0]

    def deadline(self):
        """The open trial's deadline on the monotonic clock."""
        seconds = self.status()["deadline_s"]
        return time.monotonic() + seconds

    def assert_in_time(self, deadline):
        """Promise 3: a durable verdict by the deadline + 0.5 s, seen on the disk."""
        left = wait_for("a durable verdict", lambda: self.watch.left("trying", self.started))
        last = [at for at, state in self.watch.transitions if state in ("promoting", "reverting", "none")][-1]
        self.assertLessEqual(left, deadline + 0.55, f"late: {self.watch.transitions}, deadline {deadline}, {last}")

    def assert_promoted(self, trial_id, name, reason=None, replaced="lan", device="eth0"):
        entry = self.wait_verdict(trial_id)
        self.assertEqual((entry["verdict"], entry["reason"]), ("promoted", reason or entry["reason"]), entry)
        profile = self.profile(name)
        self.assertTrue(keyfile.autoconnect(profile), profile)
        self.assertEqual(keyfile.annotation(profile), "promoted")
        self.device.wait_active(name, device)
        if replaced:
            self.assertFalse(keyfile.autoconnect(self.profile(replaced)), f"{replaced} still has autoconnect")
        self.assert_closed()
        return entry

    def assert_reverted(self, trial_id, name, reason=None, replaced="lan", device="eth0"):
        entry = self.wait_verdict(trial_id)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", reason or entry["reason"]), entry)
        if name:
            profile = self.profile(name)
            self.assertFalse(keyfile.autoconnect(profile), profile)
            self.assertEqual(keyfile.annotation(profile), "demoted")
        if replaced:
            self.device.wait_active(replaced, device)
            self.assertTrue(keyfile.autoconnect(self.profile(replaced)))
            self.assertEqual(self.addresses(device), self.stored_addresses(replaced))
        self.assert_closed()
        return entry

    def assert_closed(self):
        """Nothing is left of a trial that has ended: no record, no checkpoint, no shadow, no temporary file."""
        self.assertEqual(self.status()["state"], "none")
        self.assertEqual(self.checkpoints(), [])
        left = [] if self.strays else self.temporaries()
        shadows = self.device.run("sh", "-c", "ls /run/NetworkManager/system-connections", check=False).stdout.split()
        left += [name for name in shadows if name.removesuffix(".nmconnection") in self.own - self.edited]
        self.assertEqual(left, [])

    def temporaries(self):
        return [path for directory in (PROFILES, "var/lib/nm-trial") for path in self.device.tree(directory)
                if path.startswith(".")]

    def assert_boots(self, name, device="eth0", *, online=True):
        """What counts in the end: after a power cut the device comes up with that profile, and with a network."""
        if self.device.running():
            self.device.power_cut()
        self.device.boot()
        self.device.wait_active(name, device)
        if online:
            self.device.wait_online(device)

    def boot_by_boot_alone(self):
        """Only `nm-trial boot`, before NetworkManager, is there to mend things: no agent."""
        self.set_option("trial_agent", "no")
        mark = len(self.device.journal())
        self.device.boot()
        self.assertEqual(self.helpers(), [])
        self.assertEqual(self.state(), "none", "'nm-trial boot' left the trial open")
        entries = [entry["SYSLOG_IDENTIFIER"] for entry in self.device.journal()[mark:]
                   if entry.get("SYSLOG_IDENTIFIER") in ("nm-trial", "NetworkManager")]
        self.assertEqual(entries[:1], ["nm-trial"], "nm-trial must be done before NetworkManager starts")
        self.assertNotIn("nm-trial", entries[entries.index("NetworkManager"):])

    # What holds always

    def files(self):
        """The bytes and modes of every file in the device's /etc."""
        return self.device.tree("etc")

    def invariants(self):
        if self.watch:
            self.assertEqual(self.watch.violations, [], "promise 1, never lost")
        log = (self.device.dir / "agent.log").read_text(errors="replace")
        self.assertNotRegex(log, "Sanitizer|runtime error|CRITICAL|core dumped")
        if self.before is not None:
            self.assert_untouched(self.before, self.files())

    def assert_untouched(self, before, now):
        """Promise 7: other files stay byte for byte; the trial's own profiles but for flags and annotations."""
        own = {f"NetworkManager/system-connections/{name}.nmconnection" for name in self.own}
        edited = {f"NetworkManager/system-connections/{name}.nmconnection" for name in self.edited}
        for path in sorted(set(before) | set(now)):
            if path in edited or (self.strays and os.path.basename(path).startswith(".")):
                continue
            self.assertTrue(path in now, f"promise 7: {path} is gone")
            if path in before:
                (mode, old), (new_mode, new) = before[path], now[path]
                if path in own:
                    old, new = keyfile.without_flags(old), keyfile.without_flags(new)
                self.assertEqual((oct(mode), old), (oct(new_mode), new), f"promise 7: {path} was touched")
            elif path not in own:
                self.fail(f"promise 7: {path} is new")


__all__ = ["Case", "Device", "LabError", "PROFILES", "RECORD", "background", "keyfile", "record_state", "uuid_of",
           "wait_for"]

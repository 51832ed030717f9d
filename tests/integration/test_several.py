# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several profiles as one change: they succeed or fail together, whatever is cut when."""
import unittest

from case import Case, background, keyfile, record_state, uuid_of, wait_for
from hands import NM_VERSION

BRIDGE = """[connection]
id={name}
uuid={uuid}
type=bridge
interface-name=br0
autoconnect={autoconnect}

[bridge]
stp=false

[ipv4]
method=manual
address1={address}/24,{gateway}

[ipv6]
method=disabled
"""
PORT = """[connection]
id={name}
uuid={uuid}
type=ethernet
interface-name={device}
autoconnect={autoconnect}
controller={controller}
master={controller}
port-type=bridge
slave-type=bridge

[ethernet]
"""


class Several(Case):
    """`pairs` of a subclass: (device, old profile, candidate)."""
    pairs = []

    def assert_together(self, promoted):
        """Promise 2: all candidates are promoted and active, or none is."""
        for device, old, new in self.pairs:
            self.device.wait_active(new if promoted else old, device)
            self.assertEqual(keyfile.autoconnect(self.profile(new)), promoted, new)
            self.assertEqual(keyfile.annotation(self.profile(new)), "promoted" if promoted else "demoted")
            self.assertEqual(keyfile.autoconnect(self.profile(old)), not promoted, old)

    def start_all(self, *options):
        candidates = [new for _, _, new in self.pairs]
        return self.start(*candidates, "--confirm", "manual", "--check", "none", "--timeout", "60s", *options)

    def wait_all(self):
        for device, _, new in self.pairs:
            self.device.wait_active(new, device)


class TwoDevices(Several):
    pairs = [("eth0", "lan", "good"), ("eth1", "lan1", "good1")]

    def prepare(self):
        self.own |= {"lan1", "good", "good1"}
        self.device.profile("lan1", device="eth1")
        self.device.profile("good", autoconnect=False, address="10.99.{n}.20/24")
        self.device.profile("good1", device="eth1", autoconnect=False, address="10.99.{n}.20/24")

    def setUp(self):
        super().setUp()
        self.device.wait_active("lan1", "eth1")

    def test_both_are_promoted(self):
        trial = self.start("good", "good1", "--hold", "2s", "--timeout", "20s")
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("promoted", "checks-passed"))
        self.assertEqual([(pair["device"], pair["candidate"]["id"], pair["replaced"]["id"]) for pair in entry["pairs"]],
                         [("eth0", "good", "lan"), ("eth1", "good1", "lan1")])
        self.assertEqual(sorted(check["device"] for check in entry["baseline"]), ["eth0", "eth1"])
        self.assert_together(True)
        self.assert_closed()
        self.device.power_cut()
        self.device.boot()
        self.assert_together(True)

    def test_one_bad_one_takes_both_back(self):
        self.device.profile("good1", device="eth1", autoconnect=False, address="10.99.{n}.66/24",
                            gateway="10.99.{n}.254")
        trial = self.start("good1", "good", "--hold", "2s", "--timeout", "7s")
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "check-failed"))
        self.assertIn("eth1", entry["detail"])
        self.assert_together(False)
        self.device.wait_online("eth1")

    def test_the_second_device_is_back_as_soon_as_the_first(self):
        trial = self.start_all()
        self.wait_all()
        self.trial("cancel", trial)
        wait_for("both back", lambda: self.device.active() == "lan" and self.device.active("eth1") == "lan1")
        self.wait_verdict(trial)
        back = [entry["__REALTIME_TIMESTAMP"] for entry in self.device.journal("nm-trial")
                if entry.get("NM_TRIAL_ID") == trial and "reverted: " in entry["MESSAGE"]]
        began = [entry["__REALTIME_TIMESTAMP"] for entry in self.device.journal("nm-trial")
                 if entry.get("NM_TRIAL_ID") == trial and "going back" in entry["MESSAGE"]]
        self.assertLess((back[-1] - began[0]) / 1e6, 1.9, "the second one waited for a retry of the first")

    def test_one_that_cannot_be_activated_takes_both_back(self):
        self.device.profile("good1", device="eth1", autoconnect=False,
                            ipv4="method=auto\ndhcp-timeout=3\nmay-fail=false\n")
        trial = self.start_all()
        entry = self.wait_verdict(trial)
        self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "activation-failed"))
        self.assert_together(False)

    def test_replaced_ones_are_told_by_their_device(self):
        said = self.trial("start", "good1", "good", "--replace", "lan", "--replace", uuid_of("lan1"), "--dry-run").stdout
        self.assertRegex(said, r'Would try "good1" on eth1\.\n  replaced  lan1\n(.*\n)*'
                               r'Would try "good" on eth0\.\n  replaced  lan\n')

    def test_power_cut_while_trying(self):
        trial = self.start_all()
        self.wait_all()
        self.device.power_cut()
        self.device.boot()
        self.assertEqual(self.entry(trial)["reason"], "unconfirmed-reboot")
        self.assert_together(False)

    def test_power_cut_at_any_step_of_a_promotion(self):
        """The flips are cut at every write: a second candidate is on only with the first, after recovery with both."""
        ends = set()
        for cut in range(1, 8):
            with self.step(cut=cut):
                trial = self.start_all()
                self.wait_all()
                self.cut_at_write(cut, "confirm", trial)
                self.device.boot()
                entry = self.entry(trial)
                promoted = entry["verdict"] == "promoted"
                ends.add((entry["verdict"], entry["reason"]))
                self.assert_together(promoted)
                if promoted:
                    self.go_back()
        self.assertIn(("promoted", "confirmed"), ends)

    def cut_at_write(self, cut, *arguments):
        """Power goes when that many files have been renamed into place in /etc and /var since."""
        before = self.signature()
        seen = set()
        process = background(self.device, "nm-trial", *arguments)
        wait_for("enough writes", lambda: self.changes(before, seen) >= cut or
                 (process.poll() is not None and record_state(self.device) == "none"))
        self.device.power_cut()
        process.communicate()

    def signature(self):
        paths = [*self.device.profile_path("lan").parent.glob("[!.]*"),
                 self.device.disk / "var/lib/nm-trial/trial", self.device.disk / "var/lib/nm-trial/history"]
        return {path.name: path.stat().st_ino for path in paths if path.exists()}

    def changes(self, before, seen):
        now = self.signature()
        seen |= {(name, now.get(name)) for name in set(before) | set(now) if now.get(name) != before.get(name)}
        return len(seen)

    def go_back(self):
        """A trial the other way round, so that all is as it was."""
        trial = self.start("lan", "lan1", "--confirm", "manual", "--check", "none", "--timeout", "60s")
        for device, old, _ in self.pairs:
            self.device.wait_active(old, device)
        self.trial("confirm", trial)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "promoted")
        for name in ("good", "good1"):
            self.assertFalse(keyfile.autoconnect(self.profile(name)))

    def test_refused(self):
        self.device.profile("other", autoconnect=False, address="10.99.{n}.30/24")
        self.own.add("other")
        for words, said in ((["good", "other"], "both for eth0"), (["good", "good"], "both for eth0"),
                            (["good", "good1", "--replace", "lan", "--replace", "good"], "candidate"),
                            (["good", "good1", "--replace", "lan", "--replace", "lan"], "--replace lan"),
                            (["good", "--replace", "lan", "--replace", "lan1"], "--replace lan1"),
                            (["good", "good1", "--replace", "nosuch"], "nosuch"), (["good", "nosuch"], "nosuch")):
            with self.step(words=words):
                before = self.files()
                self.assertIn(said, self.trial("start", *words, status=4).stderr)
                self.assertEqual(self.files(), before)
        self.trial("start", *["good"] * 9, status=2)


class Bridge(Several):
    """eth1 is a port of br0, which has the address."""
    pairs = [("br0", "br", "br-new"), ("eth1", "port", "port-new")]

    def prepare(self):
        self.own |= {"br", "br-new", "port", "port-new"}
        self.bridge("br", "10.99.1.10", autoconnect=True)
        self.port("port", "br", autoconnect=True)

    def bridge(self, name, address, *, gateway="10.99.1.1", autoconnect=False):
        self.device.profile_file(name, BRIDGE.format(name=name, uuid=uuid_of(name), address=address, gateway=gateway,
                                                     autoconnect=str(autoconnect).lower()))

    def port(self, name, controller, *, device="eth1", autoconnect=False):
        self.device.profile_file(name, PORT.format(name=name, uuid=uuid_of(name), controller=uuid_of(controller),
                                                   device=device, autoconnect=str(autoconnect).lower()))

    def setUp(self):
        super().setUp()
        self.device.wait_active("port", "eth1")
        self.device.wait_active("br", "br0")
        self.device.wait_online("br0")
        self.bridge("br-new", "10.99.1.20")
        self.port("port-new", "br-new")

    if NM_VERSION < (1, 42):  # the old port, let go by its bridge, would bring the old bridge back
        def test_refused_by_an_old_networkmanager(self):
            for more in ([], ["--dry-run"]):
                before = self.files()
                said = self.trial("start", "br-new", "port-new", "--check", "gateway", *more, status=4).stderr
                self.assertRegex(said, r"\"port-new\" is a port.* Update it to 1\.42")
                self.assertEqual((self.files(), self.state(), self.checkpoints()), (before, "none", []))
            for device, old, _ in self.pairs:
                self.device.wait_active(old, device)
    else:
        def test_is_promoted(self):
            trial = self.start("port-new", "br-new", "--check", "gateway", "--hold", "1s", "--timeout", "20s")
            entry = self.wait_verdict(trial, 30)
            self.assertEqual((entry["verdict"], entry["reason"]), ("promoted", "checks-passed"), entry)
            self.assertEqual([pair["device"] for pair in entry["pairs"]], ["br0", "eth1"])  # the controller first
            self.assertEqual([check["device"] for check in entry["baseline"]], ["br0"])  # a port is not judged
            self.assert_together(True)
            self.device.power_cut()
            self.device.boot()
            self.assert_together(True)
            self.device.wait_online("br0")

        def test_is_reverted(self):
            self.bridge("br-new", "10.99.1.66", gateway="10.99.1.254")
            trial = self.start("br-new", "port-new", "--check", "gateway", "--hold", "1s", "--timeout", "8s")
            entry = self.wait_verdict(trial, 30)
            self.assertEqual((entry["verdict"], entry["reason"]), ("reverted", "check-failed"), entry)
            self.assert_together(False)
            self.device.wait_online("br0")

        def test_power_cut(self):
            trial = self.start_all()
            self.wait_all()
            self.device.power_cut()
            self.device.boot()
            self.assertEqual(self.entry(trial)["reason"], "unconfirmed-reboot")
            self.assert_together(False)
            self.device.wait_online("br0")

    def test_refused_without_its_port(self):
        self.assertIn("port", self.trial("start", "br-new", status=4).stderr)

    def test_refused_with_a_port_outside(self):
        """It has autoconnect, and would bring up the candidate's bridge at boot."""
        self.port("stray", "br-new", device="eth7", autoconnect=True)
        self.own.add("stray")
        self.assertIn("stray", self.trial("start", "br-new", "port-new", status=4).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

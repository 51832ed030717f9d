# SPDX-License-Identifier: LGPL-2.1-or-later
"""Deliveries: a candidate that was put into the profile directory with nm-trial.start=boot is tried at the next boot,
with no hand on the device."""
import unittest

from case import keyfile, uuid_of, wait_for
from annotated import AnnotatedCase


class Delivered(AnnotatedCase):
    strays = True

    def prepare(self):
        super().prepare()
        self.trials = 0

    def text(self, name="good", *, bad=False, device="eth0", address=None, autoconnect=False, replaces="lan",
             **annotations):
        keys = {"replaces": replaces, "start": "boot", "timeout": "6s", "hold": "1s", **annotations}
        user = "".join(f"nm-trial.{key}={value}\n" for key, value in keys.items() if value is not None)
        gateway = "10.99.{n}.254" if bad else "10.99.{n}.1"
        return self.device.profile_text(name, device=device, autoconnect=autoconnect, gateway=gateway,
                                        address=address or ("10.99.{n}.66/24" if bad else "10.99.{n}.20/24"),
                                        ipv6=f"method=disabled\n\n[user]\n{user}")

    def boot_with(self, **files):
        """A boot before which a copier has put those files there."""
        self.device.power_cut()
        for name, text in files.items():
            name = name.replace("_", "-")
            self.own.add(name)
            self.device.profile_file(name, text, load=False)
        self.mark = len(self.device.journal())
        self.device.boot()

    def ended(self, verdict, name="good", reason=None):
        self.trials += 1
        wait_for(f"trial {self.trials}", lambda: len(self.history()) == self.trials and self.state() == "none", 25)
        entry = self.history()[0]
        found = (entry["verdict"], entry["reason"], entry["pairs"][0]["candidate"]["id"])
        self.assertEqual(found, (verdict, reason or entry["reason"], name), entry)

    def quiet(self, name, device="eth0"):
        """That came up in this boot at once, by one activation, and no trial began."""
        self.device.wait_active(name, device)
        self.device.wait_online(device)
        wait_for("an idle agent", lambda: self.status()["state"] == "none")
        started = [entry["MESSAGE"] for entry in self.device.journal()[self.mark:]
                   if f"({device}): Activation: starting connection" in entry.get("MESSAGE", "")]
        self.assertEqual((len(started), len(self.history())), (1, self.trials), started)

    def flags(self, name):
        profile = self.profile(name)
        return keyfile.autoconnect(profile), keyfile.annotation(profile)


class Once(Delivered):
    def test_good(self):
        for autoconnect in (False, True):
            with self.step(autoconnect=autoconnect):
                name = f"good-{autoconnect}".lower()
                before = self.device.active()
                self.boot_with(**{name: self.text(name, autoconnect=autoconnect, replaces=before)})
                self.ended("promoted", name)
                self.assertEqual((self.flags(name), self.flags(before)[0]), ((True, "promoted"), False))
                self.boot_with()
                self.quiet(name)

    def test_bad(self):
        for autoconnect in (False, True):
            with self.step(autoconnect=autoconnect):
                name = f"bad-{autoconnect}".lower()
                self.boot_with(**{name: self.text(name, bad=True, autoconnect=autoconnect)})
                self.ended("reverted", name, "check-failed")
                self.assertEqual((self.flags(name), self.flags("lan")[0]), ((False, "demoted"), True))
                self.boot_with()
                self.quiet("lan")

    def test_before_networkmanager_it_is_off(self):
        self.device.power_cut()
        self.watch.ignore_profiles()  # it is delivered with autoconnect, and only the next line switches that off
        self.own.add("bad")
        self.device.profile_file("bad", self.text("bad", bad=True, autoconnect=True), load=False)
        self.boot_by_boot_alone()
        self.assertEqual(self.flags("bad"), (False, None))
        self.device.wait_active("lan")

    def test_dropped_while_it_runs_it_waits_for_the_boot(self):
        self.own.add("good")
        self.device.profile_file("good", self.text())
        self.device.nmcli("connection", "up", "good")
        self.assertEqual((self.status()["state"], self.history()), ("none", []))
        wait_for("a word of it", lambda: self.said("nobody takes it back"))
        self.boot_with()
        self.ended("promoted")

    def test_a_power_cut_in_its_trial(self):
        self.boot_with(good=self.text(hold="4s"))
        wait_for("its trial", lambda: self.state() == "trying")
        self.boot_with()
        self.ended("reverted", reason="unconfirmed-reboot")
        self.boot_with()
        self.quiet("lan")

    def test_the_agent_and_networkmanager_die_in_its_trial(self):
        self.boot_with(good=self.text(hold="2s"))
        wait_for("its trial", lambda: self.state() == "trying")
        self.kill_helpers()
        self.device.kill_nm()
        self.ended("promoted")

    def test_what_is_refused_is_said_and_does_no_harm(self):
        for name, more in (("nobody", {"replaces": "nobody"}), ("value", {"timeout": "never"}),
                           ("other", {"device": "eth1"})):
            with self.step(name=name):
                self.boot_with(**{name: self.text(name, **more)})
                wait_for("the refusal", lambda: self.said(f'no trial of "{name}"'))
                self.quiet("lan")
                self.assertEqual(self.flags(name), (False, None))

    def test_bound_to_no_device_it_is_off_and_refused(self):
        self.boot_with(stray=self.text("stray", autoconnect=True).replace("interface-name=eth0\n", ""))
        wait_for("the refusal", lambda: self.said('no trial of "stray".*not bound to exactly one device'))
        self.quiet("lan")
        self.assertEqual((self.flags("stray"), self.device.active("eth1")), ((False, None), ""))

    def test_demoted_it_is_tried_again_by_hand(self):
        self.boot_with(bad=self.text("bad", bad=True))
        self.ended("reverted", "bad")
        self.device.nmcli("connection", "up", "bad")
        self.ended("reverted", "bad")
        self.device.wait_active("lan")

    def test_the_last_profile_of_its_device_keeps_its_autoconnect(self):
        self.boot_with(alone=self.text("alone", device="eth1", autoconnect=True, replaces="none"))
        self.device.wait_active("alone", "eth1")
        self.assertTrue(self.said("only profile of its device"))
        self.assertEqual(self.history(), [])

    def test_a_new_uplink(self):
        self.boot_with(wan=self.text("wan", device="eth1", replaces="none"))
        self.ended("promoted", "wan")
        self.boot_with()
        self.quiet("wan", "eth1")

    def test_two_one_after_the_other(self):
        self.boot_with(a_bad=self.text("a-bad", bad=True), b_good=self.text("b-good"))
        wait_for("both trials", lambda: len(self.history()) == 2, 30)
        ends = [(entry["verdict"], entry["pairs"][0]["candidate"]["id"]) for entry in self.history()]
        self.assertEqual(ends, [("promoted", "b-good"), ("reverted", "a-bad")])

    def test_mended_while_it_waits(self):
        self.boot_with(a=self.text("a", hold="4s"), b=self.text("b", bad=True))
        wait_for("the first one's trial", lambda: self.state() == "trying")
        self.device.profile_file("b", self.text("b", bad=True, address="10.99.0.67/24"))
        wait_for("both trials", lambda: len(self.history()) >= 2 and self.state() == "none", 30)
        self.trials = 2
        self.boot_with()
        self.quiet("a")

    def test_two_for_a_device_that_has_nothing_else(self):
        """None of them makes the other one expendable."""
        self.boot_with(a=self.text("a", device="eth1", autoconnect=True, replaces="none"),
                       b=self.text("b", device="eth1", autoconnect=True, replaces="none", address="10.99.1.21/24"))
        self.assertTrue(self.flags("a")[0] or self.flags("b")[0])
        self.assert_boots("lan")

    def test_the_mark_of_another_device_counts_for_nothing(self):
        self.boot_with(bad=self.text("bad", bad=True, autoconnect=True, state="promoted"))
        self.ended("reverted", "bad")
        self.device.wait_active("lan")

    def test_two_good_ones_for_one_device(self):
        """The second is to replace what the first has replaced: it takes the first one's place."""
        self.boot_with(a=self.text("a"), b=self.text("b", address="10.99.0.21/24"))
        wait_for("both trials", lambda: len(self.history()) == 2, 30)
        ends = [(entry["verdict"], entry["pairs"][0]["candidate"]["id"]) for entry in self.history()]
        self.assertEqual(ends, [("promoted", "b"), ("promoted", "a")])
        self.boot_with()
        self.device.wait_active("b")


class EveryBoot(Delivered):
    """The copy comes again at each boot, and undoes what is written back until what is before NetworkManager mends it:
    that is not for the watch of promise 1 to judge."""
    watched = False

    def test_promoted_stays_promoted(self):
        for autoconnect in (False, True):
            with self.step(autoconnect=autoconnect):
                name, before = f"good-{autoconnect}".lower(), self.device.active()
                files = {name: self.text(name, autoconnect=autoconnect, replaces=before)}
                self.boot_with(**files)
                self.ended("promoted", name)
                for _ in range(2):
                    self.boot_with(**files)
                    self.quiet(name)

    def test_failed_stays_demoted(self):
        for autoconnect in (False, True):
            with self.step(autoconnect=autoconnect):
                name = f"bad-{autoconnect}".lower()
                files = {name: self.text(name, bad=True, autoconnect=autoconnect)}
                self.boot_with(**files)
                self.ended("reverted", name)
                for _ in range(2):
                    self.boot_with(**files)
                    self.quiet("lan")
                    self.assertEqual(self.flags(name), (False, "demoted"))
                self.assertTrue(self.said(f'"{name}" was delivered again: not tried'))

    def test_the_replaced_profile_is_copied_too(self):
        lan = self.device.profile_path("lan").read_text()
        good, bad = self.text(), self.text("bad", bad=True)
        self.boot_with(bad=bad, lan=lan)
        self.ended("reverted", "bad")
        self.boot_with(bad=bad, lan=lan)
        self.quiet("lan")
        self.boot_with(good=good, bad=bad, lan=lan)
        self.ended("promoted", "good")
        self.boot_with(good=good, bad=bad, lan=lan)
        self.quiet("good")

    def test_a_changed_one_is_a_new_candidate(self):
        self.boot_with(x=self.text("x", bad=True))
        self.ended("reverted", "x")
        self.boot_with(x=self.text("x"))
        self.ended("promoted", "x")
        self.boot_with(x=self.text("x", address="10.99.0.30/24"))
        self.ended("promoted", "x")
        wait_for("the new address", lambda: self.addresses() == {"10.99.0.30/24"})
        self.boot_with(x=self.text("x", bad=True, address="10.99.0.31/24"))
        self.ended("reverted", "x")
        wait_for("the old address", lambda: self.addresses() == {"10.99.0.30/24"})

    def test_with_the_history_lost(self):
        files = {"good": self.text(), "bad": self.text("bad", bad=True)}
        self.boot_with(**files)
        wait_for("both trials", lambda: len(self.history()) == 2, 30)
        self.device.power_cut()
        (self.device.disk / "var/lib/nm-trial/history").unlink()
        for name, text in files.items():
            self.device.profile_file(name, text, load=False)
        self.mark = len(self.device.journal())
        self.device.boot()
        self.quiet("good")

    def test_with_everything_lost(self):
        """No memory at all: it is tried anew, and the device always has a profile to boot with."""
        files = {"bad": self.text("bad", bad=True)}
        self.boot_with(**files)
        self.ended("reverted", "bad")
        self.device.power_cut()
        for path in sorted((self.device.disk / "var/lib/nm-trial").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        self.trials = 0
        for name, text in files.items():
            self.device.profile_file(name, text, load=False)
        self.device.boot()
        self.ended("reverted", "bad")
        self.assert_boots("lan")

    def test_edits_of_a_promoted_delivery_keep_its_uuid(self):
        self.boot_with(good=self.text())
        self.ended("promoted")
        self.boot_with(good=self.text(address="10.99.0.30/24").replace(uuid_of("good"), uuid_of("anew")))
        self.ended("promoted")
        self.assertEqual(self.profile("good")["connection"]["uuid"], uuid_of("good"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

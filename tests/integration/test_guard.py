# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guarded profiles: every change, by any tool, becomes an edit by itself, and is tried once."""
import unittest

from case import uuid_of, wait_for
from edited import BAD, NEW, OLD, Edited
from hands import NM_VERSION

GOOD = "var/lib/nm-trial/good/lan.nmconnection"


class Guarded(Edited):
    """lan is guarded, and what is tried on this device is judged within seconds."""
    strays = True

    def prepare(self):
        super().prepare()
        (self.device.disk / "etc/nm-trial/nm-trial.conf").write_text("[trial]\ntimeout=6s\nhold=1s\n")

    def setUp(self):
        super().setUp()
        self.edited.add("lan")
        self.trial("guard", "lan")
        self.trials = 0

    def ended(self, verdict, reason=None):
        """One more trial has ended, and how."""
        self.trials += 1
        wait_for(f"trial {self.trials}", lambda: len(self.history()) == self.trials and self.state() == "none", 25)
        entry = self.history()[0]
        self.assertEqual((entry["verdict"], entry["reason"]), (verdict, reason or entry["reason"]), entry)
        return entry

    def promoted(self):
        self.ended("promoted", "checks-passed")
        self.assert_new()

    def reverted(self, reason="check-failed"):
        self.ended("reverted", reason)
        self.assert_old()

    def modify(self, address=NEW, gateway="10.99.0.1"):
        self.device.nmcli("connection", "modify", "lan", "ipv4.addresses", address, "ipv4.gateway", gateway)

    def modify_badly(self):
        self.modify(BAD, "10.99.0.254")

    def copy(self, text):
        """What a copier or an editor does, while the device is off or on: NetworkManager is told nothing."""
        self.device.profile_file("lan", text, load=False)

    def reboot(self):
        self.device.power_cut()
        self.device.boot()

    def boot_with(self, text):
        self.device.power_cut()
        self.copy(text)
        self.device.boot()

    def boots_quietly(self, check):
        """One more boot brings that up at once, by one activation, and starts no trial."""
        self.device.power_cut()
        mark = len(self.device.journal())
        self.device.boot()
        self.device.wait_active("lan")
        self.device.wait_online()
        check()
        wait_for("an idle agent", lambda: self.status()["state"] == "none")
        started = [entry for entry in self.device.journal()[mark:]
                   if "Activation: starting connection 'lan'" in entry.get("MESSAGE", "")]
        self.assertEqual((len(started), len(self.history())), (1, self.trials))


class Changed(Guarded):
    def assert_new(self):  # nmcli writes its own file: comments are lost
        self.device.wait_active("lan")
        self.wait_address(NEW)
        self.assert_alone()

    def test_nmcli_modify_and_up(self):
        self.modify()
        self.device.nmcli("connection", "up", "lan")
        self.promoted()
        self.boots_quietly(self.assert_new)

    def test_nmcli_modify_badly_and_up(self):
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan")
        self.reverted()
        self.boots_quietly(self.assert_old)

    def test_another_tools_roll_back_brings_the_bad_content_up_again(self):
        """Its checkpoint saved what was tried; the UUID is that of what is good."""
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan")
        wait_for("the active candidate", lambda: b"was-active=true" in (self.record() or b""))
        self.create_checkpoint(10)  # its end is behind the trial's deadline
        wait_for("the old content", lambda: self.said("another tool has a checkpoint on eth0"), 20)
        self.wait_address(OLD)
        self.watch.ignore_profiles()  # NetworkManager writes the bad content into the file; a boot would put it right
        wait_for("its roll-back", lambda: not self.checkpoints(), 20)
        wait_for("the trial's end", lambda: self.state() == "none")
        self.assertEqual(self.addresses(), {OLD})  # it is the trial that has put it right, not the guard behind it
        self.ended("reverted", "check-failed")
        self.assert_old(exact=False)  # the roll-back may have written the same in NetworkManager's way (1.52)
        self.boots_quietly(lambda: self.assert_old(exact=False))

    def test_nmcli_modify_so_that_it_cannot_come_up(self):
        """No event says that it has: DHCP with no server."""
        self.device.nmcli("connection", "modify", "lan", "ipv4.method", "auto", "ipv4.addresses", "", "ipv4.gateway", "",
                          "ipv4.may-fail", "no", "ipv4.dhcp-timeout", "3")
        self.device.run("nmcli", "connection", "up", "lan", check=False)
        self.reverted(None)  # activation-failed, where the machine is quick
        self.boots_quietly(self.assert_old)

    def test_device_reapply(self):
        self.modify()
        self.device.nmcli("device", "reapply", "eth0")
        if NM_VERSION < (1, 42):  # nobody tells of it
            self.wait_address(NEW)
            self.assertEqual((self.state(), self.history()), ("none", []))
            self.assertIn("does not tell of \"nmcli device reapply\"", self.trial("doctor").stdout)
            self.reboot()
        self.promoted()

    def test_nmcli_modify_temporarily_and_up(self):
        self.device.nmcli("connection", "modify", "--temporary", "lan", "ipv4.addresses", BAD, "ipv4.gateway",
                          "10.99.0.254")
        self.device.nmcli("connection", "up", "lan")
        self.reverted()

    def make_anew(self, addresses, gateway):
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "delete", "lan")
        # On a busy machine it is put back before nmcli has looked at what it added ("object is in an unsuitable state").
        added = self.device.run("nmcli", "connection", "add", "type", "ethernet", "con-name", "lan", "ifname", "eth0",
                                "ipv4.method", "manual", "ipv4.addresses", addresses, "ipv4.gateway", gateway,
                                "ipv6.method", "disabled", check=False)
        self.assertTrue(added.returncode == 0 or "unsuitable state" in added.stderr, added.stderr)

    def test_deleted_and_made_anew(self):
        self.make_anew(NEW, "10.99.0.1")
        self.promoted()
        self.assertEqual(self.profile("lan")["connection"]["uuid"], uuid_of("lan"))
        self.boots_quietly(self.assert_new)

    def test_deleted_and_made_anew_badly(self):
        self.make_anew(BAD, "10.99.0.254")
        self.reverted()
        self.boots_quietly(self.assert_old)

    def test_deleted_and_a_power_cut(self):
        self.watch.ignore_profiles()
        self.device.nmcli("connection", "delete", "lan")
        self.reboot()
        self.assert_old()
        self.assertTrue(self.said('guarded profile "lan" was changed: put back .* its file was removed'))

    def test_modified_and_a_power_cut_before_up(self):
        self.modify()
        self.device.power_cut()
        self.set_option("trial_agent", "no")
        self.device.boot()
        self.assert_old()
        self.assertEqual(self.state(), "none", "nobody is there to try it")
        self.set_option("trial_agent", "yes")
        self.reboot()
        self.promoted()

    def test_modified_badly_and_a_power_cut_before_up(self):
        self.modify_badly()
        self.reboot()
        self.reverted()
        self.boots_quietly(self.assert_old)

    def test_an_editor_and_a_restart_of_networkmanager(self):
        self.copy(self.bad_content())
        self.device.kill_nm()
        self.reverted()

    def test_a_power_cut_in_its_trial(self):
        self.modify()
        self.device.nmcli("connection", "up", "lan")
        wait_for("its trial", lambda: self.state() == "trying")
        self.reboot()
        self.ended("reverted", "unconfirmed-reboot")
        self.assert_old()
        self.boots_quietly(self.assert_old)

    def test_networkmanager_dies_in_its_trial(self):
        self.modify()
        self.device.nmcli("connection", "up", "lan")
        wait_for("its trial", lambda: self.state() == "trying")
        self.device.kill_nm()
        self.promoted()

    def test_all_helpers_die_before_its_trial(self):
        self.hold_agent()
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan", check=False)
        wait_for("the event", lambda: self.device.test("ls /run/nm-trial/events | grep -q ."))
        self.release_agent()
        self.reverted()

    def test_the_same_again_by_hand_is_tried_again(self):
        for _ in range(2):
            self.modify_badly()
            self.device.nmcli("connection", "up", "lan")
            self.reverted()

    def test_the_same_again_by_hand_after_the_boot_that_tried_it(self):
        """Its trial is open all the while: with a check that takes its time, no activation is looked at outside of it."""
        check = self.device.disk / "etc/nm-trial/check.d/slow"
        check.parent.mkdir()
        check.write_text("#!/bin/sh\nsleep 1\n! ip route | grep 10.99.0.254\n")
        check.chmod(0o755)
        (self.device.disk / "etc/nm-trial/nm-trial.conf").write_text("[trial]\ntimeout=5s\nhold=1s\nchecks=slow\n")
        self.modify_badly()
        self.reboot()
        self.reverted()
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan")
        self.reverted()

    def test_what_nobody_could_try(self):
        self.device.nmcli("connection", "modify", "lan", "connection.permissions", "user:nobody", "ipv4.addresses", NEW)
        self.device.nmcli("connection", "up", "lan", check=False)
        wait_for("the refusal", lambda: self.said('no trial of the new content of "lan"'))
        self.assert_old()
        self.assertEqual(self.history(), [])


class CopiedAtEveryBoot(Guarded):
    def quiet_boot_with(self, text, check):
        self.device.power_cut()
        self.copy(text)
        self.device.boot()
        self.device.power_cut()
        self.copy(text)
        self.device.boot()
        self.device.wait_active("lan")
        check()
        wait_for("an idle agent", lambda: self.status()["state"] == "none")
        self.assertEqual(len(self.history()), self.trials)

    def test_good_is_promoted_once(self):
        self.boot_with(self.content())
        self.promoted()
        self.quiet_boot_with(self.content(), self.assert_new)
        self.boots_quietly(self.assert_new)

    def test_bad_is_put_back_at_each_boot_and_tried_once(self):
        self.boot_with(self.bad_content())
        self.reverted()
        self.quiet_boot_with(self.bad_content(), self.assert_old)

    def test_a_third_is_a_new_edit(self):
        self.boot_with(self.bad_content())
        self.reverted()
        self.boot_with(self.content())
        self.promoted()
        self.boot_with(self.bad_content())  # has failed before: known good is the new one now
        self.device.wait_active("lan")
        self.assert_new()
        self.assertEqual(len(self.history()), self.trials)
        self.boot_with(self.content(address="10.99.0.50/24"))
        self.ended("promoted")
        self.wait_address("10.99.0.50/24")

    def test_rubbish(self):
        self.watch.ignore_profiles()
        for text in ("rubbish\n", "", self.content().replace("type=ethernet", "type=nonsense")):
            with self.step(text=text[:30]):
                self.boot_with(text)
                self.assert_old()
                self.assertEqual(self.history(), [])

    def test_its_autoconnect_is_lost(self):
        self.watch.ignore_profiles()
        self.boot_with(self.old.decode().replace("autoconnect=true", "autoconnect=false"))
        self.assert_old()
        self.assertEqual(self.history(), [])

    def test_another_file_of_its_uuid(self):
        self.device.power_cut()
        self.device.profile_file("other", self.content(), load=False)
        self.own.add("other")
        self.device.boot()
        self.promoted()

    def test_it_was_renamed(self):
        self.watch.ignore_profiles()
        self.device.power_cut()
        self.device.profile_path("lan").rename(self.device.profile_path("renamed"))
        self.device.boot()
        self.device.wait_active("lan")
        self.assertFalse(self.device.profile_path("lan").exists())
        self.device.power_cut()
        self.device.profile_file("renamed", self.bad_content(), load=False)
        self.device.boot()
        self.ended("reverted")
        self.wait_address(OLD)
        self.assertEqual(self.device.profile_path("renamed").read_bytes(), self.old)


class CopiedAfterTheBootStep(Guarded):
    """The copier runs when it is too late: NetworkManager reads what it brings."""
    options = {"trial_boot": "no"}

    def test_bad_is_put_back_at_each_boot_and_tried_once(self):
        self.boot_with(self.bad_content())
        self.reverted()
        for _ in range(2):
            self.boot_with(self.bad_content())
            wait_for("the old address", lambda: self.addresses() == {OLD})
            wait_for("an idle agent", lambda: self.status()["state"] == "none")
            self.assertEqual(len(self.history()), self.trials)

    def test_good_is_promoted_once(self):
        self.boot_with(self.content())
        self.promoted()
        self.boot_with(self.content())
        self.device.wait_active("lan")
        self.wait_address(NEW)
        self.assertEqual(len(self.history()), self.trials)


class Beside(Guarded):
    def test_a_change_while_another_trial_is_open_waits(self):
        self.device.profile("wan", device="eth1")
        self.own.add("wan")
        self.device.nmcli("connection", "up", "wan")
        self.candidate("wan-new", device="eth1", address="10.99.1.20/24", gateway="10.99.1.1")
        self.device.wait_active("wan", "eth1")
        trial = self.wait_manual("wan-new", device="eth1")
        self.modify()
        self.device.nmcli("connection", "up", "lan", check=False)
        wait_for("the wait", lambda: self.said("tried as an edit when the open trial has ended"))
        self.wait_address(OLD)
        self.assertEqual(self.bytes_of("lan"), self.old, "safe meanwhile")
        self.trial("confirm", trial)
        self.trials = 1
        self.ended("promoted", "checks-passed")
        self.wait_address(NEW)

    def test_two_changes_one_after_the_other(self):
        self.device.profile("wan", device="eth1")
        self.own.add("wan")
        self.edited.add("wan")
        self.device.nmcli("connection", "up", "wan")
        self.trial("guard", "wan")
        self.device.power_cut()
        self.copy(self.content())
        self.device.profile_file("wan", self.device.profile_text("wan", device="eth1", address="10.99.1.30/24",
                                                                 gateway="10.99.1.254"), load=False)
        self.device.boot()
        wait_for("both trials", lambda: len(self.history()) == 2, 30)
        ends = [(entry["verdict"], entry["pairs"][0]["device"]) for entry in self.history()]
        self.assertEqual(ends, [("reverted", "eth1"), ("promoted", "eth0")], "in the order of the file names")
        wait_for("the old address", lambda: self.addresses("eth1") == {"10.99.1.10/24"})

    def test_off(self):
        self.assertIn("known good since", self.trial("guard").stdout)
        self.trial("guard", "lan", "--off")
        self.assertIn("No profile is guarded", self.trial("guard").stdout)
        self.modify()
        self.device.nmcli("connection", "up", "lan")
        self.reboot()
        self.wait_address(NEW)
        self.assertEqual(self.history(), [])

    def test_by_annotation(self):
        self.trial("guard", "lan", "--off")
        self.trial("annotate", "lan", "guard=yes")
        self.assertTrue((self.device.disk / GOOD).exists())
        self.old = self.bytes_of("lan")
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan")
        self.reverted()
        self.trial("guard", "lan", "--off")
        self.assertNotIn(b"nm-trial.guard", self.bytes_of("lan"))

    def test_a_promoted_candidate_is_guarded(self):
        self.candidate()
        self.trial("annotate", "good", "guard=yes")
        trial = self.start("good")
        self.assert_promoted(trial, "good")
        self.assertIn('"good"', self.trial("guard").stdout)
        self.boots_as("good")
        self.device.power_cut()
        self.edited.add("good")
        text = self.device.profile_path("good").read_text()
        self.device.profile_file("good", text.replace("10.99.0.1\n", "10.99.0.254\n"), load=False)
        self.trials = 1
        self.device.boot()
        self.ended("reverted")
        self.assertEqual(self.device.profile_path("good").read_text(), text)

    def boots_as(self, name):
        self.assert_boots(name)
        self.assertFalse(self.said("was changed"), "our own writes are no changes")

    def test_a_guarded_profile_is_replaced(self):
        self.candidate()
        trial = self.start("good")
        self.assert_promoted(trial, "good")
        self.boots_as("good")

    def test_annotations_of_a_guarded_profile(self):
        self.trial("annotate", "lan", "timeout=20s")
        self.assertIn(b"nm-trial.timeout", self.bytes_of("lan"))
        self.reboot()
        self.assertIn(b"nm-trial.timeout", self.bytes_of("lan"))
        self.assertFalse(self.said("was changed"))

    def test_an_edit_by_hand(self):
        trial = self.edit(None, "--hold", "1s")
        self.assert_promoted(trial, "lan", replaced=None)
        self.trials = 1
        self.boots_quietly(self.assert_new)

    def test_a_copy_that_is_damaged_is_set_aside(self):
        (self.device.disk / GOOD).write_bytes(b"nm-trial-good 1 3 0\nrub")
        self.reboot()
        self.assertTrue(self.said("known-good copy of a guarded profile cannot be used"))
        self.assertTrue((self.device.disk / f"{GOOD}.bad-1").exists())
        self.assert_old()

    def test_a_change_is_not_guarded_untried(self):
        self.modify_badly()
        self.assertIn("changed since it was known good", self.trial("guard", "lan", status=4).stderr)
        self.device.nmcli("connection", "up", "lan")
        self.reverted()
        self.trial("guard", "lan")

    def test_as_the_way_back_it_must_be_known_good(self):
        self.modify_badly()
        self.candidate()
        self.assertIn("changed since it was known good", self.trial("start", "good", status=4).stderr)
        result = self.trial("start", "--edit", "lan", "--from", self.put(self.content()), status=4)
        self.assertIn("changed since it was known good", result.stderr)

    def test_changed_as_the_way_back_of_an_open_trial(self):
        """What comes back is tried as a change as soon as the trial has ended."""
        self.candidate()
        trial = self.wait_manual("good")
        self.modify_badly()
        self.trial("cancel", trial)
        wait_for("both ends", lambda: len(self.history()) == 2 and self.state() == "none", 25)
        self.assertEqual([entry["verdict"] for entry in self.history()], ["reverted", "reverted"])
        self.assert_old()

    def test_another_tools_checkpoint_makes_it_wait(self):
        self.modify()
        self.create_checkpoint(6)
        self.device.nmcli("connection", "up", "lan")
        self.wait_address(OLD)
        self.assertEqual(self.history(), [])
        self.ended("promoted", "checks-passed")
        self.wait_address(NEW)

    def test_a_change_does_not_take_the_device_from_another_profile(self):
        self.device.profile("backup", address="10.99.0.60/24", connection="autoconnect-priority=-5\n")
        self.own.add("backup")
        self.edited.add("backup")
        self.before = None
        self.trial("guard", "backup")
        self.device.power_cut()
        self.device.profile_file("backup", self.device.profile_text("backup", address="10.99.0.61/24"), load=False)
        self.device.boot()
        self.device.wait_active("lan")
        wait_for("an idle agent", lambda: self.status()["state"] == "none")
        self.assertEqual((self.addresses(), self.history()), ({OLD}, []))
        self.device.nmcli("connection", "up", "backup", check=False)  # its trial may come before this has its answer
        self.ended("promoted")
        wait_for("the new address", lambda: self.addresses() == {"10.99.0.61/24"})

    def test_a_user_cannot_make_it_look_changed(self):
        """A profile in memory with permissions, by the same name, on another device."""
        self.device.nmcli("connection", "add", "save", "no", "type", "ethernet", "con-name", "lan", "ifname", "eth1",
                          "connection.permissions", "user:nobody", "ipv4.method", "manual", "ipv4.addresses", BAD)
        memory = (self.device.disk / GOOD).read_bytes()
        uuid = next(line.split(":")[0] for line in self.device.nmcli("-f", "UUID,DEVICE,NAME", "connection").splitlines()
                    if not line.startswith(uuid_of("lan")) and line.endswith(":lan"))
        self.device.nmcli("connection", "up", "uuid", uuid, check=False)
        trial = self.edit(None, "--hold", "1s")  # nor does its file in /run stand in the way of an edit
        self.trials = 0
        self.ended("promoted")
        self.assertTrue(trial)
        self.assertNotEqual((self.device.disk / GOOD).read_bytes(), memory)
        self.assertFalse(self.said("was changed"))

    def test_off_is_off_after_the_next_change_too(self):
        self.trial("annotate", "lan", "guard=yes")
        self.trial("guard", "lan", "--off")
        self.modify()
        self.device.nmcli("connection", "up", "lan")
        self.wait_address(NEW)
        self.assertNotIn("nm-trial.guard", self.device.profile_path("lan").read_text())
        self.assertFalse((self.device.disk / GOOD).exists())

    def test_relative_paths_are_refused(self):
        text = self.content() + "\n[802-1x]\neap=tls;\nidentity=x\nca-cert=ca.pem\nclient-cert=c.pem\n" \
            "private-key=k.pem\nprivate-key-password=x\n"
        result = self.trial("start", "--edit", "lan", "--from", self.put(text), status=4)
        self.assertIn("relative path", result.stderr)

    def test_all_or_none(self):
        self.trial("guard", "lan", "--off")
        self.trial("guard", "lan", "nobody", status=4)
        self.assertIn("No profile is guarded", self.trial("guard").stdout)

    def test_a_name_without_a_suffix(self):
        """As older releases of NetworkManager have it."""
        self.trial("guard", "lan", "--off")
        self.device.power_cut()
        self.device.profile_path("lan").rename(self.device.profile_path("lan").with_name("lan"))
        self.watch.ignore_profiles()
        self.device.boot()
        self.trial("guard", "lan")
        self.before = None
        self.modify_badly()
        self.device.nmcli("connection", "up", "lan")
        self.ended("reverted", "check-failed")
        self.wait_address(OLD)
        self.assertEqual(self.device.profile_path("lan").with_name("lan").read_bytes(), self.old)

    def test_refused(self):
        self.candidate("off")
        for words, pattern in ((("off",), "autoconnect off"), (("nobody",), "no profile"),
                               (("off", "--off"), "is not guarded")):
            self.assertRegex(self.trial("guard", *words, status=4).stderr, pattern)
        self.trial("guard", "--off", status=2)


if __name__ == "__main__":
    unittest.main(verbosity=2)

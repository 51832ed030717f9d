# SPDX-License-Identifier: LGPL-2.1-or-later
"""Annotated candidates: whoever activates one, with any tool, has started its trial."""
import time
import unittest

from annotated import AnnotatedCase, SCRIPTS
from case import PROFILES, keyfile, uuid_of, wait_for


class Starts(AnnotatedCase):
    def test_by_nmcli_and_is_promoted(self):
        self.annotated()
        self.up()
        trial = self.opened()
        self.assertIsNone(self.status()["checkpoint"])
        entry = self.assert_promoted(trial, "good", "checks-passed")
        self.assertEqual(entry["baseline"], [])  # the old network was gone already
        self.assertTrue(self.said("no checkpoint: the candidate is active already"))
        self.assert_boots("good")
        self.assert_no_trial(ended=1)

    def test_by_dbus_without_a_device(self):
        uuid = self.annotated()
        path = self.dbus("--dest=org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager/Settings",
                         "org.freedesktop.NetworkManager.Settings.GetConnectionByUuid", f"string:{uuid}").strip()
        self.dbus("--dest=org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager",
                  "org.freedesktop.NetworkManager.ActivateConnection", f"objpath:{path}", "objpath:/", "objpath:/")
        self.assert_promoted(self.opened(), "good", "checks-passed")

    def test_a_bad_one_is_reverted(self):
        self.annotated("bad", bad=True, timeout="5s")
        self.up("bad")
        trial = self.opened("bad")
        self.assert_reverted(trial, "bad", "check-failed")
        self.assert_boots("lan")

    def test_power_cut(self):
        self.annotated(confirm="manual")
        self.up()
        trial = self.opened()
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "good", "unconfirmed-reboot")
        self.assert_boots("lan")

    def test_its_agent_is_killed_before_it_has_looked(self):
        self.annotated(confirm="manual")
        self.hold_agent()
        self.device.nmcli("connection", "up", "good")
        wait_for("the word that is left", lambda: self.device.test(
            f"test -e /run/nm-trial/events/{uuid_of('good')}"))
        self.release_agent()
        self.opened()

    def test_networkmanager_is_killed_before_it_was_looked_at(self):
        """The word of the activation waits; that the new NetworkManager sends it again does not take its place."""
        self.annotated(confirm="manual")
        self.hold_agent()
        self.device.nmcli("connection", "up", "good")
        wait_for("the word that is left", lambda: self.device.test(
            f"test -e /run/nm-trial/events/{uuid_of('good')}"))
        count = len(self.dispatched())
        self.device.kill_nm()
        wait_for("the event, again", lambda: "eth0 up good" in self.dispatched()[count:] and not self.helpers())
        self.release_agent()
        self.confirm_when_ready(self.opened())
        self.assertEqual(self.device.active(), "good")

    def test_helpers_are_killed_at_any_instant(self):
        """Whatever dies on the way: its trial is opened by who comes next, once."""
        self.strays = True
        for instant in range(8):
            with self.step(instant=instant):
                self.annotated(confirm="manual")
                self.device.nmcli("connection", "up", "good")
                time.sleep(instant * 0.015)  # the instant is the test's input, not its condition
                self.kill_helpers()
                if not self.device.test(f"test -e /run/nm-trial/events/{uuid_of('good')}") and self.state() == "none":
                    continue  # the dispatcher's own process died first: no word was left
                trial = self.opened()
                self.trial("cancel", trial)
                self.assert_reverted(trial, "good", "cancelled")
        self.assertTrue(self.history())

    def test_networkmanager_is_killed_during_its_trial(self):
        self.annotated(confirm="manual")
        self.up()
        trial = self.opened()
        self.device.kill_nm()
        self.device.wait_active("good")
        self.assertEqual(self.status()["id"], trial)
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_the_script_copied_in_plainly(self):
        link = self.device.disk / SCRIPTS / "90-nm-trial"
        text = link.read_bytes()
        link.unlink()
        link.write_bytes(text)
        link.chmod(0o755)
        self.annotated()
        self.up()
        self.assert_promoted(self.opened(), "good")

    def test_a_new_uplink_that_fails_leaves_the_device_without(self):
        self.annotated("bad", replaces="none", bad=True, device="eth1", timeout="5s")
        self.up("bad", "eth1")
        trial = self.opened("bad")
        self.assert_reverted(trial, "bad", "check-failed", replaced=None)
        self.assertEqual((self.device.active("eth1"), self.device.active()), ("", "lan"))


class StartsNothing(AnnotatedCase):
    def test_without_the_annotation(self):
        self.annotated(replaces=None)
        self.up()
        self.assert_no_trial()
        self.assertEqual(self.device.active(), "good")

    def test_when_told_to_wait_for_start(self):
        for start in ("manual", "boot"):
            with self.step(start=start):
                self.annotated(start=start)
                self.up()
                self.assert_no_trial()
                self.up("lan")

    def test_sent_again_by_a_restarted_networkmanager(self):
        """The annotation comes while the profile is up; nobody activates it after that."""
        self.annotated(replaces=None)
        self.up()
        self.annotated()
        count = len(self.dispatched())
        self.device.kill_nm()
        self.dealt_with("eth0 up good", count)
        self.assert_no_trial()
        wait_for("the word", lambda: self.said("starts no trial: NetworkManager was restarted"))
        self.up()  # now somebody does
        self.opened()

    def test_a_promoted_one_whatever_its_annotations_say(self):
        self.annotated()
        old = self.device.profile_path("good").read_text()
        self.up()
        self.assert_promoted(self.opened(), "good")
        self.watch.ignore_profiles()  # it goes by the mark
        for change in ("nothing", "the mark is lost", "another mark", "an old copy is written back"):
            with self.step(change=change):
                if change == "the mark is lost":
                    self.rewrite("good", "nm-trial.state=promoted\n", "")
                elif change == "another mark":
                    self.rewrite("good", "[user]\n", "[user]\nnm-trial.state=trying\n")
                elif change == "an old copy is written back":
                    self.device.profile_file("good", old.replace("autoconnect=false", "autoconnect=true"))
                self.up()
                self.assert_no_trial(ended=1)
        count = len(self.dispatched())
        self.device.kill_nm()
        self.dealt_with("eth0 up good", count)
        self.assert_no_trial(ended=1)
        self.assertEqual(self.said("starts no trial"), [])

    def test_a_promoted_one_whose_history_is_lost(self):
        self.annotated()
        self.up()
        self.assert_promoted(self.opened(), "good")
        (self.device.disk / "var/lib/nm-trial/history").unlink()
        self.up()
        self.assert_no_trial()

    def test_a_demoted_one_by_itself_but_by_somebody(self):
        self.annotated("bad", bad=True, timeout="3s")
        self.up("bad")
        self.assert_reverted(self.opened("bad"), "bad")
        count = len(self.dispatched())
        self.device.kill_nm()
        self.dealt_with("eth0 up lan", count)
        self.assert_boots("lan")
        self.assert_no_trial(ended=1)
        self.up("bad")
        self.assert_reverted(self.opened("bad"), "bad")
        self.assertEqual(len(self.history()), 2)


class Annotations(AnnotatedCase):
    def test_each_has_its_effect(self):
        self.annotated(timeout="90s", hold="40s", checks="gateway;", fallback="yes")
        self.up()
        trial = self.opened()
        status = self.status()
        self.assertEqual([check["name"] for check in status["checks"]], ["gateway"])
        self.assertGreater(status["deadline_s"], 80)
        self.assertFalse(status["needs_confirm"])
        self.confirm_when_ready(trial)
        self.assert_promoted(trial, "good", "confirmed", replaced=None)
        self.assertTrue(keyfile.autoconnect(self.profile("lan")))  # the fallback

    def test_confirm(self):
        self.annotated(confirm="manual", checks="none", hold=None)
        self.up()
        trial = self.opened()
        self.assertEqual((self.status()["needs_confirm"], self.status()["checks"]), (True, []))
        self.confirm_when_ready()
        self.assert_promoted(trial, "good", "confirmed")

    def test_start_goes_by_them_and_the_command_line_before_them(self):
        self.annotated(confirm="manual", timeout="100s")
        trial = self.start("good", "--timeout", "200s")
        status = self.status()
        self.assertTrue(status["needs_confirm"])
        self.assertGreater(status["deadline_s"], 150)
        self.assertIsNotNone(status["checkpoint"])
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def test_the_devices_defaults_come_last(self):
        conf = self.device.disk / "etc/nm-trial/nm-trial.conf"
        conf.write_text("[trial]\nchecks=gateway\ntimeout=100s\nhold=5s\n")
        conf.chmod(0o644)
        self.annotated(hold=None)
        said = self.trial("start", "good", "--dry-run").stdout
        self.assertRegex(said, r"checks +gateway\n(.*\n)*.*timeout +20 s\n.*hold +5 s")

    def test_wrong_defaults_are_refused(self):
        self.annotated()
        conf = self.device.disk / "etc/nm-trial/nm-trial.conf"
        for text, mode, word in (("[trial]\ntimeout=soon\n", 0o644, "timeout"), ("[trial]\ncolour=red\n", 0o644, "colour"),
                                 ("[trial]\ntimeout=9s\n", 0o666, "nm-trial.conf")):
            with self.step(text=text):
                conf.write_text(text)
                conf.chmod(mode)
                self.before = self.files()
                self.assertIn(word, self.trial("start", "good", status=4).stderr)

    def test_a_wrong_value_is_refused_and_the_old_profile_is_back(self):
        wrong = {"timeout": "soon", "hold": "30s", "confirm": "maybe", "checks": "nm;p ng", "fallback": "perhaps",
                 "start": "later", "replaces": "nosuch"}
        for key, value in wrong.items():
            with self.step(key=key):
                self.annotated(**{key: value})
                self.device.nmcli("connection", "up", "good")
                said = wait_for("the refusal", lambda: self.said("no trial of \"good\""))
                self.assertRegex(said[-1], {"replaces": "nosuch"}.get(key, f"nm-trial.{key}"))
                self.assert_no_trial()
                self.assertIn("back to \"lan\"", said[-1])  # what a boot would bring up, where nobody knows better
                self.device.wait_active("lan")
                self.no_more_of("good")
        self.assert_boots("lan")

    def test_the_next_generation_goes_back_to_the_last_one(self):
        """A promoted candidate keeps its annotations, and is a profile to go back to all the same."""
        self.annotated()
        self.up()
        self.assert_promoted(self.opened(), "good")
        self.annotated("next", replaces="good", timeout="soon")
        self.device.nmcli("connection", "up", "next")
        self.assertRegex(wait_for("the refusal", lambda: self.said("no trial of \"next\""))[-1], "back to \"good\"")
        self.device.wait_active("good")
        self.assert_no_trial(ended=1)

    def no_more_of(self, name):
        """Makes room for the next refusal in the journal."""
        self.device.nmcli("connection", "delete", name)
        (self.device.dir / "journal").write_text("")
        self.before = self.files()


class NotBelieved(AnnotatedCase):
    def assert_ignored(self, why):
        self.assertRegex(wait_for("the journal's word", lambda: self.said("starts no trial"))[-1], why)
        self.assert_no_trial()
        self.assertEqual(self.device.active(), "good")

    def test_a_users_profile(self):
        self.annotated(connection="permissions=user:root:;\n")
        self.up()
        self.assert_ignored("permissions")

    def test_one_that_is_not_stored(self):
        uuid = self.annotated()
        path = self.device.profile_path("good")
        self.device.run("mkdir", "-p", "/run/NetworkManager/system-connections")
        self.device.run("mv", f"/{PROFILES}/good.nmconnection", "/run/NetworkManager/system-connections/")
        self.device.run("nmcli", "connection", "load", "/run/NetworkManager/system-connections/good.nmconnection",
                        f"/{PROFILES}/good.nmconnection")
        self.assertFalse(path.exists())
        self.before = self.files()
        self.device.nmcli("connection", "up", uuid)
        self.assert_ignored("not stored")

    def test_one_that_others_may_write(self):
        self.annotated()
        self.device.profile_path("good").chmod(0o666)
        self.before = self.files()
        self.up()
        self.assert_ignored("root's alone")

    def test_a_word_that_was_made_up(self):
        """Whatever the dispatcher's environment says is looked up before it is believed."""
        self.annotated()
        self.trial("event", "eth0", uuid_of("good"))  # it is not up
        self.trial("event", "eth1", uuid_of("lan"))
        for arguments in (["eth0"], ["eth0", "no-uuid"], ["../eth0", uuid_of("good")], ["", ""],
                          ["eth0", f"../{uuid_of('good')}"], ["eth0", uuid_of("good"), "more"]):
            self.trial("event", *arguments, status=2)
        wait_for("a look at them", lambda: self.device.test("test -z \"$(ls /run/nm-trial/events)\""))
        self.assert_no_trial()
        self.assertEqual(self.device.active(), "lan")


class Together(AnnotatedCase):
    def test_one_at_a_time(self):
        self.device.profile("wan", device="eth1")
        self.device.wait_active("wan", "eth1")
        self.annotated(confirm="manual")
        self.annotated("other", device="eth1", replaces="wan")
        self.up()
        trial = self.opened()
        self.device.nmcli("connection", "up", "other")
        self.assertRegex(wait_for("the refusal", lambda: self.said("no trial of \"other\""))[-1], "Another trial is open")
        self.device.wait_active("wan", "eth1")
        self.assertEqual(self.status()["id"], trial)
        self.trial("cancel")
        self.assert_reverted(trial, "good", "cancelled")

    def test_another_one_on_the_same_device(self):
        self.annotated(confirm="manual")
        self.annotated("other")
        self.up()
        trial = self.opened()
        wait_for("its own activation", lambda: self.said("the candidate is active on eth0"))
        self.device.nmcli("connection", "up", "other")
        self.assertRegex(wait_for("the journal's word", lambda: self.said("starts no trial"))[-1], "own trial is open")
        self.assert_reverted(trial, "good", "superseded")

    def test_two_that_name_each_other_do_not_chase(self):
        self.annotated("a", replaces="b", timeout="soon", autoconnect=True)
        self.annotated("b", replaces="a", timeout="soon", autoconnect=True)
        self.watch.ignore_profiles()
        self.up("a")
        self.assertTrue(self.said("no trial of \"a\" on eth0, back to \"lan\""))
        self.device.wait_active("lan")
        self.assertEqual(self.said("no trial of \"b\""), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

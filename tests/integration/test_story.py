# SPDX-License-Identifier: LGPL-2.1-or-later
"""The story of a trial can be read by `journalctl -t nm-trial` alone: what was tried, what happened, why it ended so,
and whether it was the candidate's fault or an outage."""
import pathlib
import re
import unittest

from case import Case, uuid_of, wait_for

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "helper/journal.c"
EVENTS = {message_id: event for event, message_id in
          re.findall(r'\[JOURNAL_(\w+)\] = \{"([0-9a-f]{32})"', SOURCE.read_text())}
BEGIN = [("STARTED", "trying", None), ("STARTED", "trying", None)]
ACTIVE, CHECK = ("ACTIVE", "trying", None), ("CHECK", "trying", None)


def verdict(state, reason):
    return [(event, state, reason) for event in
            (("PROMOTING", "PROMOTED") if state == "promoting" else ("REVERTING", "REVERTED"))]


class Story(Case):
    def story(self, trial, name):
        """The trial's lines, oldest first; each has the fields that say of what it is."""
        entries = [entry for entry in self.device.journal("nm-trial") if trial in entry["MESSAGE"]]
        for entry in entries:
            self.assertEqual({key: entry.get(key) for key in ("NM_TRIAL_ID", "NM_CONNECTION_UUID", "NM_DEVICE")},
                             {"NM_TRIAL_ID": trial, "NM_CONNECTION_UUID": uuid_of(name), "NM_DEVICE": "eth0"}, entry)
            self.assertTrue(entry["MESSAGE"].startswith(f"trial {trial}: "), entry)
        return entries

    def assert_story(self, trial, name, *expected, says):
        """The events in their order with state and reason, checks that change their minds counted once; and what the
        closing line says."""
        entries = self.story(trial, name)
        seen = [(EVENTS[entry["MESSAGE_ID"]], entry["NM_TRIAL_STATE"], entry.get("NM_TRIAL_REASON"))
                for entry in entries]
        seen = [event for i, event in enumerate(seen) if event != CHECK or event not in seen[:i]]
        self.assertEqual(seen, list(expected), "\n".join(entry["MESSAGE"] for entry in entries))
        self.assertRegex(entries[0]["MESSAGE"], f'"{name}" in place of "lan" on eth0, started by root')
        self.assertRegex(entries[1]["MESSAGE"], "before the trial: check gateway passes on eth0: 10.99.0.1 answers")
        self.assertRegex(entries[-1]["MESSAGE"], says)

    def test_promoted(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "20s", "--hold", "1s")
        self.assert_promoted(trial, "good", "checks-passed")
        self.assert_story(trial, "good", *BEGIN, ACTIVE, CHECK, *verdict("promoting", "checks-passed"),
                          says='promoted: "good" is the profile of eth0 now')

    def test_reverted_by_a_check(self):
        self.bad()
        trial = self.start("bad", "--check", "gateway", "--timeout", "6s", "--hold", "1s")
        entry = self.assert_reverted(trial, "bad", "check-failed")
        self.assert_story(trial, "bad", *BEGIN, ACTIVE, CHECK, *verdict("reverting", "check-failed"),
                          says='"lan" is back on eth0; .*The old network passes: it was the candidate$')
        self.assertIn(entry["detail"], self.story(trial, "bad")[-2]["MESSAGE"])
        self.assertIn("10.99.0.254", entry["detail"])

    def test_an_activation_that_failed(self):
        self.candidate("dhcp", ipv4="method=auto\ndhcp-timeout=2\nmay-fail=false\n")
        trial = self.start_manual("dhcp", check="gateway")
        self.assert_reverted(trial, "dhcp", "activation-failed")
        self.assert_story(trial, "dhcp", *BEGIN, *verdict("reverting", "activation-failed"),
                          says='"lan" is back on eth0; .*The old network passes: it was the candidate$')
        self.assertIn("ip-config-unavailable", self.story(trial, "dhcp")[-2]["MESSAGE"])

    def test_cancelled(self):
        """Nobody says that it was the candidate, if nothing failed."""
        self.candidate()
        trial = self.wait_manual("good", check="gateway")
        wait_for("a check", lambda: self.said("check gateway passes on eth0: 10.99.0.1 answers")[1:])
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        self.assert_story(trial, "good", *BEGIN, ACTIVE, CHECK, *verdict("reverting", "cancelled"),
                          says=r'"lan" is back on eth0; "good" is demoted \(cancelled\)\. The old network passes$')

    def test_a_power_cut(self):
        self.bad()
        trial = self.wait_manual("bad", check="gateway")
        wait_for("a check", lambda: self.said("check gateway fails"))
        self.device.power_cut()
        self.device.boot()
        self.assert_reverted(trial, "bad", "unconfirmed-reboot")
        self.assert_story(trial, "bad", *BEGIN, ACTIVE, CHECK, *verdict("reverting", "unconfirmed-reboot"),
                          says=r'"lan" is stored as the profile of eth0; "bad" is demoted \(unconfirmed-reboot\)$')

    def test_without_a_check_nothing_is_said_of_the_old_network(self):
        self.bad()
        trial = self.wait_manual("bad")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")
        self.assertFalse(self.said("before the trial|old network"))

    # An outage

    def test_the_old_gateway_is_gone_too(self):
        self.bad()
        trial = self.start("bad", "--check", "gateway", "--timeout", "6s", "--hold", "1s")
        self.device.wait_active("bad")
        self.device.break_network("gateway")
        entry = self.wait_verdict(trial)
        self.assertEqual([result["state"] for result in entry["baseline"]], ["passing"])
        self.assertEqual([result["state"] for result in entry["after_revert"]], ["failing"])
        self.assert_story(trial, "bad", *BEGIN, ACTIVE, CHECK, *verdict("reverting", "check-failed"),
                          says=r'"lan" is back on eth0; .*The old network fails too: an outage, not only the '
                               r"candidate \(check gateway fails on eth0: .*10\.99\.0\.1\b")

    def test_the_cable_is_out(self):
        """An address of its own the old profile has all the same; what counts is that its checks fail."""
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "8s", "--hold", "4s")
        self.device.break_network("carrier")
        entry = self.wait_verdict(trial, 40)
        self.assertEqual([result["state"] for result in entry["after_revert"]], ["failing"])
        self.assertRegex(self.story(trial, "good")[-1]["MESSAGE"], "The old network fails( too)?: an outage")

    def test_the_old_profile_does_not_come_up(self):
        """Without a cable it gets no address. After a minute it is left to NetworkManager."""
        self.device.heal("dhcp")
        self.own.add("home")
        self.device.profile("home", ipv4="method=auto\ndhcp-timeout=20\nmay-fail=false\n")
        self.device.nmcli("connection", "up", "home")
        self.candidate()
        trial = self.wait_manual("good", check="gateway", timeout="5s")
        self.device.break_network("carrier")
        entry = self.wait_verdict(trial, 100)
        self.assertEqual((entry["verdict"], entry["pairs"][0]["replaced"]["id"]), ("reverted", "home"))
        self.assertEqual([result["state"] for result in entry["after_revert"]], ["failing"])
        closing = self.story(trial, "good")[-1]
        self.assertEqual(EVENTS[closing["MESSAGE_ID"]], "REVERTED")
        self.assertRegex(closing["MESSAGE"], '"home" is the profile of eth0 but did not come up in a minute.*'
                         "The old network is down too, an outage: check the cable and the network")
        self.device.heal("carrier")
        wait_for("one of the old profiles", lambda: self.device.active() in ("home", "lan"), 30)
        self.device.wait_online()


if __name__ == "__main__":
    unittest.main()

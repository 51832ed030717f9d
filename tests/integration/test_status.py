# SPDX-License-Identifier: LGPL-2.1-or-later
"""What status, history and the journal say, and that they never say a secret."""
import json
import unittest

from case import Case, uuid_of, wait_for

SECRET = "correct-horse-battery"


class Status(Case):
    def test_without_a_trial(self):
        status = self.status()
        self.assertEqual(status["state"], "none")
        self.assertIn("schema", status)
        self.assertIsNone(status["last"])
        self.assertEqual(self.history(), [])
        self.assertTrue(self.trial("status").stdout.strip())
        self.trial("history")

    def test_of_an_open_trial(self):
        self.candidate()
        trial = self.start_manual("good", check="nm", timeout="50s")
        self.device.wait_active("good")
        wait_for("a passing check", lambda: [c["state"] for c in self.status()["checks"]] == ["passing"])
        status = self.status()
        self.assertEqual((status["state"], status["id"]), ("trying", trial))
        self.assertTrue(status["needs_confirm"])
        self.assertTrue(30 < status["deadline_s"] <= 50, status)
        self.assertTrue(status["started_by"])
        pair = status["pairs"][0]
        self.assertEqual(pair["candidate"], {"uuid": uuid_of("good"), "id": "good"})
        self.assertEqual(pair["replaced"], {"uuid": uuid_of("lan"), "id": "lan"})
        self.assertEqual(pair["device"], "eth0")
        self.assertIn(pair["active"], ("good", uuid_of("good"), {"uuid": uuid_of("good"), "id": "good"}, True))
        self.assertEqual({key: status["checks"][0][key] for key in ("name", "device", "state")},
                         {"name": "nm", "device": "eth0", "state": "passing"})
        self.assertTrue(status["checkpoint"])
        self.assertEqual(len(self.checkpoints()), 1)
        words = self.trial("status").stdout
        for word in (trial, "good", "eth0"):
            self.assertIn(word, words)
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        self.assertEqual(self.status()["last"], self.history()[0])
        self.assertIn("cancelled", self.trial("history").stdout)

    def test_history_is_newest_first_and_keeps_64(self):
        self.candidate()
        trials = []
        for _ in range(66):
            trials.insert(0, self.start_manual("good"))
            self.trial("cancel", trials[0])
            self.wait_verdict_quickly()
        self.assertEqual([entry["id"] for entry in self.history()], trials[:64])

    def wait_verdict_quickly(self):
        wait_for("the end of the trial", lambda: self.state() == "none")

    def test_history_survives_a_power_cut(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        before = self.history()
        self.device.power_cut()
        self.device.boot()
        self.assertEqual(self.history(), before)


class Published(Case):
    """/run/nm-trial/status.json: what status --json says, for those who are not root, without asking."""

    def published(self):
        return self.device.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat",
                               "/run/nm-trial/status.json").stdout

    def assert_the_same(self):
        """But for what passes while one looks; `since` may be a second apart."""
        def same():
            asked, read = self.status(), json.loads(self.published())
            for status in (asked, read):
                self.assertLessEqual(abs(status.pop("deadline_s") - left), 30)
                (status["checkpoint"] or {}).pop("fires_s", None)
                for check in status["checks"]:
                    check.pop("since")
            return asked == read
        left = self.status()["deadline_s"]
        wait_for("the same in both", same)

    def test_it_says_what_status_says(self):
        wait_for("the file", lambda: self.device.test("test -e /run/nm-trial/status.json"))
        self.assert_the_same()
        self.candidate()
        trial = self.wait_manual("good", check="nm")
        wait_for("a passing check", lambda: "passing" in self.published())
        self.assert_the_same()
        self.assertEqual(json.loads(self.published())["id"], trial)
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        wait_for("the end in the file", lambda: json.loads(self.published())["state"] == "none")
        self.assert_the_same()
        self.device.power_cut()
        self.device.boot()
        wait_for("the file", lambda: self.device.test("test -e /run/nm-trial/status.json"))
        self.assert_the_same()

    def test_nothing_else_there_is_for_others(self):
        self.candidate()
        self.wait_manual("good", check="gateway")
        wait_for("what the checks said", lambda: self.device.test("test -e /run/nm-trial/checks"))
        open_to_others = self.device.run("find", "/run/nm-trial", "-perm", "/077", "-printf", "%P %m\\n").stdout
        self.assertEqual(sorted(open_to_others.splitlines()), [" 755", "status.json 644"])


class Journal(Case):
    def secret_candidate(self):
        self.candidate()
        text = self.device.profile_path("good").read_text()
        self.device.profile_file("good", f"{text}\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={SECRET}\n")

    def entries(self, trial):
        return [entry for entry in self.device.journal("nm-trial") if entry.get("NM_TRIAL_ID") == trial]

    def test_its_fields(self):
        self.candidate()
        promoted = self.wait_manual("good")
        self.trial("confirm", promoted)
        self.assert_promoted(promoted, "good", "confirmed")
        self.bad()
        reverted = self.wait_manual("bad")
        self.trial("cancel", reverted)
        self.assert_reverted(reverted, "bad", "cancelled", replaced="good")
        for trial, name, state, reason in ((promoted, "good", "promot", "confirmed"),
                                           (reverted, "bad", "revert", "cancelled")):
            entries = self.entries(trial)
            self.assertTrue(entries)
            for entry in entries:
                self.assertTrue(entry["MESSAGE"])
                self.assertRegex(entry["MESSAGE_ID"], "^[0-9a-f]{32}$")
            self.assertTrue([entry for entry in entries if entry.get("NM_TRIAL_STATE") == "trying"])
            last = [entry for entry in entries if entry.get("NM_TRIAL_STATE", "").startswith(state)]
            self.assertTrue(last, entries)
            self.assertEqual(last[-1]["NM_TRIAL_REASON"], reason)
            self.assertIn(uuid_of(name), [entry.get("NM_CONNECTION_UUID") for entry in entries])
            self.assertIn("eth0", [entry.get("NM_DEVICE") for entry in entries])

    def test_no_secret_is_ever_said(self):
        self.secret_candidate()
        said = [self.trial("start", "good", "--confirm", "manual", "--check", "none").stdout]
        trial = self.started_as(said[0])
        self.device.wait_active("good")
        for words in (["status"], ["status", "--json"], ["cancel", trial], ["wait", trial], ["history"],
                      ["history", "--json"]):
            result = self.trial(*words, status=(0, 5))
            said += [result.stdout, result.stderr]
        self.assert_reverted(trial, "good", "cancelled")
        said.append(str(self.device.journal()))
        said.append((self.device.dir / "agent.log").read_text())
        said.append(self.device.run("cat", "/run/nm-trial/status.json").stdout)
        said.append((self.device.disk / "var/lib/nm-trial/history").read_text())
        self.assertNotIn(SECRET, "\n".join(said))


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""annotate: a profile's nm-trial.* keys, which nmcli can neither show nor edit."""
import unittest

from case import Case, keyfile, uuid_of

# What must stay: a secret, comments, keys that NetworkManager does not know, somebody else's user data.
MORE = """method=disabled

# ours
[wifi-security]
key-mgmt=wpa-psk
psk=top secret

[user]
# theirs
org.example.site = 7
"""


class Annotate(Case):
    def setUp(self):
        super().setUp()
        self.candidate(ipv6=MORE)
        self.text = self.device.profile_path("good").read_text()
        self.before = self.files()

    def user(self, name="good"):
        return self.profile(name)["user"]

    def test_sets_shows_and_clears(self):
        self.trial("annotate", "good", "replaces=lan", "nm-trial.timeout=5m", "checks=nm;gateway", "confirm=manual")
        self.assertEqual(self.user(), {"org.example.site": "7", "nm-trial.replaces": "lan", "nm-trial.timeout": "5m",
                                       "nm-trial.checks": "nm;gateway", "nm-trial.confirm": "manual"})
        self.assertEqual(sorted(self.trial("annotate", uuid_of("good")).stdout.splitlines()),
                         ["nm-trial.checks=nm;gateway", "nm-trial.confirm=manual", "nm-trial.replaces=lan",
                          "nm-trial.timeout=5m"])
        self.trial("annotate", "good", "confirm=", "timeout=90")
        self.assertNotIn("nm-trial.confirm", self.user())
        self.assertEqual(self.user()["nm-trial.timeout"], "90")
        self.trial("annotate", "good", "--clear")
        self.assertEqual(self.device.profile_path("good").read_text(), self.text)
        self.assertEqual(self.trial("annotate", "good").stdout, "")

    def test_networkmanager_knows_them_and_nothing_happens_to_the_network(self):
        at = len(self.device.journal("NetworkManager"))
        self.trial("annotate", "lan", "replaces=none", "start=manual")
        said = self.dbus("--dest=org.freedesktop.NetworkManager", self.settings_path("lan"),
                         "org.freedesktop.NetworkManager.Settings.Connection.GetSettings")
        self.assertRegex(said, r"nm-trial\.start\s+manual")
        self.assertFalse(any("disconnected" in entry["MESSAGE"] and "eth0" in entry["MESSAGE"]
                             for entry in self.device.journal("NetworkManager")[at:]))
        self.device.power_cut()
        self.device.boot()
        self.assertEqual(self.user("lan")["nm-trial.start"], "manual")
        self.device.wait_active("lan")

    def settings_path(self, name):
        return self.dbus("--dest=org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager/Settings",
                         "org.freedesktop.NetworkManager.Settings.GetConnectionByUuid",
                         f"string:{uuid_of(name)}").strip()

    def test_an_id_with_everything_in_it(self):
        name = "  Büro \\ \"2\"; = [x]"
        text = self.device.profile_path("lan").read_text().replace(uuid_of("lan"), uuid_of("odd"))
        self.own.add("odd")
        self.device.profile_file("odd", text.replace("id=lan", "id=\\s\\sBüro \\\\ \"2\"; = [x]"))
        self.before = None
        self.trial("annotate", "good", f"replaces={name}")
        self.assertEqual(self.trial("annotate", "good").stdout, f"nm-trial.replaces={name}\n")
        self.assertIn(f"replaced  {name}", self.trial("start", "good", "--dry-run").stdout)

    def test_what_is_refused_changes_nothing(self):
        self.device.profile("users", connection="permissions=user:root:;\n", autoconnect=False)
        self.device.profile("off", autoconnect=False)
        before = self.files()
        for status, *words in ((2, "colour=red"), (2, "nm-trial.colour=red"), (2, "timeout"), (2, "=5"), (2, ""),
                               (2, "state=promoted"), (2, "nm-trial.reason=x"), (2, "state="), (2, "guard2=yes"),
                               (2, "timeout=soon"), (2, "confirm=maybe"), (2, "checks=../ping"), (2, "checks=nm;;"),
                               (2, "fallback=2"), (2, "start=never"), (2, "org.example.site=8"), (2, "\xff=1"),
                               (2, "timeout=5m", "hold=soon"), (2, "--clear", "timeout=5m"),
                               (4, "hold=30s", "timeout=20s"), (4, "checks=none"), (4, "checks=nm;ping"),
                               (4, "replaces=nosuch"), (4, "replaces=off"),
                               (4, "replaces=good"), (4, f"replaces={uuid_of('good')}")):
            with self.step(words=words):
                self.trial("annotate", "good", *words, status=status)
                self.assertEqual(self.files(), before)
        said = self.trial("annotate", "good", "checks=ping", status=4).stderr
        self.assertEqual(said.replace("nm-trial.checks ping", "--check ping"),
                         self.trial("start", "good", "--check", "ping", status=4).stderr)
        self.assertIn("permissions", self.trial("annotate", "users", "timeout=5m", status=4).stderr)
        self.trial("annotate", "nosuch", "timeout=5m", status=4)
        self.assertNotIn("Did you", self.trial("annotate", "nosuch", status=4).stderr)
        for slip in ("god", "goood", "goid", "godo", "Good"):
            self.assertIn('Did you mean "good"? See: ', self.trial("annotate", slip, status=4).stderr)
        for another in ("g", "xyzd", "dog", "goodness", ""):
            self.assertNotIn("Did you", self.trial("annotate", another, status=4).stderr)
        self.trial("annotate", status=2)
        self.before = before
        self.own |= {"users", "off"}

    def test_not_while_it_is_on_trial(self):
        trial = self.wait_manual("good")
        self.assertIn(trial, self.trial("annotate", "good", "timeout=5m", status=4).stderr)
        self.trial("annotate", "lan", "fallback=yes")  # of the other one
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual(keyfile.annotation(self.profile("lan"), "fallback"), "yes")

    def test_without_networkmanager(self):
        self.device.kill_nm(restart=False)
        self.assertIn("next start", self.trial("annotate", "good", "replaces=lan").stderr)
        self.assertEqual(self.user()["nm-trial.replaces"], "lan")

    def test_read_only_disk(self):
        self.read_only(True)
        self.trial("annotate", "good", "replaces=lan", status=1)
        self.assertEqual(self.device.profile_path("good").read_text(), self.text)


if __name__ == "__main__":
    unittest.main(verbosity=2)

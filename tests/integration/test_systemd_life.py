# SPDX-License-Identifier: LGPL-2.1-or-later
"""What happens to a machine with a trial open, as systemd does it; and what nm-trial's units may do to its boot."""
import contextlib
import os
import subprocess
import time
import unittest

from device import PROFILES, wait_for
import keyfile
from readme import example
from units import explained, SystemdCase

AGENT, BOOT = "nm-trial.service", "nm-trial-boot.service"
HANGS = "/bin/sh -c 'trap : TERM; while :; do sleep 1; done'"


class Order(SystemdCase):
    def instead(self, unit, command):
        """From the next boot on (or daemon-reload), that unit runs this."""
        self.drop_in(unit, f"ExecStart=\nExecStart={command}\n")

    def at(self, unit, stamp):
        """That moment of this boot, in seconds."""
        return int(self.unit(unit, f"{stamp}Monotonic")[f"{stamp}Monotonic"]) / 1e6

    def boot_without(self, command, result):
        """A power cut in a trial, and a boot step that cannot do its work. NetworkManager starts after it, and the
        agent makes up for it. Returns by how much NetworkManager was late."""
        self.container.profile("bad", address="10.99.7.20", gateway="10.99.7.254", autoconnect=False)
        trial = self.start("bad")
        self.instead(BOOT, command)
        self.container.power_cut()
        self.container.boot()
        self.container.wait_active("lan")
        self.assertEqual(self.unit(BOOT, "Result", "ActiveState"), {"Result": result, "ActiveState": "failed"})
        begun = self.at(BOOT, "InactiveExitTimestamp")
        manager = self.at("NetworkManager.service", "ExecMainStartTimestamp")
        self.assertGreaterEqual(manager, self.at(BOOT, "InactiveEnterTimestamp"), "not before the boot step has ended")
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        entry = self.last()
        self.assertEqual((entry["id"], entry["verdict"], entry["reason"]), (trial, "reverted", "unconfirmed-reboot"))
        self.assertFalse(keyfile.autoconnect(self.profile("bad")))
        return manager - begun

    @explained
    def test_a_boot_step_that_fails(self):
        self.boot_without("/bin/false", "exit-code")
        self.boot_without("/usr/sbin/is-not-there", "exit-code")

    @explained
    def test_a_boot_step_that_hangs_delays_networkmanager_by_its_limit(self):
        limits = self.unit(BOOT, "TimeoutStartUSec", "TimeoutStopUSec")
        self.assertEqual(limits, {"TimeoutStartUSec": "20s", "TimeoutStopUSec": "2s"})
        late = self.boot_without(HANGS, "timeout")
        self.assertGreater(late, 19.9, "it did not hang")
        self.assertLess(late, 24)

    @explained
    def test_the_network_waits_for_the_boot_step_alone(self):
        manager = self.at("NetworkManager.service", "ExecMainStartTimestamp")
        self.assertGreater(manager, self.at(BOOT, "ActiveEnterTimestamp"))
        behind = self.container.run("systemctl", "list-dependencies", "--after", "--all", "--plain",
                                    "network-online.target").stdout.split()
        self.assertTrue({"NetworkManager.service", BOOT} <= set(behind), behind)
        self.assertNotIn(AGENT, behind)
        # An agent that never gets ready: the network is online all the same, and at once.
        self.instead(AGENT, HANGS)
        self.container.run("systemctl", "daemon-reload")
        self.container.run("systemctl", "stop", "network-online.target", "NetworkManager-wait-online.service",
                           "NetworkManager.service")
        self.container.run("systemctl", "--no-block", "start", AGENT)
        wait_for("the agent's start", lambda: self.unit(AGENT, "ActiveState")["ActiveState"] == "activating")
        self.container.run("systemctl", "start", "network-online.target")
        self.assertEqual(self.unit(AGENT, "ActiveState", "NRestarts"), {"ActiveState": "activating", "NRestarts": "0"})
        self.container.wait_active("lan")


class Life(SystemdCase):
    @explained
    def test_a_reboot(self):
        self.container.profile("bad", address="10.99.7.20", gateway="10.99.7.254", autoconnect=False)
        trial = self.start("bad")
        self.assertLess(self.container.reboot(), 20, "an open trial keeps nobody from going down")
        self.container.wait_active("lan")
        entry = self.last()
        self.assertEqual((entry["id"], entry["verdict"], entry["reason"]), (trial, "reverted", "unconfirmed-reboot"))
        self.assertFalse(keyfile.autoconnect(self.profile("bad")))
        self.assert_quiet()

    @explained
    def test_a_soft_reboot(self):
        """Another systemd and another NetworkManager in the same boot: the trial goes on, with its deadline. There is none
        before systemd 254."""
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        trial = self.start("good")
        deadline, first = self.deadline(), self.unit(BOOT, "InvocationID")
        systemd = int(self.container.run("systemctl", "--version").stdout.split()[1])
        asked = self.container.run("systemctl", "soft-reboot", check=False)
        if systemd < 254:
            self.assertIn("Unknown command verb", asked.stderr)
        else:
            wait_for("the boot step's second run", lambda: self.unit_if_any(BOOT) not in (None, first["InvocationID"]), 60)
            self.container.run("systemctl", "is-system-running", "--wait", check=False)
        self.container.wait_active("good")
        self.assert_agent()
        self.assertEqual((self.status()["state"], self.status()["id"]), ("trying", trial))
        self.assertEqual(self.deadline(), deadline)
        self.trial("extend", "--timeout", "2s")
        self.container.wait_active("lan")
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.assertEqual((self.last()["id"], self.last()["reason"]), (trial, "timeout"))
        self.assert_quiet()

    def unit_if_any(self, unit):
        """The unit's InvocationID; None while there is nobody to ask."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # who was asked went away with the question
            shown = self.container.run("systemctl", "show", "--value", "--property=InvocationID", unit, check=False,
                                       timeout=10)
            return shown.stdout.strip() or None
        return None

    @explained
    def test_services_that_are_restarted_in_a_trial(self):
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        trial = self.start("good", check="gateway")
        agent, boot = self.unit(AGENT, "MainPID"), self.unit(BOOT, "InvocationID")
        for words in (("restart", "NetworkManager"), ("daemon-reexec",), ("restart", "systemd-journald"),
                      ("daemon-reload",)):
            self.container.run("systemctl", *words)
            self.container.wait_active("good")
            wait_for("a check that passes", lambda: [c["state"] for c in self.status()["checks"]] == ["passing"], 20)
            self.assertEqual((self.status()["state"], self.status()["id"]), ("trying", trial), words)
            self.assertEqual(self.unit(AGENT, "MainPID"), agent, words)
            self.assertEqual(self.unit(BOOT, "InvocationID"), boot, "it belongs to a boot, not to NetworkManager's start")
        self.trial("extend", "--timeout", "2s")
        self.container.wait_active("lan")
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.assertEqual((self.last()["verdict"], self.last()["reason"]), ("reverted", "timeout"))
        said = [entry["MESSAGE"] for entry in self.journal()
                if entry.get("_SYSTEMD_UNIT") == AGENT and entry.get("NM_TRIAL_STATE")]
        self.assertRegex(said[-1], "^trial .*: reverted: ", "the journal has what its agent said after all that")
        self.assert_quiet()

    @explained
    def test_an_agent_that_is_stopped_by_hand(self):
        """It stays away, as told; the trial stays open; the next word to it has the agent back."""
        self.container.profile("bad", address="10.99.7.20", gateway="10.99.7.254", autoconnect=False)
        trial = self.start("bad")
        self.container.run("systemctl", "stop", AGENT)
        self.assertEqual(self.unit(AGENT, "ActiveState", "Result", "NRestarts"),
                         {"ActiveState": "inactive", "Result": "success", "NRestarts": "0"})
        self.assertEqual(self.container.processes("nm-trial"), [])
        self.assertEqual((self.status()["state"], self.status()["id"]), ("trying", trial))
        self.assertTrue(keyfile.autoconnect(self.profile("lan")))
        self.trial("extend", "--timeout", "3s")
        self.assert_agent()
        self.container.wait_active("lan")
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.assertEqual((self.last()["id"], self.last()["reason"]), (trial, "timeout"))
        self.assert_quiet()

    @explained
    def test_stopped_by_hand_beyond_its_deadline(self):
        """NetworkManager's checkpoint goes back, 30 s behind the deadline; the dispatcher's word of that has the agent
        again."""
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        self.trial("start", "good", "--confirm", "manual", "--check", "none", "--timeout", "6s")
        self.container.run("systemctl", "stop", AGENT)
        self.assertEqual(self.status()["state"], "trying")
        self.container.wait_active("lan", 60)
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.assertEqual((self.last()["verdict"], self.last()["reason"]), ("reverted", "timeout"))
        self.assert_quiet()

    @explained
    def test_what_a_killed_networkmanager_leaves_behind(self):
        """README's remedy for a modem's pppd, in whose place something sleeps here: it ends with its NetworkManager."""
        self.assertEqual(self.left_behind(), 1)
        self.edit("NetworkManager.service", example("let systemd end it, too"))
        self.container.run("systemctl", "daemon-reload")
        self.assertEqual(self.left_behind(), 0)

    def left_behind(self):
        """How many of NetworkManager's processes are left once it was killed and is back."""
        nm = self.unit("NetworkManager.service", "MainPID", "ControlGroup")
        beside = f"/sys/fs/cgroup{nm['ControlGroup']}/cgroup.procs"
        self.container.run("sh", "-c", f"sleep 307 >/dev/null 2>&1 & echo $! >{beside}")
        self.container.run("kill", "-KILL", nm["MainPID"])
        wait_for("another NetworkManager",
                 lambda: self.unit("NetworkManager.service", "MainPID")["MainPID"] not in ("0", nm["MainPID"])
                 and self.container.run("nmcli", "general", check=False).returncode == 0)
        self.container.wait_active("lan")
        return len(self.container.processes("sleep"))

    @explained
    def test_killed_for_memory(self):
        """Memory has no limit in this container, so nothing is really short of it (test_memory.py has that): what is
        killed is killed by hand. Nor may every machine lower oom_score_adj, by which the kernel goes; so it is raised:
        that reaches the agent, not its checks."""
        shown = self.unit(AGENT, "OOMPolicy", "OOMScoreAdjust")
        self.assertEqual(shown, {"OOMPolicy": "continue", "OOMScoreAdjust": "-900"})
        self.drop_in(AGENT, "OOMScoreAdjust=500\n")
        self.container.run("systemctl", "daemon-reload")
        self.own_check("[ -e /run/calm ] || exec sleep 304")
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        self.start("good", check="mine")
        agent = self.unit(AGENT, "MainPID")["MainPID"]
        check, = wait_for("the check", lambda: self.container.processes("sleep"))
        scores = [self.container.run("cat", f"/proc/{pid}/oom_score_adj").stdout.strip() for pid in (agent, check)]
        self.assertEqual(scores, ["500", "0"])
        self.container.run("kill", "-KILL", check)
        wait_for("a failed check", lambda: "killed by signal 9" in self.status()["checks"][0]["output"])
        self.assertEqual(self.unit(AGENT, "MainPID"), {"MainPID": agent})
        self.container.run("touch", "/run/calm")
        self.container.run("kill", "-KILL", agent)
        wait_for("a check that passes", lambda: [c["state"] for c in self.status()["checks"]] == ["passing"], 20)
        self.trial("cancel")
        self.container.wait_active("lan")

    @explained
    def test_directories_that_are_mounted_from_elsewhere(self):
        """The boot step comes when they are there, the agent may write there, and nothing lies below them."""
        self.container.profile("good", address="10.99.7.30", autoconnect=False)
        self.container.power_cut()
        root, mounts = self.container.root, {PROFILES: "data/profiles", "var/lib/nm-trial": "data/state"}
        (root / "data").mkdir()
        for path, data in mounts.items():
            (root / path).mkdir(mode=0o700, exist_ok=True)
            (root / path).rename(root / data)
            (root / path).mkdir()
        (root / "etc/fstab").write_text("".join(f"/{data} /{path} none bind 0 0\n" for path, data in mounts.items()))
        self.container.boot()
        self.container.wait_active("lan")
        for path in mounts:
            self.container.run("mountpoint", "-q", f"/{path}")
        trial = self.start("good")
        self.container.power_cut()
        self.container.boot()
        self.container.wait_active("lan")
        self.assertEqual((self.last()["id"], self.last()["reason"]), (trial, "unconfirmed-reboot"))
        trial = self.start("good")
        self.trial("confirm", trial)
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.container.power_cut()
        self.container.boot()
        self.container.wait_active("good")
        self.assertEqual((self.last()["id"], self.last()["verdict"]), (trial, "promoted"))
        self.assertEqual([list((root / path).iterdir()) for path in mounts], [[], []])
        self.assert_quiet()

    def deadline(self):
        """On CLOCK_BOOTTIME, which this machine shares with the container; in seconds."""
        return int(keyfile.parse(self.record().split("\n", 1)[1])["trial"]["deadline-ms"]) / 1000

    def record(self):
        try:
            return (self.container.root / "var/lib/nm-trial/trial").read_text()
        except FileNotFoundError:
            return ""

    @explained
    def test_killed_a_second_before_its_deadline(self):
        """Promise 3, with systemd as the one who restarts it."""
        self.assertEqual(self.unit(AGENT, "RestartUSec", "StartLimitIntervalUSec"),
                         {"RestartUSec": "100ms", "StartLimitIntervalUSec": "0"})
        self.container.profile("bad", address="10.99.7.20", gateway="10.99.7.254", autoconnect=False)
        self.trial("start", "bad", "--confirm", "manual", "--check", "none", "--timeout", "6s")
        self.container.wait_active("bad")
        agent, = wait_for("the agent alone", lambda: len(pids := self.container.host_pids("nm-trial")) == 1 and pids)
        deadline = self.deadline()
        time.sleep(deadline - 1 - time.clock_gettime(time.CLOCK_BOOTTIME))
        os.kill(agent, 9)
        self.assertIn("state=trying", self.record(), "killed too late to show anything")
        wait_for("a durable verdict", lambda: "state=trying" not in self.record())
        self.assertLess(time.clock_gettime(time.CLOCK_BOOTTIME) - deadline, 0.55)
        self.container.wait_active("lan")
        wait_for("the trial's end", lambda: self.status()["state"] == "none")
        self.assertEqual((self.last()["verdict"], self.last()["reason"]), ("reverted", "timeout"))


if __name__ == "__main__":
    unittest.main()

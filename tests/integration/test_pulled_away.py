# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a trial stands on is pulled away: its file's place, its device's name, the bus. Each was once a fault."""
import unittest

from case import Case, keyfile, wait_for

ELSEWHERE = "var/tmp/elsewhere"
FILL = """
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setblocking(False)
s.connect("/run/systemd/journal/socket")
try:
    while True:
        s.send(b"MESSAGE=nobody reads this")
except BlockingIOError:
    pass
"""


class PulledAway(Case):
    def test_a_link_in_the_candidates_place_does_not_win_the_next_boot(self):
        """NetworkManager loads links; a file that we do not touch is not a file that is gone."""
        self.bad()
        trial = self.wait_manual("bad")
        self.watch.ignore_profiles()
        self.edited.add("bad")
        path = self.device.profile_path("bad")
        text = path.read_text().replace("autoconnect=false", "autoconnect=true\nautoconnect-priority=10")
        elsewhere = self.device.disk / ELSEWHERE
        elsewhere.write_text(text)
        elsewhere.chmod(0o600)
        self.device.run("ln", "-sf", f"/{ELSEWHERE}", "/etc/NetworkManager/system-connections/bad.nmconnection")
        self.assertEqual(self.wait_verdict(trial)["reason"], "candidate-changed")
        self.assertFalse(path.is_symlink())
        self.assertFalse(keyfile.autoconnect(self.profile("bad")))
        self.assert_boots("lan")

    def test_a_device_that_is_renamed_does_not_keep_a_bad_candidate(self):
        self.bad()
        trial = self.start_manual("bad", timeout="8s")
        self.device.wait_active("bad")
        self.before = None
        self.device.run("ip", "link", "set", "eth0", "name", "wan9")
        self.assertEqual(self.wait_verdict(trial, 90)["verdict"], "reverted")
        wait_for("the end of the bad candidate", lambda: self.device.active("wan9") != "bad")
        self.assertNotIn("139", (self.device.dir / "agent.log").read_text(), "the agent crashed")

    def test_a_hung_bus_does_not_delay_the_verdict_of_a_new_agent(self):
        """Connecting to a bus daemon that is stopped succeeds, and its greeting never comes."""
        self.bad()
        trial = self.start_manual("bad", timeout="6s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        bus = self.device.run("pidof", "dbus-daemon").stdout.split()
        self.device.run("kill", "-STOP", *bus)
        self.device.run("sh", "-c", "kill -KILL $(pidof nm-trial)")
        try:
            self.assert_in_time(deadline)
        finally:
            self.device.run("kill", "-CONT", *bus)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "reverted")
        self.device.wait_active("lan")

    def test_a_hung_journal_does_not_delay_the_way_back(self):
        """Its socket takes no line more; whoever writes, waits. NetworkManager does, and is hung as well."""
        self.bad()
        trial = self.start_manual("bad", timeout="6s")
        deadline = self.deadline()
        self.device.wait_active("bad")
        journal = self.device.run("pgrep", "-f", "journal.py").stdout.split()
        self.device.run("kill", "-STOP", *journal)
        try:
            self.device.run("python3", "-c", FILL)
            self.assert_in_time(deadline)
            wait_for("what follows the verdict's line in the journal", lambda: "demoted" in
                     self.device.profile_path("bad").read_text(), 3)
        finally:
            self.device.run("kill", "-CONT", *journal)
        self.assertEqual(self.wait_verdict(trial)["verdict"], "reverted")
        self.device.wait_active("lan")


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's examples of own checks, as they stand there: each passes on a good network, says so, and sees it break."""
import re
import subprocess
import unittest

from case import Case, wait_for
from readme import example

CHECKS = "etc/nm-trial/check.d"
HOST, ADDRESS = "controller.example.com", "192.0.2.1"
PLUGIN = """#!/bin/sh
echo "$0 $*" >/run/plugin-called
read -r status text </run/plugin-says
echo "$text"
echo "more of it"
exit "$status"
"""


class ReadmeChecks(Case):
    def prepare(self):
        (self.device.disk / "etc/hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        (self.device.disk / CHECKS).mkdir()
        for name, text in (("http", example("`/etc/nm-trial/check.d/http`")),
                           ("ping", example("`/etc/nm-trial/check.d/ping`")),
                           ("broker", example("`/etc/nm-trial/check.d/broker`"))):
            path = self.device.disk / CHECKS / name
            path.write_text(text)
            path.chmod(0o755)
        self.addCleanup(self.hang_up)
        self.server = None

    def setUp(self):
        super().setUp()
        self.there()

    def there(self, yes=True):
        """The controller's address, behind the gateway. The lab's page is served on every one."""
        self.device.network(f"ip addr {'add' if yes else 'del'} {ADDRESS}/32 dev lo")

    def listen(self):
        world = str(self.device._world_pid())
        self.server = subprocess.Popen(["nsenter", "-t", world, "-n", "socat", "-u", "TCP-LISTEN:8883,fork,reuseaddr",
                                        "OPEN:/dev/null,wronly"])
        wait_for("the listener", lambda: ":8883" in self.device.network("ss -Hltn").stdout)

    def hang_up(self):
        if self.server:
            self.server.kill()
            self.server.wait()
            self.server = None

    def judged(self, state, says):
        """Waits until the agent's check says that."""
        def seen():
            for check in self.status()["checks"]:
                if check["state"] == state and re.search(says, check["output"]):
                    return check["output"]
            return None
        return wait_for(f"{state}: {says}", seen, 20)

    def trying(self, check, name="good"):
        self.candidate()
        return self.wait_manual(name, check=check, timeout="120s")

    def test_an_http_endpoint(self):
        trial = self.trying("http")
        self.judged("passing", r"^200 after 0\.\d+ s$")
        self.there(False)
        self.judged("failing", r"^exit status (7|28): (000 after|curl: \((7|28)\))")
        self.there()
        self.judged("passing", "^200 after")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def second_uplink_and_a_bad_candidate(self, check):
        """Another device reaches the controller; the candidate's does not."""
        self.own.add("second")
        self.device.profile("second", device="eth1")
        self.device.nmcli("connection", "up", "second")
        self.bad()
        trial = self.wait_manual("bad", check=check, timeout="120s")
        self.assertEqual(self.device.run("curl", "-s", f"http://{HOST}/").stdout, "NetworkManager is online\n")
        return trial

    def test_another_uplink_does_not_vouch_for_http(self):
        trial = self.second_uplink_and_a_bad_candidate("http")
        self.judged("failing", "^exit status (7|28)")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")

    def test_a_monitoring_plugin(self):
        """By a stand-in, which has a plugin's exit statuses and its line with performance data."""
        self.device.run("sh", "-ec", """mkdir -p /run/lower/nagios/plugins
            cat >/run/lower/nagios/plugins/check_icmp; chmod 755 /run/lower/nagios/plugins/check_icmp
            mount -t overlay plugins -o lowerdir=/run/lower:/usr/lib /usr/lib""", stdin=PLUGIN)
        ok = "OK - controller.example.com rta 0.812ms lost 0%|rta=0.812ms;200.000;1000.000;0; pl=0%;20;60;0;100"
        self.says(0, ok)
        trial = self.trying("ping")
        self.judged("passing", f"^{re.escape(ok)}$")
        self.assertEqual(self.device.run("cat", "/run/plugin-called").stdout,
                         f"/usr/lib/nagios/plugins/check_icmp -s eth0 -w 200,20% -c 1000,60% {HOST}\n")
        for status, text in ((1, "WARNING - rta 412ms|rta=412ms;200;1000;0;"), (2, "CRITICAL - lost 100%|pl=100%;20;60"),
                             (3, "UNKNOWN - no route")):
            self.says(status, text)
            refused = self.trial("confirm", status=4).stderr
            self.assertIn(f"check ping is failing on eth0: exit status {status}: {text}", refused)
        self.says(0, ok)
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def says(self, status, text):
        self.device.run("sh", "-c", "cat >/run/plugin-says", stdin=f"{status} {text}\n")

    def test_a_tcp_port(self):
        self.listen()
        trial = self.trying("broker")
        self.judged("passing", "^exit status 0$")
        self.hang_up()
        self.judged("failing", "^exit status 1: .*Connection refused")
        self.listen()
        self.judged("passing", "")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_another_uplink_does_not_vouch_for_a_tcp_port(self):
        self.listen()
        trial = self.second_uplink_and_a_bad_candidate("broker")
        self.judged("failing", "^(exit status 1|no end)")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "bad", "cancelled")


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""A kernel that is really short of memory: whom it kills, and what becomes of the trial."""
import unittest

from device import uuid_of
from whole_machine import MachineCase, path, wait_for

AGENT = "nm-trial.service"
LIMIT = "/etc/systemd/system/nm-trial.service.d/limit.conf"
SITE = """\
#!/bin/sh
# The device needs nobody around it.
"""
# It takes all memory that there is, when it is told to.
CHECK = """\
#!/bin/sh
[ ! -e /run/greedy ] || exec tail /dev/zero
"""
PROFILE = """\
[connection]
id={name}
uuid={uuid}
type=dummy
interface-name=dummy9
autoconnect={autoconnect}

[ipv4]
method=manual
address1=10.99.11.{host}/24

[ipv6]
method=disabled
"""


class Memory(MachineCase):
    interface = "dummy9"

    @classmethod
    def site(cls):
        return {"/etc/site/site": SITE, "/etc/nm-trial/check.d/greedy": CHECK, path("lan"): cls.dummy("lan", 10, "true")}

    @staticmethod
    def dummy(name, host, autoconnect="false"):
        return PROFILE.format(name=name, uuid=uuid_of(name), host=host, autoconnect=autoconnect)

    def setUp(self):
        super().setUp()
        self.store("good", self.dummy("good", 20))

    def agent(self):
        """Its pid, "0": none runs now."""
        return self.machine.run("systemctl", "show", AGENT, "-P", "MainPID").stdout.strip()

    def killed(self):
        """The names of the processes that the kernel has killed for memory."""
        kernel = self.machine.run("journalctl", "-b", "-k", "-o", "cat").stdout
        return {line.split("task=")[1].split(",")[0] for line in kernel.splitlines() if line.startswith("oom-kill:")}

    def assert_trying(self, trial_id):
        status = self.status()
        self.assertEqual((status["state"], status["id"]), ("trying", trial_id))
        self.assertEqual(self.active(), "good")

    def check(self):
        """What its last round said."""
        checks = self.status()["checks"]
        return (checks[0]["state"], checks[0]["output"]) if checks else ("", "")

    def test_a_check_that_takes_it_all(self):
        """The check goes, not the agent, although they share a unit with a limit."""
        self.machine.write({LIMIT: "[Service]\nMemoryMax=64M\n"})
        self.machine.run("systemctl", "daemon-reload")
        trial_id = self.start("good", "--confirm", "manual", "--check", "greedy", "--timeout", "1h")
        agent = self.agent()
        self.machine.run("touch", "/run/greedy")
        wait_for("a check that is killed", lambda: self.check() == ("failing", "killed by signal 9 (Killed)"))
        self.assertEqual(self.killed(), {"tail"})
        self.assertEqual(self.agent(), agent)
        self.machine.run("rm", "/run/greedy")
        wait_for("a check that passes", lambda: self.check()[0] == "passing")
        self.assertEqual(self.agent(), agent)
        self.trial("confirm", trial_id)
        self.wait_end(trial_id, "promoted", "confirmed")

    def test_a_machine_without_any_left(self):
        """Somebody else takes it: the agent is the last that the kernel would kill."""
        trial_id = self.start_manual("good")
        agent = self.agent()
        self.machine.run("systemd-run", "--unit=greedy", "tail", "/dev/zero")
        wait_for("the greedy one's end", lambda: "tail" in self.killed())
        self.assertNotIn("nm-trial", self.killed())
        self.assertEqual(self.agent(), agent)
        self.assert_trying(trial_id)
        self.trial("cancel")
        self.assert_reverted(trial_id, "good", "cancelled")

    def test_an_agent_that_is_killed(self):
        """Again and again, as long as there is none; then the next one has the same trial, and takes it back in time."""
        trial_id = self.start_manual("good")
        agent = self.agent()
        self.machine.run("systemctl", "set-property", "--runtime", AGENT, "MemoryMax=1M")
        wait_for("an agent that is killed", lambda: "nm-trial" in self.killed() and self.agent() != agent)
        self.assert_trying(trial_id)
        self.machine.run("systemctl", "set-property", "--runtime", AGENT, "MemoryMax=infinity")
        self.trial("extend", trial_id, "--timeout", "5s")
        self.assert_reverted(trial_id, "good", "timeout")


if __name__ == "__main__":
    unittest.main()

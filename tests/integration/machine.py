# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests on a machine with a kernel of its own stand on (tests/lab/uml.py)."""
from case import Case, wait_for
from uml import Machine


class MachineCase(Case):
    kind = Machine
    options = {"modules": '"bonding 8021q bridge dummy"'}

    def watch_disk(self):
        """It cannot be seen from outside while the machine runs."""
        self.watch = None

    def wait_judged(self, state):
        """Waits for what the agent says of the trial's one check."""
        wait_for(f"the check {state}", lambda: [check["state"] for check in self.status()["checks"]] == [state], 20)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scenarios of tests/crash/calls: how each begins, which command suffers, and what the device had."""
from calls_lab import LabError, encoded, wait_for
import invariants

OLD, NEW = "10.99.0.10/24", "10.99.0.20/24"
MANUAL = ("--confirm", "manual", "--check", "none", "--timeout", "60s")
LAN = invariants.PROFILES + "lan.nmconnection"
CONF = "[trial]\ntimeout=8s\nhold=1s\n"


def new_content(text):
    return text.replace(OLD, NEW)


class Scene:
    """A plain trial: "new" in place of "lan"."""
    name = "start"
    answered = None  # the promise that a status of 0 gives: confirm, cancel
    stores = ()
    leaves = False  # a checkpoint that nobody knows of any more: killed behind CheckpointCreate; it ends by itself
    tried = 0  # so many trials end before all is said: a change is found, and tried, by whoever comes next
    needs_agent = False  # start refuses without one

    def prepare(self, device):
        """Before the device is switched on."""

    def begin(self, bench):
        """Brings the device to the moment before the command; returns the command."""
        return ["start", "new", *MANUAL]

    def story(self, bench):
        return invariants.Story({"eth0": {"good": "lan", "candidate": "new"}}, bench.files, self.stores)

    def addresses(self, side):
        return {NEW if side == "new" else OLD}

    def after(self, result, bench):
        """What else must hold; yields texts."""
        return ()


class Start(Scene):
    leaves = needs_agent = True

    def after(self, result, bench):
        if result.returncode == 0 and not result.stdout.startswith("trial "):
            yield f"start answered 0 without an id: {result.stdout!r}"


class Confirm(Scene):
    name, answered, verb = "confirm", "confirm", "confirm"

    def opened(self, bench):
        """Opens the trial, and waits until it has noted that its candidate is active."""
        trial = bench.start("new", *MANUAL)
        self.noted(bench)
        return trial

    @staticmethod
    def noted(bench):
        record = bench.device.disk / invariants.RECORD
        wait_for("an active candidate", lambda: b"was-active=true" in record.read_bytes())

    def begin(self, bench):
        return [self.verb, self.opened(bench)]


class Cancel(Confirm):
    name, answered, verb = "cancel", "cancel", "cancel"


class Agent(Confirm):
    def run_agent(self, bench, *start):
        bench.start("new", *start)
        bench.hold_agent()
        return ["agent", "--exit-idle"]


class AgentPromotes(Agent):
    name, answered = "agent-promotes", None

    def begin(self, bench):
        return self.run_agent(bench, "--check", "gateway", "--hold", "1s", "--timeout", "60s")


class AgentReverts(Agent):
    name, answered = "agent-reverts", None

    def begin(self, bench):
        return self.run_agent(bench, *MANUAL[:-1], "2s")


class Corrupt(Agent):
    name, answered, leaves = "corrupt", None, True

    def begin(self, bench):
        self.opened(bench)
        bench.hold_agent()
        path = bench.device.disk / invariants.RECORD
        path.write_bytes(path.read_bytes()[:-100])
        return ["agent", "--exit-idle"]


class Edit(Scene):
    """New content for "lan" itself, from a file."""

    def prepare(self, device):
        self.text = new_content(device.profile_path("lan").read_text())
        (device.disk / "var/tmp/new").write_text(self.text)

    def command(self):
        return ["start", "--edit", "lan", "--from", "/var/tmp/new", *MANUAL]

    def story(self, bench):
        devices = {"eth0": {"good": "lan", "content": encoded(self.text.encode())}}
        return invariants.Story(devices, bench.files, self.stores)


class EditStart(Edit, Start):
    name = "edit-start"

    def begin(self, bench):
        return self.command()


class EditConfirm(Edit):
    name, answered, verb = "edit-confirm", "confirm", "confirm"

    def begin(self, bench):
        trial = bench.start(*self.command()[1:])
        Confirm.noted(bench)
        return [self.verb, trial]


class EditCancel(EditConfirm):
    name, answered, verb = "edit-cancel", "cancel", "cancel"


class Guard(Edit):
    """Nothing is on trial: what is known good is remembered, and stays."""
    name = "guard"

    def begin(self, bench):
        return ["guard", "lan"]

    def after(self, result, bench):
        if result.returncode == 0 and not (bench.device.disk / invariants.STATE / "good/lan.nmconnection").exists():
            yield "guard answered 0, and the profile is not guarded"


class Guarded(Edit):
    """A guarded profile that nmcli has changed and brought up: the agent finds it."""
    name, leaves, tried = "guarded", True, 1

    def prepare(self, device):
        (device.disk / "etc/nm-trial/nm-trial.conf").write_text(CONF)

    def begin(self, bench):
        bench.trial("guard", "lan")
        bench.hold_agent()
        bench.device.nmcli("connection", "modify", "lan", "ipv4.addresses", NEW)
        bench.device.nmcli("connection", "up", "lan")
        self.text = bench.device.profile_path("lan").read_text()
        wait_for("the event", lambda: bench.device.test("ls /run/nm-trial/events | grep -q ."))
        return ["agent", "--exit-idle"]


class Stage(Edit):
    name = "stage"
    stores = (invariants.PROFILES + "staged.nmconnection",)

    def prepare(self, device):
        self.text = device.profile_text("staged", address=NEW, autoconnect=False)
        path = device.disk / "var/tmp/staged.nmconnection"
        path.write_text(self.text)
        path.chmod(0o600)

    def begin(self, bench):
        return ["stage", "/var/tmp/staged.nmconnection"]

    def after(self, result, bench):
        if result.returncode == 0 and not (bench.device.disk / self.stores[0]).exists():
            yield "stage answered 0, and the file is not there"


class Annotate(Scene):
    name = "annotate"

    def begin(self, bench):
        return ["annotate", "new", "replaces=lan", "timeout=10m"]

    def after(self, result, bench):
        if result.returncode == 0 and "nm-trial.replaces" not in bench.device.profile_path("new").read_text():
            yield "annotate answered 0, and nothing is annotated"


SCENES = {scene.name: scene for scene in (Start, Confirm, Cancel, AgentPromotes, AgentReverts, Corrupt, EditStart,
                                          EditConfirm, EditCancel, Guard, Guarded, Stage, Annotate)}


class BootScene:
    """`nm-trial boot` on the files of an earlier boot: `source` is the scene that leaves them, `until` when."""

    def __init__(self, source, until):
        self.source, self.until = source, until

    def files(self, bench):
        """Has the device make them, by a power cut; returns them with their story."""
        scene = SCENES[self.source]()
        bench.fresh(scene.prepare)
        command = scene.begin(bench)
        if self.until == "promoting":  # killed right behind the commit point
            bench.hold_agent()
            bench.device.run("strace", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e",
                             "inject=renameat:signal=KILL:when=2", "nm-trial", *command, check=False)
        bench.device.power_cut()
        files = bench.read()
        if invariants.record(files) != self.until:
            raise LabError(f"the record is {invariants.record(files)}, not {self.until}")
        return files, scene.story(bench)


BOOT_SCENES = {
    "boot-trying": BootScene("confirm", "trying"),
    "boot-promoting": BootScene("confirm", "promoting"),
    "boot-edit-trying": BootScene("edit-confirm", "trying"),
    "boot-edit-promoting": BootScene("edit-confirm", "promoting"),
    "boot-guarded": BootScene("guarded", "none"),
    "boot-corrupt": BootScene("corrupt", "unreadable"),
}

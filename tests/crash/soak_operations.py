# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operations of tests/crash/soak: what people do with a device that goes on living."""
import threading
import time

from calls_lab import LabError, encoded, invariants, judged_result, wait_for
from soak_life import ADDRESS, WAITS_S

NOBODY, ROUTER = "10.99.0.254", "10.99.0.1"
MANUAL = ("--confirm", "manual", "--check", "none", "--timeout")
AUTO = ("--check", "gateway", "--hold", "1s", "--timeout")
# what is asked of start; a bad candidate is never left to a person, who would confirm it
OPTIONS = {"auto": (*AUTO, "8s"), "bad": (*AUTO, "3s"), "confirm": (*MANUAL, "6s"), "cancel": (*MANUAL, "6s"),
           "expire": (*MANUAL, "2s"), "extend": (*MANUAL, "2s")}
PROMOTES = ("auto", "confirm", "extend", "up")
READY_S = 6


class Gone(Exception):
    """The power was cut meanwhile."""


class Operation:
    """`name`: of the profile with the new content. `ending` is a word of OPTIONS, or how else it goes on."""

    def __init__(self, life, number, ending):
        self.life, self.device, self.ending = life, life.device, ending
        self.name, self.bad = f"p{number}", ending == "bad"
        self.address = f"10.99.0.{20 + number % 70}/24"
        self.faults, self.answers, self.broken = None, [], []
        self.said = threading.Lock()

    stores = ()
    bad = False

    @property
    def expected(self):
        """How it ends where nothing interferes."""
        return "new" if self.ending in PROMOTES else "good"

    @property
    def answered(self):
        return self.answers[0] if self.answers else None

    # What is done before anything fails

    def make(self):
        """Returns what the story's device is to say of the content on trial."""
        self.device.profile(self.name, autoconnect=False, address=self.address, gateway=NOBODY if self.bad else ROUTER)
        return {"candidate": self.name}

    def act(self):
        """The operation itself, under faults."""

    # Commands

    def do(self, *command):
        """Runs a command of nm-trial, notes what it said and what it has promised by that; returns its status."""
        return self.run("nm-trial", *command).returncode

    def run(self, *command):
        try:
            result = self.device.run(*command, check=False)
        except LabError:
            if self.faults.cut:
                raise Gone from None
            raise
        if self.faults.cut and result.returncode:
            raise Gone
        if result.returncode < 0:
            result.returncode = 128 - result.returncode
        with self.said:
            told = (result.stderr or result.stdout).strip().partition("\n")[0]
            self.life.tell(f"{' '.join(map(str, command))}: {result.returncode} {told}")
            if command[1] == "doctor":  # what it finds is its answer, whatever its status
                result.stderr = result.stderr or result.stdout
            if command[0] == "nm-trial":
                self.broken += judged_result(result, [], "kill" if self.faults.killed else "none")
            if result.returncode == 0 and command[1] in ("confirm", "cancel"):
                self.answers.append(command[1])
        return result

    def until(self, condition, seconds):
        """Waits for it, or for the end of the trial or of the power."""
        end = time.monotonic() + seconds
        while not (condition() or self.faults.cut) and self.life.state() != "none" and time.monotonic() < end:
            time.sleep(0.02)

    def active(self):
        """Whether the record has noted that its candidate was."""
        try:
            return b"was-active=true" in (self.device.disk / invariants.RECORD).read_bytes()
        except FileNotFoundError:
            return False

    def over(self, seconds=WAITS_S):
        self.until(lambda: False, seconds)

    def finish(self):
        """Whatever is still to be done, now that nothing fails any more."""


class Start(Operation):
    def command(self):
        return ["start", self.name]

    def act(self):
        if self.do(*self.command(), *OPTIONS[self.ending]) == 0:
            self.until(self.active, READY_S)
            if self.ending in ("confirm", "cancel"):
                self.insist(self.ending)
            elif self.ending == "extend":
                self.do("extend", "--timeout", "5s")
                self.insist("confirm")
        self.over()

    def insist(self, verb):
        """As a person does who is told that the candidate is not up yet, or that NetworkManager is not there."""
        end = time.monotonic() + READY_S
        while self.do(verb) in (1, 4) and self.life.state() == "trying" and time.monotonic() < end:
            time.sleep(0.1)


class Edit(Start):
    """New content for the known-good profile itself, from a file."""

    def content(self):
        text = self.life.text(self.life.good)
        old = ADDRESS.search(text)[0]
        new = f"address1={self.address},{NOBODY if self.bad else ROUTER}"
        return text.replace(text[text.index(old):].partition("\n")[0], new)

    def make(self):
        self.name, self.address = self.life.good, self.address.replace("10.99.0.", "10.99.0.1")
        text = self.content()
        (self.device.disk / "var/tmp/new").write_text(text)
        return {"content": encoded(text.encode())}

    def command(self):
        return ["start", "--edit", self.name, "--from", "/var/tmp/new"]


class Guarded(Edit):
    """Somebody changes a guarded profile, and brings it up."""

    def make(self):
        name = self.life.good
        if name not in self.life.guarded:
            self.life.trial("guard", name)
            self.life.guarded.add(name)
        words = super().make()
        self.trials = self.life.trials()
        return words

    def act(self):
        self.change()
        self.up()
        self.tried()

    def up(self):
        """Where NetworkManager dies meanwhile nmcli waits for as long as it may."""
        self.run("nmcli", "--wait", "30", "connection", "up", self.name)

    def tried(self):
        """Waits until it has been tried: the trial begins behind the activation."""
        end = time.monotonic() + READY_S
        while self.life.trials() == self.trials and not self.faults.cut and time.monotonic() < end:
            time.sleep(0.02)

    def waits(self):
        """Whether the change is still to be tried: it is in the profile's file, or was put aside by a boot."""
        known = self.device.disk / invariants.STATE / "good" / self.device.profile_path(self.name).name
        aside = known.exists() and b"\nwaiting=" in known.read_bytes()
        now = invariants.parse(self.life.text(self.name).encode())
        there = now is not None and invariants.content(now) == self.new
        return self.life.state() != "none" or aside or (there and self.life.trials() == self.trials)

    def finish(self):
        """The agent tries what waits. A change of which nobody told it is brought up again by its author; else it is
        the next boot that finds it."""
        for again in (lambda: None, self.up, self.reboot):
            again()
            try:
                wait_for("a trial of what waits", lambda: not self.waits(), WAITS_S)
                return
            except LabError:
                self.life.tell("the change still waits")

    def reboot(self):
        self.device.power_cut()
        self.device.boot()


class Nmcli(Guarded):
    def words(self):
        return ["connection", "modify", self.name, "ipv4.addresses", self.address,
                "ipv4.gateway", NOBODY if self.bad else ROUTER]

    def content(self):
        """As NetworkManager will write it."""
        words = [word for word in self.words() if word != self.name]
        return self.device.run("nmcli", "--offline", *words, stdin=self.life.text(self.name)).stdout

    def change(self):
        self.run("nmcli", *self.words())


class Editor(Guarded):
    def make(self):
        words = super().make()
        self.text = (self.device.disk / "var/tmp/new").read_text()
        return words

    def change(self):
        try:
            self.device.profile_file(self.name, self.text, load=False)
        except OSError as error:  # the disk is full: as an editor says, and the old file stays
            self.device.profile_path(self.name).with_name(f".{self.name}").unlink(missing_ok=True)
            self.life.tell(f"the editor cannot write: {error}")
        self.run("nmcli", "connection", "load",
                 f"/{self.device.profile_path(self.name).relative_to(self.device.disk)}")


class Annotated(Operation):
    """A candidate that says itself what it replaces; somebody brings it up."""

    def make(self):
        words = super().make()
        self.trials = self.life.trials()
        self.life.trial("annotate", self.name, f"replaces={self.life.good}")
        return words

    up, tried = Guarded.up, Guarded.tried

    def act(self):
        self.up()
        self.tried()


class Annotate(Operation):
    def act(self):
        self.do("annotate", self.name, f"replaces={self.life.good}", "timeout=10m", "start=manual")


class Stage(Operation):
    def make(self):
        path = self.device.disk / f"var/tmp/{self.name}.nmconnection"
        text = self.device.profile_text(self.name, autoconnect=False, address=self.address)
        path.write_text(text)
        path.chmod(0o600)
        self.stores = (invariants.PROFILES + path.name,)
        return {"content": encoded(text.encode())}

    def act(self):
        self.do("stage", f"/var/tmp/{self.name}.nmconnection")


class Guard(Operation):
    def act(self):
        off = self.life.good in self.life.guarded
        self.life.guarded.discard(self.life.good)  # what was not done is done where it matters
        self.do("guard", self.life.good, *(["--off"] if off else []))


class Look(Operation):
    def act(self):
        for command in (("status",), ("history", "--json"), ("doctor",), ("start", self.name, "--dry-run")):
            self.do(*command)


KINDS = {"start": Start, "edit": Edit, "guarded-nmcli": Nmcli, "guarded-editor": Editor, "annotated": Annotated,
         "stage": Stage, "annotate": Annotate, "guard": Guard, "look": Look}


def operation_of(life, number, name):
    kind = next(kind for kind in sorted(KINDS, key=len, reverse=True) if name == kind or name.startswith(kind + "-"))
    ending = name[len(kind):].lstrip("-")
    if not ending and kind in ("guarded-nmcli", "guarded-editor", "annotated"):
        ending = "up"
    return KINDS[kind](life, number, ending)

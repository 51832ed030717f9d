# SPDX-License-Identifier: LGPL-2.1-or-later
"""A trial's three moments on a real NetworkManager: until the candidate is active, until the old profile is active again,
until a confirm has answered and all is promoted. Each beside what NetworkManager has for it, and beside bare.c."""
from measure import BARE, Row, in_turn
from scene import MANUAL, RECORD, STRAYS, Scene, uuid_of


class Trials(Scene):
    def samples(self):
        """What bare.c puts in place is what nm-trial has put there: a record, and the profiles as it marks them."""
        self.trying()
        self.keep("record", f"/{RECORD}")
        self.keep("trying", self.path("good"))
        self.run("nm-trial", "confirm")
        self.wait_closed()
        self.keep("on", self.path("good"))
        self.keep("off", self.path("lan"))
        self.trying()
        self.run("nm-trial", "cancel")
        self.wait_closed()
        self.keep("demoted", self.path("good"))

    def keep(self, name, path):
        self.run("cp", path, f"/{STRAYS}/{name}")

    @staticmethod
    def stray(name):
        return f"/{STRAYS}/{name}"

    def record(self):
        """The words with which bare.c writes its record."""
        return self.stray("record"), self.stray("trial")

    # Until the candidate is active

    def start(self):
        self.reset()
        taken = self.until_active("nm-trial", "start", "good", *MANUAL)
        self.run("nm-trial", "cancel")
        self.wait_closed()
        return taken

    def nmcli_up(self):
        self.reset()
        with self.without_agent():
            return self.until_active("nmcli", "connection", "up", "good")

    def bare_start_words(self):
        return BARE, "start", *self.record(), self.stray("trying"), self.path("good"), uuid_of("good"), "eth0"

    def bare_start(self):
        self.reset()
        with self.without_agent():
            taken = self.until_active(*self.bare_start_words())
            self.destroy_checkpoints()
        return taken

    # Until the old profile is active again

    def cancel(self):
        self.trying()
        taken = self.until_active("nm-trial", "cancel")
        self.wait_closed()
        return taken

    def bare_tried(self):
        """As `trying`, by bare.c; returns the checkpoint."""
        self.reset()
        checkpoint = self.run(*self.bare_start_words()).strip()
        self.device.wait_active("good")
        self.quiet()
        return checkpoint

    def bare_revert_words(self, checkpoint):
        return BARE, "revert", *self.record(), self.stray("demoted"), self.path("good"), uuid_of("lan"), "eth0", checkpoint

    def bare_revert(self):
        with self.without_agent():
            return self.until_active(*self.bare_revert_words(self.bare_tried()))

    def rollback(self):
        self.reset()
        with self.without_agent():
            checkpoint = self.run(BARE, "checkpoint", "eth0", 60).strip()
            self.run("nmcli", "connection", "up", "good")
            self.device.wait_active("good")
            return self.until_active(BARE, "rollback", checkpoint)

    # Until it has answered, until all is promoted

    def confirm(self):
        self.trying()
        begin, end = self.time("nm-trial", "confirm")
        self.wait_closed()
        return (end - begin) / 1000

    def update_words(self):
        return (BARE, "update", uuid_of("good"), "good", "10.99.0.20", self.path("good"),
                uuid_of("lan"), "lan", "10.99.0.10", self.path("lan"))

    def update(self):
        self.reset()
        with self.without_agent():
            self.run("nmcli", "connection", "up", "good")
            begin, end = self.time(*self.update_words())
        return (end - begin) / 1000

    def bare_promote_words(self, checkpoint):
        return (BARE, "promote", *self.record(), self.stray("on"), self.path("good"), self.stray("off"), self.path("lan"),
                checkpoint)

    def bare_promote(self):
        with self.without_agent():
            begin, end = self.time(*self.bare_promote_words(self.bare_tried()))
        return (end - begin) / 1000

    # Counted rather than timed

    def counted(self, prepare, words, closes=True):
        """(D-Bus calls as far as the activation that is asked for, or all; fsyncs; system calls) of one command."""
        prepared = prepare()
        with self.calls() as calls:
            trace = self.traced("words.strace", *(words(prepared) if callable(words) else words))
            self.quiet()
            if closes:
                self.wait_closed()
        self.destroy_checkpoints()
        first = calls[0][0]
        methods = [method for sender, method in calls if sender == first]
        if "ActivateConnection" in methods:
            methods = methods[:methods.index("ActivateConnection") + 1]
        return len(methods), len(trace.syncs()), trace.count()

    def counts(self):
        found = {"start": {"nm-trial": self.counted(self.reset, ("nm-trial", "start", "good", *MANUAL), False)}}
        self.run("nm-trial", "cancel")
        self.wait_closed()
        found["cancel"] = {"nm-trial": self.counted(self.trying, ("nm-trial", "cancel"))}
        found["confirm"] = {"nm-trial": self.counted(self.trying, ("nm-trial", "confirm"))}
        return found

    def peers_counts(self):
        """The same of the peers."""
        def up():
            self.reset()
            self.run(BARE, "up", uuid_of("good"), "eth0")
            self.device.wait_active("good")
        return {
            "start": {"nmcli connection up": self.counted(self.reset, ("nmcli", "connection", "up", "good")),
                      "bare": self.counted(self.reset, self.bare_start_words())},
            "cancel": {"bare": self.counted(self.bare_tried, self.bare_revert_words)},
            "confirm": {"two Update2, synced": self.counted(up, self.update_words()),
                        "bare": self.counted(self.bare_tried, self.bare_promote_words)},
        }


KINDS = ("D-Bus calls", "fsyncs", "system calls but for waiting")


def counts():
    with Trials("trials") as scene:
        return {f"{moment}: {kind}": number for moment, ways in scene.counts().items()
                for kind, number in zip(KINDS, ways["nm-trial"], strict=True)}


def counted_rows(scene):
    ours, peers = scene.counts(), scene.peers_counts()
    for moment, ways in peers.items():
        for peer, values in ways.items():
            for kind, own, other in zip(KINDS, ours[moment]["nm-trial"], values, strict=True):
                if other:
                    yield Row(f"{moment}: {kind}", "", [own], peer, [other])


def rows(rounds):
    with Trials("trials") as scene:
        scene.samples()
        scene.watch()
        taken = in_turn(rounds, start=scene.start, nmcli=scene.nmcli_up, bare=scene.bare_start)
        yield Row("start until the candidate is active", "ms", taken["start"], "nmcli connection up", taken["nmcli"])
        yield Row("start until the candidate is active", "ms", taken["start"], "bare", taken["bare"], 1.2)
        taken = in_turn(rounds, cancel=scene.cancel, rollback=scene.rollback, bare=scene.bare_revert)
        yield Row("cancel until the old profile is active", "ms", taken["cancel"], "CheckpointRollback", taken["rollback"])
        yield Row("cancel until the old profile is active", "ms", taken["cancel"], "bare", taken["bare"], 1.1)
        taken = in_turn(rounds, confirm=scene.confirm, update=scene.update, bare=scene.bare_promote)
        yield Row("confirm until it answers", "ms", taken["confirm"], "two Update2, synced", taken["update"], 1.0)
        yield Row("confirm until all is promoted", "ms", taken["confirm"], "bare", taken["bare"], 1.2)
        yield from counted_rows(scene)

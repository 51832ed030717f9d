# SPDX-License-Identifier: LGPL-2.1-or-later
"""stage: files become stored profiles with autoconnect off, all or none, durably; nothing else changes."""
import contextlib
import os
import pathlib
import re
import time
import unittest

from case import Case, background, uuid_of, wait_for
from wired import WIRED, WiredCase

SOURCES = "var/tmp"
DIRECTORY = "/etc/NetworkManager/system-connections"
EXTRAS = """\

# by hand, on the build machine
[x-unknown]
  key  =  kept as it is

[wifi-security]
key-mgmt=wpa-psk
psk=a secret that stays

[user]
nm-trial.state=demoted
nm-trial.hold=3s
nm-trial.reason=timeout
my.site=here
"""


class Staging(Case):
    """A mixin: FILEs are made outside of the directory of profiles, with no care for owner and mode."""

    def source(self, name, text=None, **more):
        """Writes a candidate's file and returns its path as the device has it."""
        path = self.device.disk / SOURCES / f"{name}.nmconnection"
        path.write_text(self.text(name, **more) if text is None else text)
        path.chmod(0o644)
        return f"/{SOURCES}/{path.name}"

    def text(self, name, *, address="10.99.{n}.20/24", **more):
        return self.device.profile_text(name, address=address, **more)

    def stage(self, *files, own=(), status=0):
        """Stages; `own` are the names of profiles that it may write from here on."""
        if self.before is None:
            self.before = self.files()
        self.own.update(own)
        return self.trial("stage", *files, status=status)

    def connection(self, name, what="connection.autoconnect"):
        """What NetworkManager itself has of the profile."""
        return self.device.nmcli("-s", "-g", what, "connection", "show", uuid_of(name))

    def stagers(self):
        """The processes of stage, not the agent: {pid: the files that it has open}."""
        found = {}
        for pid in self.helpers():
            with contextlib.suppress(OSError):
                if b"\0stage\0" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    found[pid] = [os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        return found

    def seen(self):
        return (self.files(), self.state(), self.checkpoints(),
                self.device.nmcli("-f", "UUID,NAME,AUTOCONNECT,ACTIVE-PATH,FILENAME", "connection", "show"))

    def assert_staged(self, name, text):
        """The file is there with those bytes but for autoconnect, root's alone, and NetworkManager has it."""
        path = self.device.profile_path(name)
        self.assertEqual(path.read_text(), text.replace("autoconnect=true", "autoconnect=false"))
        stat = path.stat()
        self.assertEqual((oct(stat.st_mode), stat.st_uid, stat.st_gid), ("0o100600", 0, 0))
        self.assertEqual(self.connection(name), "no")


class Stage(Staging):
    def test_a_candidate_is_stored_tried_and_promoted(self):
        text = self.text("good") + EXTRAS
        file = self.source("good", text)
        os.chown(self.device.disk / file[1:], 1000, 1000)
        active = self.device.nmcli("-f", "ACTIVE-PATH", "connection", "show", "--active")
        said = self.stage(file, own=["good"]).stdout
        self.assertEqual(said, f'staged "good" ({uuid_of("good")}) as {DIRECTORY}/good.nmconnection\n'
                               f'  to try it: nm-trial start {uuid_of("good")}\n')
        self.assert_staged("good", re.sub("nm-trial.(state|reason).*\n", "", text))
        self.assertEqual(self.connection("good", "802-11-wireless-security.psk"), "a secret that stays")
        self.assertEqual(self.device.nmcli("-f", "ACTIVE-PATH", "connection", "show", "--active"), active)
        trial = self.start(uuid_of("good"), "--check", "gateway")
        self.assert_promoted(trial, "good", "checks-passed")
        self.assertIn("psk=a secret that stays", self.device.profile_path("good").read_text())
        self.assert_boots("good")

    def test_several_and_by_hardware_address(self):
        texts = {name: self.text(name, device=device) for name, device in (("one", "eth0"), ("two", "eth1"))}
        texts["two"] = texts["two"].replace("interface-name=eth1\n", "").replace(
            "[ethernet]\n", "[ethernet]\nmac-address=02:00:00:00:00:11\n")
        said = self.stage(*(self.source(name, text) for name, text in texts.items()), own=texts).stdout
        for name, text in texts.items():
            self.assert_staged(name, text)
            self.assertIn(f'staged "{name}" ({uuid_of(name)})', said)
        self.assertEqual(self.device.active(), "lan")
        self.assert_boots("lan")

    def test_a_link_and_another_suffix_and_a_relative_path(self):
        self.source("good")
        self.device.run("ln", "-s", "good.nmconnection", f"/{SOURCES}/wan.conf")
        self.before, self.own = self.files(), self.own | {"wan.conf"}
        self.device.run("sh", "-c", f"cd /{SOURCES} && nm-trial stage -- wan.conf")
        self.assertFalse(self.device.profile_path("wan.conf").is_symlink())
        self.assertEqual(self.device.profile_path("wan.conf").read_text(),
                         self.text("good").replace("autoconnect=true", "autoconnect=false"))

    def test_it_is_there_after_a_power_cut(self):
        self.stage(self.source("good"), own=["good"])
        self.device.power_cut()
        self.device.boot()
        self.device.wait_active("lan")
        self.device.wait_online()
        self.assert_staged("good", self.text("good"))

    def test_again_with_other_content(self):
        self.stage(self.source("good"), own=["good"])
        self.stage(self.source("good"), own=["good"])
        trial = self.wait_manual("good")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")
        text = self.text("good", address="10.99.{n}.21/24")
        self.edited.add("good")
        self.stage(self.source("good", text))
        self.assert_staged("good", text)  # the verdict on the old content is gone
        self.assertIn("10.99.0.21/24", self.connection("good", "ipv4.addresses"))
        trial = self.wait_manual("good")
        self.assertEqual(self.addresses(), {"10.99.0.21/24"})
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")

    def test_what_was_promoted_is_not_overwritten(self):
        self.stage(self.source("good"), own=["good"])
        trial = self.wait_manual("good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        for autoconnect in ("yes", "no"):
            with self.step(autoconnect=autoconnect):
                self.device.nmcli("connection", "up", "lan")
                self.device.nmcli("connection", "modify", "lan", "connection.autoconnect", "yes")
                self.watch.ignore_profiles()
                self.device.nmcli("connection", "modify", "good", "connection.autoconnect", autoconnect)
                self.before = None
                before = self.seen()
                refused = self.stage(self.source("good"), status=4)
                self.assertRegex(refused.stderr, "good.nmconnection: .*known-good.*UUID")
                self.assertEqual(self.seen(), before)

    def test_beside_an_open_trial(self):
        self.candidate()
        trial = self.wait_manual("good")
        self.stage(self.source("other", device="eth1"), self.source("third", address="10.99.{n}.23/24"),
                   own=["other", "third"])
        before = self.seen()
        for text in (self.text("good"), self.text("lan"), self.text("x").replace("=x\n", "=lan\n")):
            refused = self.stage(self.source("good", text), status=4)
            self.assertRegex(refused.stderr, f"open trial {trial}. Confirm or cancel")
            self.assertEqual(self.seen(), before)
        self.assertEqual(self.device.active(), "good")
        self.trial("confirm", trial)
        self.assert_promoted(trial, "good", "confirmed")
        self.assertEqual((self.connection("other"), self.connection("third")), ("no", "no"))

    def test_one_at_a_time(self):
        file = self.source("good")
        holder = background(self.device, "flock", "/var/lib/nm-trial/lock", "sleep", "600")
        wait_for("the lock is held", lambda: not self.device.test("flock -n /var/lib/nm-trial/lock true"))
        process = background(self.device, "nm-trial", "stage", file)
        wait_for("stage before the lock",
                 lambda: any(name.endswith("/nm-trial/lock") for files in self.stagers().values() for name in files))
        self.assertFalse(self.device.profile_path("good").exists())
        for pid in self.helpers("sleep") + self.helpers("flock"):
            self.kill_process(pid)
        holder.communicate()
        self.assertIn("staged", process.communicate()[0])

    def test_a_read_only_disk(self):
        file = self.source("good")
        before = self.seen()
        for paths in (["/etc"], ["/etc", "/var"]):
            with self.step(paths=paths):
                self.read_only(True, paths)
                failed = self.stage(file, status=1)
                self.assertRegex(failed.stderr, "(?i)read-only.*Nothing was staged")
                self.assertEqual(self.seen(), before)
                self.read_only(False, paths)
        self.stage(file, own=["good"])

    def test_network_manager_does_not_answer(self):
        file = self.source("good")
        before = self.seen()
        self.signal_nm("STOP")
        failed = self.stage(file, status=1)
        self.signal_nm("CONT")
        self.assertRegex(failed.stderr, "NetworkManager does not answer")
        self.assertEqual(self.seen(), before)
        self.device.kill_nm(restart=False)
        failed = self.stage(file, status=1)
        self.device.kill_nm()
        self.assertRegex(failed.stderr, "NetworkManager (is not running|does not answer)")
        self.assertEqual(self.files(), before[0])

    def test_usage(self):
        self.assertRegex(self.trial("stage", status=2).stderr, "FILE")
        self.assertRegex(self.trial("stage", "--autoconnect", "x", status=2).stderr, "--autoconnect")
        self.assertRegex(self.trial("stage", "--help").stdout, "Example:\n  nm-trial stage ")


def edited(name, *changes, **more):
    """A row's FILE: the candidate `name`, changed."""
    def text(case):
        result = case.text(name, **more)
        for old, new in changes:
            case.assertIn(old, result)
            result = result.replace(old, new)
        return result
    return text


DOT1X = "[802-1x]\neap=md5;\nidentity=device\npassword-flags={}\n\n[ipv6]"
UUID = uuid_of("bad")
# As NetworkManager itself keeps one in memory; an old nmcli cannot be told the UUID.
MEMORY = "install -D -m 600 {file} {m}; nmcli connection load {m}".replace(
    "{m}", "/run/NetworkManager/system-connections/memory.nmconnection")
PACKAGED = "/usr/lib/NetworkManager"

# name, what stderr must speak of, how the FILE "bad" is made (a text, or a shell command), what is done before
REFUSED = [
    # The FILE by itself
    ("not there", "No such file", "true", ""),
    ("a directory", "Is a directory.*regular file", "mkdir {file}", ""),
    ("a FIFO", "regular file", "mkfifo {file}", ""),
    ("too large", "at most 4 MiB", "truncate -s 4194305 {file}", ""),
    ("no keyfile", "line 1 is neither", "echo hello >{file}", ""),
    ("empty", "uuid", "true >{file}", ""),
    ("without a UUID", "no uuid=", edited("bad", (f"uuid={UUID}\n", "")), ""),
    ("without an id", "no id=", edited("bad", ("id=bad\n", "")), ""),
    ("refused by libnm", "method", edited("bad", ("method=manual", "method=nonsense")), ""),
    ("with permissions", "permissions", edited("bad", ("[ethernet]", "permissions=user:root:;\n[ethernet]")), ""),
    ("a secret that only an agent has", "agent", edited("bad", ("[ipv6]", DOT1X.format(1))), ""),
    ("a secret that is never saved", "agent", edited("bad", ("[ipv6]", DOT1X.format(2))), ""),
    ("loopback", "loopback( profile|' is not valid)", edited(
        "bad", ("=ethernet", "=loopback"), ("eth0", "lo"), ("[ethernet]", "[loopback]"), ("=disabled", "=auto")), ""),
    ("bound to no device", "interface-name", edited("bad", ("interface-name=eth0\n", "")), ""),
    ("bound to a MAC that is not there", "MAC", edited("bad", (
        "interface-name=eth0\n", ""), ("[ethernet]", "[ethernet]\nmac-address=02:00:00:00:00:99")), ""),
    ("an annotation that is not allowed", "nm-trial.hold", edited("bad", (
        "method=disabled", "method=disabled\n\n[user]\nnm-trial.hold=soon")), ""),
    # The FILE beside what there is
    ("the name of another profile", "another profile.*lan", edited("bad"), "mv {file} /var/tmp/lan.nmconnection"),
    ("the UUID of a known-good profile", "lan.nmconnection.*same UUID", edited("lan"), ""),
    ("a known-good profile itself", "autoconnect on.*known-good", edited("lan"),
     "mv {file} /var/tmp/lan.nmconnection"),
    ("the UUID of a file that cannot be used", "other.nmconnection.*same UUID", edited("bad"),
     "cp {file} {d}/other.nmconnection; chmod 644 {d}/other.nmconnection"),
    ("the UUID of a link", "NetworkManager has a profile of that UUID.*link.nmconnection", edited("bad"),
     "install -m 600 {file} /var/lib/linked; ln -s /var/lib/linked {d}/link.nmconnection; "
     "nmcli connection load {d}/link.nmconnection"),
    ("the UUID of a profile in memory", "/run/.*same UUID", edited("bad"), MEMORY),
    ("the UUID of a package's profile", "/usr/lib/.*same UUID", edited("bad"),
     f"mount -t tmpfs tmpfs {PACKAGED}; mkdir {PACKAGED}/system-connections; "
     f"install -m 600 {{file}} {PACKAGED}/system-connections/packaged.nmconnection"),
    ("deleted behind NetworkManager's back", "NetworkManager has a profile of that UUID", edited("bad"),
     "install -m 600 {file} {target}; nmcli connection load {target}; rm {target}"),
    ("active, with autoconnect off", "is active.*known-good", edited("bad", ("=eth0", "=eth1"), ("=true", "=false")),
     "install -m 600 {file} {target}; nmcli connection load {target}; nmcli connection up bad"),
    ("a directory in its place", "Remove it", edited("bad"), "mkdir {target}"),
    ("a link to nowhere in its place", "Remove it", edited("bad"), "ln -s nowhere {target}"),
    ("a file that cannot be used in its place", "Remove it", edited("bad"), "install -m 644 {file} {target}"),
    ("profiles' directory that others may write", "chmod", edited("bad"), "chmod 777 {d}"),
    # NetworkManager has the last word
    ("deleted for good, by a tombstone", "NetworkManager refuses", edited("bad"),
     f"ln -s /dev/null {{d}}/{UUID}.nmmeta; nmcli connection reload"),
]
UNDO = f"""! mountpoint -q {PACKAGED} || umount {PACKAGED}
           chmod 755 {{d}}; cd {{d}}; rm -rf other.nmconnection link.nmconnection bad.nmconnection {UUID}.nmmeta \
           /run/NetworkManager/system-connections/* /var/tmp/*
           nmcli connection reload; nmcli connection delete bad memory || true"""
# Names that a file may have, and no candidate
NAMES = [".bad.nmconnection", "bad.nmconnection~", "bad.nmconnection.A1B2C3", "bad.nmmeta", "b\nad.nmconnection",
         "b\033[1mad", "b" * 201]


class StageRefusals(Staging):
    """Each with exit code 4, the FILE's name and advice; the good FILE that is given with it is not stored either."""

    def shell(self, words, file):
        command = words.format(file=file, d=DIRECTORY, target=f"{DIRECTORY}/bad.nmconnection")
        done = self.device.run("sh", "-ec", command, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def refused(self, says, *files, named):
        before = self.seen()
        self.before = None
        result = self.stage(*files, status=4)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, f"(?is)nm-trial: ({re.escape(named)}: )?.*({says})")
        for old, new in zip(before, self.seen()):
            self.assertEqual(old, new)
        print(result.stderr.strip())

    def test_every_refusal(self):
        self.watch.ignore_profiles()
        for name, says, make, do in REFUSED:
            with self.subTest(refusal=name):
                file = f"/{SOURCES}/bad.nmconnection"
                if callable(make):
                    self.source("bad", make(self))
                else:
                    self.shell(make, file)
                good = [self.source("good"), self.source("third", address="10.99.{n}.23/24")]
                if do:
                    self.shell(do, file)
                if "lan.nmconnection" in do:
                    file = f"/{SOURCES}/lan.nmconnection"
                self.refused(says, good[0], file, good[1], named=file)
                self.shell(UNDO, file)
                wait_for("lan", lambda: self.device.active() == "lan")

    def test_names(self):
        good = self.source("good")
        for name in NAMES:
            with self.subTest(name=name):
                (self.device.disk / SOURCES / name).write_text(self.text("bad"))
                self.refused("Rename it", good, f"/{SOURCES}/{name}", named="")

    def test_two_of_a_kind(self):
        good = self.source("good")
        (self.device.disk / SOURCES / "twin.nmconnection").write_text(self.text("good"))
        self.refused("good.nmconnection has the same UUID", good, f"/{SOURCES}/twin.nmconnection",
                     named=f"/{SOURCES}/twin.nmconnection")
        (self.device.disk / SOURCES / "good").write_text(self.text("other"))
        self.refused("would become the same file", good, f"/{SOURCES}/good", named=f"/{SOURCES}/good")

    def test_all_is_undone_when_one_replaces_an_earlier_version(self):
        self.stage(self.source("good"), own=["good"])
        (self.device.disk / f"{DIRECTORY[1:]}/{UUID}.nmmeta").symlink_to("/dev/null")
        self.device.nmcli("connection", "reload")
        self.refused("NetworkManager refuses", self.source("good", address="10.99.{n}.99/24"), self.source("bad"),
                     named=f"/{SOURCES}/bad.nmconnection")
        self.assertIn("10.99.0.20/24", self.connection("good", "ipv4.addresses"))


class StageKilled(Staging):
    """A helper that dies at any moment leaves whole files, none of which a boot would bring up."""
    strays = True

    def test_at_any_moment(self):
        texts = {name: self.text(name, address=f"10.99.{{n}}.{20 + i}/24") for i, name in enumerate(("a", "b", "c"))}
        files = [self.source(name, text) for name, text in texts.items()]
        self.before, self.own = self.files(), self.own | set(texts)
        delay, killed, lived = 0, 0, 0
        while lived < 3 or killed < 4:  # later and later, until it has come to its end before
            delay += 0.002
            process = background(self.device, "nm-trial", "stage", *files)
            time.sleep(delay)  # the moment is the test's subject
            for pid in self.stagers():
                self.kill_process(pid)
            lived += process.wait() == 0
            killed += process.returncode != 0
            if process.returncode == 0 and killed < 4:  # a machine that is busy: from the beginning
                delay = 0
            process.communicate()
            left = [name for name in texts if self.device.profile_path(name).exists()]
            for name in left:
                self.assertEqual(self.device.profile_path(name).read_text(),
                                 texts[name].replace("autoconnect=true", "autoconnect=false"))
                self.device.profile_path(name).unlink()
            self.device.nmcli("connection", "reload")
        self.stage(*files)  # nothing is in the way of another try
        self.assert_boots("lan")
        self.assertEqual(self.temporaries(), [])


class StageAutoDefault(WiredCase, Staging):
    """A stored candidate alone keeps NetworkManager from making "Wired connection" at the next boot."""

    def setUp(self):
        super().setUp()
        self.power_cut()
        self.boot()
        self.device.wait_active(WIRED)  # so it does, without a candidate
        self.own.add(WIRED)

    def active_path(self):
        return self.device.nmcli("-f", "NAME,ACTIVE-PATH", "connection", "show", "--active")

    def assert_comes_back(self):
        self.assertFalse(self.device.profile_path("Wired connection 2").exists())  # nobody's candidate is for eth1
        self.power_cut()
        self.boot()
        self.device.wait_active(WIRED)
        self.device.wait_online()
        self.assertTrue(self.bootable())

    def test_it_is_saved_first(self):
        active = self.active_path()
        said = self.stage(self.source("good"), self.source("other", address="10.99.{n}.21/24"),
                          own=["good", "other"]).stdout
        self.assertEqual(self.active_path(), active)
        self.assert_comes_back()
        self.assertRegex(said, f'(?s)^saved "{WIRED}" as {DIRECTORY}/{WIRED}.nmconnection.*staged "good".*"other"')
        self.assertEqual(said.count("saved"), 1)

    def test_with_the_cable_out(self):
        self.device.break_network("carrier")
        wait_for("no connection", lambda: not self.device.active())
        self.stage(self.source("good"), own=["good"])
        self.device.heal("carrier")
        self.device.wait_active(WIRED)
        self.assert_comes_back()

    def test_a_file_in_its_way(self):
        before = self.files()
        refused = self.stage(self.source(WIRED), status=4)
        self.assertRegex(refused.stderr, "is to be saved. Rename this file")
        self.assertEqual(self.files(), before)

    def test_a_read_only_disk(self):
        active, file = self.active_path(), self.source("good")
        self.read_only(True)
        self.stage(file, status=1)
        self.read_only(False)
        self.assertEqual(self.active_path(), active)
        self.assertEqual(self.bootable(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

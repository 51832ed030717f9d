# SPDX-License-Identifier: LGPL-2.1-or-later
"""What doctor finds: nothing wrong on a healthy device, each sickness by its name and state; it changes nothing."""
import json
import re
import typing
import unittest

from case import Case, PROFILES, uuid_of, wait_for
from hands import INTERFACE, NM_VERSION

EXAMINATIONS = ["networkmanager", "connectivity", "dispatcher", "units", "executables", "storage", "profiles",
                "copiers", "leftovers"]
SCRIPTS = "/etc/NetworkManager/dispatcher.d"
LINK, SCRIPT = f"{SCRIPTS}/90-nm-trial", f"{SCRIPTS}/no-wait.d/90-nm-trial"
VENDOR = "/usr/lib/NetworkManager/dispatcher.d"
DIRECTORY = f"/{PROFILES}"
# What a healthy device has of these: one whose NetworkManager does not tell of a reapply has one more.
TOLD, WARNINGS = ("ok", 2) if NM_VERSION >= (1, 42) else ("warning", 3)
RUN = "/run/NetworkManager/system-connections"
NETPLAN = f"{RUN}/netplan-eth1.nmconnection"
STATE = "/var/lib/nm-trial"
OWN = "/etc/nm-trial"
META = f"{uuid_of('lan')}.nmmeta"
LAN = f"{DIRECTORY}/lan.nmconnection"
CONNECTIVITY = "printf '[connectivity]\\n{}\\n' >/etc/NetworkManager/conf.d/lab.conf; nmcli general reload conf"
NO_CONNECTIVITY = "rm /etc/NetworkManager/conf.d/lab.conf; nmcli general reload conf"
OVERLAY = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; " \
          "mount -t overlay -o lowerdir={0},upperdir=/mnt/upper,workdir=/mnt/work overlay {0}"
ON_DISK = "mkdir /var/tmp/upper /var/tmp/work; " \
          "mount -t overlay -o lowerdir={0},upperdir=/var/tmp/upper,workdir=/var/tmp/work overlay {0}"
RELOAD_DBUS = "dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ReloadConfig"
ORIGIN = "[user]\norg.freedesktop.NetworkManager.origin=nm-initrd-generator\n"

PROFILE = """\
[connection]
id={name}
uuid={uuid}
type={type}
autoconnect={autoconnect}
{connection}
[ipv4]
method=disabled

[ipv6]
method=disabled

[user]
{user}
"""


def stored(name, *, autoconnect=True, device="eth1", user="", type="ethernet", more="", id=None):
    connection = (f"interface-name={device}\n" if device else "") + more
    return {name: PROFILE.format(name=id or name, uuid=uuid_of(name), type=type, user=user, connection=connection,
                                 autoconnect=str(autoconnect).lower())}


class Row(typing.NamedTuple):
    """A sickness: the findings of the group's examination that come of it, as "state: what the text must speak of";
    what is done in the device and to its stored profiles; and which other examinations see it, too."""
    name: str
    finds: tuple
    do: str = ""
    undo: str = ""
    profiles: dict = {}
    also: tuple = ()


ROWS = {
    "connectivity": [
        Row("no page to ask", ("warning: gateway.*uri=",), CONNECTIVITY.format("uri="), NO_CONNECTIVITY),
        Row("switched off", ("warning: gateway.* off",), CONNECTIVITY.format("enabled=false"), NO_CONNECTIVITY),
        Row("https", ("ok: https",), CONNECTIVITY.format("uri=https://nm.example/"), NO_CONNECTIVITY),
    ],
    "dispatcher": [
        Row("no script", ("warning: there is no .*90-nm-trial.*activated",), f"rm {LINK}; mv {SCRIPT} /var/tmp",
            f"mv /var/tmp/90-nm-trial {SCRIPT}; ln -s no-wait.d/90-nm-trial {LINK}"),
        Row("nothing links to it", ("warning: nothing links to it",), f"rm {LINK}",
            f"ln -s no-wait.d/90-nm-trial {LINK}"),
        Row("copied in plainly", ("warning: no link into no-wait.d",), f"rm {LINK}; cp -p {SCRIPT} {LINK}",
            f"rm {LINK}; ln -s no-wait.d/90-nm-trial {LINK}"),
        Row("the link dangles", ("failure: leads to no file",), f"mv {SCRIPT} /var/tmp",
            f"mv /var/tmp/90-nm-trial {SCRIPT}"),
        Row("leads to a directory", ("failure: leads to no file",), f"mv {SCRIPT} /var/tmp; mkdir {SCRIPT}",
            f"rmdir {SCRIPT}; mv /var/tmp/90-nm-trial {SCRIPT}"),
        Row("others may write it", ("failure: 90-nm-trial can be written by others",), f"chmod 0775 {SCRIPT}",
            f"chmod 0755 {SCRIPT}"),
        Row("of another owner", ("failure: does not belong to root",), f"chown 1 {SCRIPT}", f"chown 0 {SCRIPT}"),
        Row("not executable", ("failure: cannot be executed",), f"chmod 0655 {SCRIPT}", f"chmod 0755 {SCRIPT}"),
        Row("set-user-ID", ("failure: set-user-ID",), f"chmod 4755 {SCRIPT}", f"chmod 0755 {SCRIPT}"),
        Row("others may write into its directory", ("failure: no-wait.d can be written by others",),
            f"chmod 0777 {SCRIPTS}/no-wait.d", f"chmod 0755 {SCRIPTS}/no-wait.d"),
        Row("others may write into the link's directory", ("failure: dispatcher.d can be written by others",),
            f"mkdir -m 755 /run/no-wait.d; cp -p {SCRIPT} /run/no-wait.d; ln -sf /run/no-wait.d/90-nm-trial {LINK}; "
            f"chmod 0777 {SCRIPTS}",
            f"chmod 0755 {SCRIPTS}; ln -sf no-wait.d/90-nm-trial {LINK}; rm -r /run/no-wait.d"),
        Row("masked", ("warning: switches the script off",), f"ln -sf /dev/null {LINK}",
            f"ln -sf no-wait.d/90-nm-trial {LINK}"),
        Row("empty", ("warning: switches the script off",), f"cp -p {SCRIPT} /var/tmp; : >{SCRIPT}",
            f"cp -p /var/tmp/90-nm-trial {SCRIPT}; rm /var/tmp/90-nm-trial"),
        Row("the vendor's", (f"ok: {VENDOR}/90-nm-trial will be run",),
            f"mount -t tmpfs -o mode=0755 tmpfs {VENDOR}; cd {VENDOR}; "
            f"mkdir -m 755 no-wait.d; cp -p {SCRIPT} no-wait.d; ln -s no-wait.d/90-nm-trial .; rm {LINK}",
            f"umount {VENDOR}; ln -s no-wait.d/90-nm-trial {LINK}"),
        Row("no nm-dispatcher", ("warning: nm-dispatcher is not installed",),
            f"mv /etc/lab/dbus-services/nm_dispatcher.service /var/tmp; {RELOAD_DBUS}",
            f"mv /var/tmp/nm_dispatcher.service /etc/lab/dbus-services; {RELOAD_DBUS}"),
    ],
    "executables": [
        Row("all is well", (), f"mkdir -p {OWN}/check.d {OWN}/verdict.d; ln -s /bin/true {OWN}/check.d/mine; "
            f"cp /bin/true {OWN}/verdict.d/mine; touch {OWN}/verdict.d/.keep", f"rm -r {OWN}/check.d {OWN}/verdict.d"),
        Row("a check that others may write", ("warning: check.d/mine can be written by others",),
            f"mkdir {OWN}/check.d; cp /bin/true {OWN}/check.d/mine; chmod 0757 {OWN}/check.d/mine",
            f"rm -r {OWN}/check.d"),
        Row("a hook that is none", ("warning: verdict.d/tell.sh has more in its name", "warning: verdict.d/tell cannot"),
            f"mkdir {OWN}/verdict.d; cp /bin/true {OWN}/verdict.d/tell.sh; touch {OWN}/verdict.d/tell",
            f"rm -r {OWN}/verdict.d"),
        Row("their directory is somebody else's", ("warning: check.d does not belong to root",),
            f"mkdir {OWN}/check.d; cp /bin/true {OWN}/check.d/mine; chown 1 {OWN}/check.d", f"rm -r {OWN}/check.d"),
    ],
    "storage": [
        Row("the state directory in memory", (
            f"failure: {STATE} is not on storage.*reboot", "warning: two file systems"),
            f"mount -t tmpfs -o mode=0700 tmpfs {STATE}", f"umount {STATE}"),
        Row("the profiles on an overlay in memory", (f"failure: {DIRECTORY} is not on storage.*overlay",
                                                     "warning: two file systems"),
            OVERLAY.format(DIRECTORY), f"umount {DIRECTORY} /mnt"),
        Row("the state directory on an overlay on the disk", ("warning: two file systems",),
            ON_DISK.format(STATE), f"umount {STATE}; rm -r /var/tmp/upper /var/tmp/work"),
        Row("others may write the state directory", (f"failure: {STATE} can be written by others",),
            f"chmod 0770 {STATE}", f"chmod 0700 {STATE}"),
        Row("others may write a parent", ("failure: /var/lib can be written by others",),
            "chmod 0777 /var/lib", "chmod 0755 /var/lib"),
        Row("of another owner", (f"failure: {DIRECTORY} can be written by others",), f"chown 1 {DIRECTORY}",
            f"chown 0 {DIRECTORY}"),
        Row("read-only", (f"failure: {STATE} is read-only",), "mount -o remount,bind,ro /var",
            "mount -o remount,bind,rw /var"),
        Row("full", ("failure: KiB free", f"failure: {STATE} is not on storage.*reboot", "warning: two file systems"),
            f"mount -t tmpfs -o mode=0700,size=512k tmpfs {STATE}", f"umount {STATE}"),
        Row("no more files", ("failure: room for . more files", f"failure: {STATE} is not on storage.*reboot",
                              "warning: two file systems"),
            f"mount -t tmpfs -o mode=0700,nr_inodes=5 tmpfs {STATE}", f"umount {STATE}"),
        Row("no directory of profiles", (f"warning: there is no directory {DIRECTORY} here",),
            f"mv {DIRECTORY} /etc/NetworkManager/away", f"mv /etc/NetworkManager/away {DIRECTORY}"),
    ],
    "profiles": [
        Row("a value that is not allowed", ("failure: new.*nm-trial.timeout is",),
            profiles=stored("lan1") | stored("new", autoconnect=False,
                                             user="nm-trial.replaces=lan1\nnm-trial.timeout=soon")),
        Row("values that do not go together", ("failure: new.*nm-trial.hold",),
            profiles=stored("lan1") | stored("new", autoconnect=False, user="nm-trial.replaces=lan1\n"
                                             "nm-trial.timeout=9s\nnm-trial.hold=9s")),
        Row("defaults that do not go together", ("failure: hold of nm-trial.conf",),
            "printf '[trial]\\ntimeout=60\\nhold=200\\n' >/etc/nm-trial/nm-trial.conf; "
            "chmod 644 /etc/nm-trial/nm-trial.conf", "rm /etc/nm-trial/nm-trial.conf"),
        Row("a check that is not there", ("failure: new.*nm-trial.checks ping: .*check.d cannot be used",),
            profiles=stored("lan1") | stored("new", autoconnect=False,
                                             user="nm-trial.replaces=lan1\nnm-trial.checks=nm;ping")),
        Row("defaults with a check that is not there", ("failure: checks of nm-trial.conf ping: .*check.d cannot be used",),
            f"printf '[trial]\\nchecks=ping\\n' >{OWN}/nm-trial.conf; chmod 644 {OWN}/nm-trial.conf",
            f"rm {OWN}/nm-trial.conf"),
        Row("wrong defaults", ("failure: nm-trial.conf.*colour",),
            "echo '[trial]\ncolour=red' >/etc/nm-trial/nm-trial.conf; chmod 644 /etc/nm-trial/nm-trial.conf",
            "rm /etc/nm-trial/nm-trial.conf"),
        Row("an untested candidate with autoconnect", ('failure: "good".*untested',),
            profiles=stored("good", device="eth0", user="nm-trial.replaces=lan")),
        Row("one on trial with autoconnect", ('failure: "good".*untested',),
            profiles=stored("good", device="eth0", user="nm-trial.state=trying")),
        Row("a demoted one with autoconnect", ('failure: "good".*untested',),
            profiles=stored("good", user="nm-trial.state=demoted")),
        Row("a promoted one with autoconnect", (),
            profiles=stored("good", user="nm-trial.state=promoted\nnm-trial.replaces=long-gone")),
        Row("a candidate that is off", (),
            profiles=stored("good", autoconnect=False, device="eth0", user="nm-trial.replaces=lan")),
        Row("a user's own profile that calls itself a candidate", (),
            profiles=stored("good", more="permissions=user:root:;\n", user="nm-trial.state=trying")),
        Row("a promoted profile that is off", ('failure: eth1 is offline after a reboot.*"good"',),
            profiles=stored("good", autoconnect=False, user="nm-trial.state=promoted")),
        Row("a candidate and what it replaces, both off", (
            'failure: eth1 is offline after a reboot.*"(good|old)", "(good|old)"', 'failure: "old".*no autoconnect'),
            profiles={**stored("good", autoconnect=False, user="nm-trial.replaces=old"),
                      **stored("old", autoconnect=False)}),
        Row("a candidate whose replaced profile is off, and another one is on", ('warning: "old".*no autoconnect',),
            profiles={**stored("good", autoconnect=False, user=f"nm-trial.replaces={uuid_of('old')}"),
                      **stored("old", autoconnect=False), **stored("other")}),
        Row("a device that is off on purpose", ('warning: eth1 is offline after a reboot.*"good"',),
            profiles=stored("good", autoconnect=False)),
        Row("a candidate for a device that had no network", ("warning: eth1 is offline after a reboot",),
            profiles=stored("good", autoconnect=False, user="nm-trial.replaces=none")),
        Row("a device that any profile of its type brings up", (),
            profiles={**stored("good", autoconnect=False), **stored("any", device=None)}),
        Row("... but not one of another type", ("warning: eth1 is offline",),
            profiles={**stored("good", autoconnect=False),
                      **stored("any", device=None, type="wifi", more="\n[wifi]\nssid=lab\n")}),
        Row("a controller that its port brings up", (),
            profiles={**stored("br", autoconnect=False, device="br0", type="bridge"),
                      **stored("port", more="master=br0\nslave-type=bridge\n")}),
        Row("netplan brings the device up", (),
            f"cp {LAN} {NETPLAN}; sed -i -e s/eth0/eth1/ -e s/^uuid=./uuid=f/ {NETPLAN}", f"rm {NETPLAN}",
            profiles=stored("good", autoconnect=False), also=("copiers",)),
        Row("what is to be replaced is not there", (
            'warning: "good" is to replace "long-gone", which is not stored',),
            profiles=stored("good", autoconnect=False, device="eth0", user="nm-trial.replaces=long-gone")),
        Row("a key that is misspelt", ('failure: "good" has the key nm-trial.replace,',),
            profiles=stored("good", user="nm-trial.replace=lan")),
        Row("a guarded profile that was removed", ('warning: guarded profile "lan" was removed',),
            f"nm-trial guard lan; mv {LAN} /var/tmp", f"mv /var/tmp/lan.nmconnection {LAN}; nm-trial guard lan --off"),
        Row("a candidate for the place of one that was replaced", (),
            profiles={**stored("old", autoconnect=False),
                      **stored("first", user="nm-trial.replaces=old\nnm-trial.state=promoted"),
                      **stored("second", autoconnect=False, user="nm-trial.replaces=old")}),
        Row("a delivery with autoconnect", (),
            profiles=stored("good", user="nm-trial.replaces=none\nnm-trial.start=boot")),
        Row("a guarded profile", (), "nm-trial guard lan", "nm-trial guard lan --off"),
        Row("a guarded profile that was changed", ('warning: guarded profile "lan" was changed',),
            f"nm-trial guard lan; cp -p {LAN} /var/tmp; sed -i s/10.99.0.10/10.99.0.11/ {LAN}",
            f"cp -p /var/tmp/lan.nmconnection {LAN}; nm-trial guard lan --off"),
        Row("one that is guarded and is not yet", ('warning: "good" says that it is guarded',),
            profiles=stored("good", user="nm-trial.guard=yes")),
        Row("a file that others may read", ("warning: not usable.*mode 0600",),
            f"cp {LAN} {DIRECTORY}/open; chmod 0644 {DIRECTORY}/open", f"rm {DIRECTORY}/open"),
        Row("a file that is no profile", ("warning: not usable.*junk",),
            f"echo junk >{DIRECTORY}/junk; chmod 0600 {DIRECTORY}/junk", f"rm {DIRECTORY}/junk"),
        Row("a name that would colour a terminal", (r'failure: "\\u001b\[31mred".*untested',),
            profiles=stored("good", id="\033[31mred", user="nm-trial.state=demoted")),
    ],
    "copiers": [
        Row("balenaOS", ("warning: ^/mnt/boot/system-connections: balenaOS",),
            "mount -t tmpfs tmpfs /mnt; mkdir -p /mnt/boot/system-connections", "umount /mnt"),
        Row("cloud-init", ("warning: /cloud-init-eth1.nmconnection: cloud-init",),
            profiles=stored("cloud-init-eth1")),
        Row("cloud-init, switched off", (), "mkdir -p /etc/cloud/cloud.cfg.d; echo 'network: {config: disabled}' "
            ">/etc/cloud/cloud.cfg.d/99-off.cfg", "rm -r /etc/cloud", profiles=stored("cloud-init-eth1")),
        Row("netplan", ("warning: /netplan-eth1.nmconnection: netplan",),
            f"echo >{NETPLAN}", f"rm {NETPLAN}"),
        Row("the initramfs", ("warning: /default_connection.nmconnection: the initramfs",),
            f"echo '{ORIGIN}' >{RUN}/default_connection.nmconnection", f"rm {RUN}/default_connection.nmconnection"),
        Row("nmstate", ("warning: ^/etc/nmstate/eth1.yml: nmstate.service",),
            "mkdir /etc/nmstate; touch /etc/nmstate/eth1.yml", "rm -r /etc/nmstate"),
        Row("nmstate, applied", (), "mkdir /etc/nmstate; touch /etc/nmstate/eth1.applied", "rm -r /etc/nmstate"),
    ],
    "leftovers": [
        Row("a shadow that nothing ties to its file", (f"warning: ^{RUN}/lan.nmconnection hides {LAN}",),
            f"cp -p {LAN} {RUN}", f"rm {RUN}/lan.nmconnection"),
        Row("a shadow as NetworkManager writes it", (),
            f"cp -p {LAN} {RUN}; printf '\\n[.nmmeta]\\nshadowed-storage={LAN}\\n' >>{RUN}/lan.nmconnection",
            f"rm {RUN}/lan.nmconnection"),
        Row("a profile in memory only", (), f"sed s/^uuid=./uuid=f/ {LAN} >{RUN}/other.nmconnection; chmod 0600 "
            f"{RUN}/other.nmconnection", f"rm {RUN}/other.nmconnection"),
        Row("a tombstone in /etc", (f"failure: ^{DIRECTORY}/{META} says that {LAN} is deleted",),
            f"ln -s /dev/null {DIRECTORY}/{META}", f"rm {DIRECTORY}/{META}"),
        Row("a tombstone in /run that is a file", (f"failure: ^{RUN}/{META} says that {LAN} is deleted",),
            f"printf '[nmmeta]\\nuuid={uuid_of('lan')}\\nloaded-path=/dev/null\\n' >{RUN}/{META}",
            f"rm {RUN}/{META}"),
        Row("a tombstone of a profile that is not stored", (), f"ln -s /dev/null {DIRECTORY}/{uuid_of('x')}.nmmeta",
            f"rm {DIRECTORY}/{uuid_of('x')}.nmmeta"),
        Row("a note of NetworkManager's that is no tombstone", (), f"ln -s {LAN} {RUN}/{META}",
            f"rm {RUN}/{META}"),
        Row("two files of one UUID", (rf"failure: (?=.*{LAN})(?=.*{DIRECTORY}/twin).*same UUID",),
            f"cp -p {LAN} {DIRECTORY}/twin.nmconnection", f"rm {DIRECTORY}/twin.nmconnection"),
        Row("writes that were cut off", (
            f"warning: ^{DIRECTORY}/.nm-trial-new.lan", f"warning: ^{STATE}/.nm-trial-new.trial"),
            f"touch {DIRECTORY}/.nm-trial-new.lan {STATE}/.nm-trial-new.trial",
            f"rm {DIRECTORY}/.nm-trial-new.lan {STATE}/.nm-trial-new.trial"),
        Row("records that were set aside", (
            f"warning: ^{STATE}/trial.bad-1: .*set aside", f"warning: ^{STATE}/history.bad-2"),
            f"touch {STATE}/trial.bad-1 {STATE}/history.bad-2", f"rm {STATE}/trial.bad-1 {STATE}/history.bad-2"),
        Row("a known-good copy that was set aside", (f"failure: ^{STATE}/good/x.nmconnection.bad-1: .*not guarded",),
            f"mkdir -p {STATE}/good; touch {STATE}/good/x.nmconnection.bad-1", f"rm -r {STATE}/good"),
        Row("a damaged history", ("failure: the history cannot be read",),
            f"echo junk >{STATE}/history; chmod 0600 {STATE}/history", f"rm {STATE}/history"),
    ],
}


class Examined(Case):
    """A device with all that doctor wants to see, as far as the lab can have it: its page is plain http."""

    def setUp(self):
        super().setUp()
        self.watch.ignore_profiles()  # they are made sick on purpose
        self.device.run("mkdir", "-p", RUN)  # NetworkManager 1.30 makes it when it needs it
        self.before = self.files()

    def examine(self, status=(0, 1)):
        """doctor --json's findings; it must keep to its schema, and change nothing."""
        before = self.everything()
        result = self.device.run("nm-trial", "doctor", "--json", check=False)
        self.assertIn(result.returncode, status if isinstance(status, tuple) else (status,), result)
        self.assertEqual(result.stderr, "")
        self.assertEqual(self.everything(), before, "doctor changed something")
        seen = json.loads(result.stdout)
        self.assertEqual(set(seen), {"schema", "ok", "findings"})
        self.assertEqual(seen["schema"], 1)
        self.assertEqual(seen["ok"], result.returncode == 0)
        self.assertEqual(seen["ok"], all(f["state"] != "failure" for f in seen["findings"]))
        for finding in seen["findings"]:
            self.assertEqual(set(finding), {"name", "state", "text", "advice"})
            self.assertIn(finding["state"], ("ok", "warning", "failure"))
            self.assertTrue(finding["text"])
            self.assertEqual(finding["advice"] == "", finding["state"] == "ok", finding)
        self.assertEqual(list(dict.fromkeys(f["name"] for f in seen["findings"])), EXAMINATIONS)
        return seen["findings"]

    def everything(self):
        state = self.device.disk / STATE[1:]
        shadows = self.device.run("sh", "-c", f"ls -la --full-time {RUN}", check=False).stdout
        kept = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
        return self.files(), shadows, kept, state.exists()

    def assert_found(self, name, finds, healthy, now, also=()):
        """Beside what a healthy device shows there is exactly that to be found."""
        left = [f for f in now if f not in healthy and f["name"] not in also]
        for find in finds:
            state, _, text = find.partition(": ")
            match = [f for f in left if (f["name"], f["state"]) == (name, state) and re.search(text, f["text"])]
            self.assertEqual(len(match), 1, f"{find} is to be found once in {left}")
            left.remove(match[0])
        self.assertEqual([f for f in left if f["state"] != "ok"], [], "found for no reason")


class Doctor(Examined):
    def test_healthy(self):
        findings = self.examine(status=0)
        states = {(f["name"], f["state"]) for f in findings}
        self.assertEqual(states, {("networkmanager", TOLD), ("connectivity", "warning"), ("units", "warning"),
                                  *((name, "ok") for name in EXAMINATIONS[2:])})
        text = {(f["name"], f["state"]): f["text"] for f in findings}
        self.assertRegex(text["networkmanager", TOLD], r"^\d+\.\d+\.\d+ answers")
        self.assertIn("plain http", text["connectivity", "warning"])
        self.assertIn("agent runs in the foreground", text["units", "ok"])
        self.assertIn("nm-trial boot", text["units", "warning"])

    def test_text(self):
        shown = self.trial("doctor").stdout
        self.assertNotIn("\033", shown)
        lines = shown.splitlines()
        self.assertEqual(lines[-1], f"This device is fit for trials: 0 failures, {WARNINGS} warnings.")
        for line in lines[:-1]:
            self.assertRegex(line, r"^((ok     |warning|FAILURE)  [a-z]+ +\S|         advice: \S)")
        self.assertRegex(shown, rf"(?m)^{TOLD:7}  networkmanager   \S+ answers$")
        self.assertRegex(shown, r"(?m)^warning  connectivity     .*\n         advice: ")
        terminal = ("script", "-qec", "nm-trial doctor", "/dev/null")
        self.assertIn("\033[", self.device.run("env", "TERM=xterm", *terminal).stdout)
        self.assertNotIn("\033[", self.device.run("env", "TERM=xterm", "NO_COLOR=1", *terminal).stdout)

        self.device.run("chmod", "0777", STATE)
        shown = self.device.run("nm-trial", "doctor", check=False)
        self.assertEqual(shown.returncode, 1)
        self.assertRegex(shown.stdout,
                         f"(?m)^FAILURE  storage          {STATE}.*\n         advice: chown root {STATE};")
        self.assertEqual(shown.stdout.splitlines()[-1],
                         f"A trial on this device cannot be trusted: 1 failure, {WARNINGS} warnings.")

    def test_only_root(self):
        refused = self.device.run("setpriv", "--reuid=65534", "nm-trial", "doctor", check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("root", refused.stderr)

    def sick(self, name):
        healthy = self.examine(status=0)
        for row in ROWS[name]:
            with self.subTest(sickness=row.name):
                try:
                    for profile, text in row.profiles.items():
                        self.device.profile_file(profile, text, load=False)
                    if row.do:
                        self.device.run("sh", "-ec", row.do)
                    findings = self.examine(status=1 if "failure:" in " ".join(row.finds) else 0)
                    self.assert_found(name, row.finds, healthy, findings, row.also)
                finally:
                    if row.undo:
                        self.device.run("sh", "-c", row.undo)
                    for profile in row.profiles:
                        self.device.profile_path(profile).unlink()
                self.assertEqual(self.examine(), healthy, "what was undone must be seen as undone")

    def test_connectivity(self):
        self.sick("connectivity")

    def test_dispatcher(self):
        self.sick("dispatcher")

    def test_executables(self):
        self.sick("executables")

    def test_storage(self):
        self.sick("storage")

    def test_profiles(self):
        self.sick("profiles")

    def test_copiers(self):
        self.sick("copiers")

    def test_leftovers(self):
        self.sick("leftovers")

    def test_the_advice_of_the_last_profile_takes_no_network_away(self):
        self.device.profile_file("good", stored("good", user="nm-trial.state=demoted")["good"], load=False)
        advice = [f["advice"] for f in self.examine(status=1) if f["state"] == "failure"]
        self.assertRegex(advice[0], "^First give another profile")
        self.device.profile_file("other", stored("other")["other"], load=False)
        advice = [f["advice"] for f in self.examine(status=1) if f["state"] == "failure"]
        self.assertRegex(advice[0], "^nmcli connection modify")
        self.own |= {"good", "other"}

    def test_networkmanager_is_gone_or_hangs(self):
        healthy = self.examine(status=0)
        also = ("connectivity",)
        self.device.kill_nm(restart=False)
        wait_for("the bus to notice it", lambda: "false" in self.dbus(
            "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", f"string:{INTERFACE}"))
        now = self.examine(status=1)
        self.assert_found("networkmanager", ("failure: is not running",), healthy, now, also)
        self.assertEqual([f["text"] for f in now if f["name"] == "connectivity"],
                         ["not known: NetworkManager cannot be asked"])
        self.device.kill_nm()
        self.device.wait_active("lan")
        self.signal_nm("STOP")
        self.assert_found("networkmanager", ("failure: does not answer",), healthy, self.examine(status=1), also)
        self.signal_nm("CONT")
        self.assertEqual(self.examine(status=0), healthy)

    def test_the_bus_hangs(self):
        bus = self.device.run("pidof", "dbus-daemon").stdout.strip()
        self.device.run("kill", "-STOP", bus)
        try:
            now = self.examine(status=1)
        finally:
            self.device.run("kill", "-CONT", bus)
        failed = {f["name"]: f["text"] for f in now if f["state"] == "failure"}
        self.assertEqual(failed, {"networkmanager": "the system bus cannot be reached"})

    def test_a_checkpoint(self):
        healthy = self.examine(status=0)
        self.create_checkpoint(300)
        now = self.examine(status=0)
        self.assert_found("leftovers", (r"warning: checkpoint on eth0.* in (300|29\d) s",), healthy, now)
        self.destroy_checkpoints()
        self.assertEqual(self.examine(status=0), healthy)

    def test_an_open_trial(self):
        healthy = self.examine(status=0)
        self.candidate()
        trial = self.wait_manual("good", check="nm")
        wait_for("the trial's checkpoint", lambda: self.status()["checkpoint"])
        result = json.loads(self.trial("doctor", "--json").stdout)
        self.assert_found("leftovers", (f"ok: trial {trial} is open .trying",), healthy, result["findings"])
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")

    def test_a_damaged_record(self):
        healthy = self.examine(status=0)
        self.hold_agent()
        record = self.device.disk / STATE[1:] / "trial"
        record.write_text("junk\n")
        record.chmod(0o600)
        now = self.examine(status=1)
        self.assert_found("leftovers", ("failure: the record of a trial cannot be read",), healthy, now, ("units",))
        record.unlink()
        self.release_agent()


class NoAgent(Examined):
    """Neither systemd nor an agent, and no trial was ever started."""
    options = {"trial_agent": "no"}

    def test_nobody_watches(self):
        self.device.run("rm", "-r", STATE)
        now = self.examine(status=1)
        failed = [(f["name"], f["text"]) for f in now if f["state"] == "failure"]
        self.assertEqual([name for name, _ in failed], ["units"], failed)
        self.assertRegex(failed[0][1], "no agent")
        self.assertIn(("storage", "ok"), {(f["name"], f["state"]) for f in now if STATE in f["text"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)

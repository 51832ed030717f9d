# SPDX-License-Identifier: LGPL-2.1-or-later
"""What start refuses, before it writes anything: each with advice on stderr, exit code 4, and nothing changed."""
import re
import typing
import unittest

from case import Case, uuid_of, wait_for

NO_GATEWAY = ("10.99.0.20/24,10.99.0.1", "10.99.0.20/24")
PERMISSIONS = ("[ethernet]", "permissions=user:root:;\n[ethernet]")
ON_ETH1 = {"good": [("interface-name=eth0", "interface-name=eth1")]}
DOT1X = "[802-1x]\neap=md5;\nidentity=device\npassword-flags={}\n\n[ipv6]"
DIRECTORY = "/etc/NetworkManager/system-connections"
BRIDGE = """nmcli connection add type bridge con-name br-old ifname br0 ipv4.method disabled ipv6.method disabled
            nmcli connection add type ethernet con-name br-port ifname eth1 master br0
            nmcli connection up br-port
            nmcli connection add type bridge con-name br-new ifname br0 ipv4.method disabled ipv6.method disabled \
                  autoconnect no"""

OVERLAY = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work; " \
          "mount -t overlay -o lowerdir={0},upperdir=/mnt/upper,workdir=/mnt/work overlay {0}"


class Row(typing.NamedTuple):
    """One refusal: what is done to the profiles "good" and "lan" and in the device, and what stderr must speak of."""
    name: str
    says: str
    args: tuple = ("good",)
    edit: dict = {}
    do: str = ""
    undo: str = ""


ROWS = [
    # The pair must resolve to exactly one device
    Row("candidate for any device", "interface|MAC", edit={"good": [("interface-name=eth0\n", "")]}),
    Row("candidate for a device that is not there", "eth7", edit={"good": [("=eth0", "=eth7")]},
        args=("good", "--replace", "lan")),
    Row("candidate for a MAC that is not there", "MAC|device|interface", args=("good", "--replace", "lan"),
        edit={"good": [("interface-name=eth0\n", ""), ("[ethernet]", "[ethernet]\nmac-address=02:00:00:00:00:99")]}),
    Row("candidate whose name and MAC differ", "MAC|device|interface", args=("good", "--replace", "lan"),
        edit={"good": [("[ethernet]", "[ethernet]\nmac-address=02:00:00:00:00:11")]}),
    Row("other interfaces", "eth0|eth1|interface", edit=ON_ETH1, args=("good", "--replace", "lan")),
    Row("other types", "type|bridge|ethernet", args=("good", "--replace", "lan"),
        edit={"good": [("type=ethernet", "type=bridge"), ("[ethernet]", "[bridge]")]}),
    Row("nothing active on the device, and no --replace", "--replace", edit=ON_ETH1),
    Row("--replace none although a profile is active", "eth0", args=("good", "--replace", "none")),
    # The replaced profile must come up at a boot
    Row("replaced is only in memory", "volatile|memory|disk|/run", edit=ON_ETH1,
        do="nmcli connection add save no type ethernet con-name volatile ifname eth1 ipv4.method manual "
           "ipv4.addresses 10.99.1.10/24 ipv6.method disabled; nmcli connection up volatile",
        undo="nmcli connection delete volatile"),
    Row("replaced was made up by NetworkManager", "eth1|/run", edit=ON_ETH1,
        do="ip address add 10.99.1.77/24 dev eth1; for i in $(seq 100); do "
           "nmcli -t -f DEVICE connection show --active | grep -q eth1 && break; sleep 0.05; done",
        undo="ip address flush dev eth1; nmcli connection delete eth1; true"),
    Row("replaced without autoconnect", "autoconnect", edit={"lan": [("autoconnect=true", "autoconnect=false")]}),
    Row("replaced serves several devices", "multi-connect|devices",
        edit={"lan": [("autoconnect=true", "autoconnect=true\nmulti-connect=3")]}),
    Row("replaced for any device", "interface|match|device", edit={"lan": [("interface-name=eth0\n", "")]}),
    Row("replaced by match only", "interface|match|device",
        edit={"lan": [("interface-name=eth0\n", ""), ("[ipv6]", "[match]\ninterface-name=eth0;\n\n[ipv6]")]}),
    Row("replaced is the candidate", "lan", args=("lan", "--replace", "lan")),
    # Nothing clears the autoconnect of a device's last autoconnect profile
    Row("candidate is its device's last autoconnect profile", "autoconnect", args=("wan", "--replace", "none"),
        do="nmcli connection add type ethernet con-name wan ifname eth1 ipv4.method manual ipv4.addresses "
           "10.99.1.10/24 ipv6.method disabled; nmcli -w 5 connection up wan; nmcli connection down wan",
        undo="nmcli connection delete wan"),
    # Controllers and ports
    Row("a controller whose ports are not in the trial", "port|controller", args=("br-new", "--replace", "br-old"),
        do=BRIDGE, undo="nmcli connection delete br-new br-port br-old"),
    Row("a port whose controller is not in the trial", "port.*controller", args=("p", "--replace", "lan"),
        do="nmcli connection add type bridge-slave con-name p ifname eth0 master br9 autoconnect no",
        undo="nmcli connection delete p"),
    Row("... beside a user's own profile, which no boot brings up", "autoconnect", args=("wan", "--replace", "none"),
        do="nmcli connection add type ethernet con-name wan ifname eth1 ipv4.method manual ipv4.addresses "
           "10.99.1.10/24 ipv6.method disabled; nmcli -w 5 connection up wan; nmcli connection down wan; "
           "nmcli connection add type ethernet con-name users ifname eth1 connection.permissions user:root",
        undo="nmcli connection delete wan users"),
    Row("a broken file, whose lines may be secrets", "line 4 is neither", args=("broken",),
        do=f"printf '[connection]\\nid=broken\\n[wifi-security]\\npsk TOPSECRET\\n' >{DIRECTORY}/broken.nmconnection; "
           f"chmod 600 {DIRECTORY}/broken.nmconnection", undo=f"rm {DIRECTORY}/broken.nmconnection"),
    # Secrets that will not be there at boot
    Row("a candidate's secret that only an agent has", "secret|agent|password",
        edit={"good": [("[ipv6]", DOT1X.format(1))]}),
    Row("a candidate's secret that is never saved", "secret|agent|password",
        edit={"good": [("[ipv6]", DOT1X.format(2))]}),
    Row("a candidate's secret that nobody has stored", "psk.*agent",
        edit={"good": [("[ipv6]", "[wifi-security]\nkey-mgmt=wpa-psk\n\n[ipv6]")]}),
    Row("the replaced profile's secret that only an agent has", "secret|agent|password",
        edit={"lan": [("[ipv6]", DOT1X.format(1))]}),
    # Priority
    Row("a priority that cannot go above 999", "priority|999",
        do=f"sed -e s/=good/=third/ -e s/autoconnect=false/autoconnect-priority=999/ -e s/^uuid=./uuid=f/ "
           f"{DIRECTORY}/good.nmconnection >{DIRECTORY}/.third && chmod 600 {DIRECTORY}/.third && "
           f"mv {DIRECTORY}/.third {DIRECTORY}/third.nmconnection && "
           f"nmcli connection load {DIRECTORY}/third.nmconnection && nmcli connection show third",
        undo="nmcli connection delete third"),
    # Trust
    Row("candidate with permissions", "permission", edit={"good": [PERMISSIONS]}),
    Row("replaced with permissions", "permission", edit={"lan": [PERMISSIONS]}),
    Row("candidate that others may write", "writ|mode|chmod", do=f"chmod 0622 {DIRECTORY}/good.nmconnection",
        undo=f"chmod 0600 {DIRECTORY}/good.nmconnection"),
    Row("replaced that others may write", "writ|mode|chmod", do=f"chmod 0620 {DIRECTORY}/lan.nmconnection",
        undo=f"chmod 0600 {DIRECTORY}/lan.nmconnection"),
    Row("replaced that others may read, which NetworkManager does not load", "mode",
        do=f"chmod 0644 {DIRECTORY}/lan.nmconnection", undo=f"chmod 0600 {DIRECTORY}/lan.nmconnection"),
    Row("profiles' directory that others may write", "chmod", do=f"chmod 0777 {DIRECTORY}",
        undo=f"chmod 0755 {DIRECTORY}"),
    Row("candidate of another owner", "own|root", do=f"chown 1:1 {DIRECTORY}/good.nmconnection",
        undo=f"chown 0:0 {DIRECTORY}/good.nmconnection"),
    Row("candidate only in memory", "volatile|memory|disk|/run", args=("volatile",),
        do="nmcli connection add save no type ethernet con-name volatile ifname eth0 autoconnect no ipv4.method "
           "manual ipv4.addresses 10.99.0.20/24 ipv6.method disabled",
        undo="nmcli connection delete volatile"),
    Row("candidate with unsaved changes", "memory|saved|disk|/run",
        do="nmcli connection modify --temporary good +ipv4.addresses 10.99.0.21/24",
        undo="rm -f /run/NetworkManager/system-connections/good*; nmcli connection reload"),
    # Checks that cannot judge
    Row("--check gateway without a gateway", "gateway", args=("good", "--check", "gateway"),
        edit={"good": [NO_GATEWAY]}),
    # Where the record would not survive
    Row("a state directory that a reboot loses", "reboot|tmpfs|storage|/var/lib/nm-trial",
        do="mkdir -p /var/lib/nm-trial; mount -t tmpfs -o mode=0700 tmpfs /var/lib/nm-trial",
        undo="umount /var/lib/nm-trial"),
    Row("a state directory that is an overlay on memory", "/var/lib/nm-trial.*reboot.*overlay",
        do=OVERLAY.format("/var/lib/nm-trial"), undo="umount /var/lib/nm-trial /mnt"),
    Row("a state directory on a volatile overlay, which syncs nothing", "/var/lib/nm-trial.*reboot.*overlay",
        do="mkdir -p /var/lib/nm-trial /var/tmp/upper /var/tmp/work; mount -t overlay overlay -o volatile,"
           "lowerdir=/var/lib/nm-trial,upperdir=/var/tmp/upper,workdir=/var/tmp/work /var/lib/nm-trial",
        undo="umount /var/lib/nm-trial; rm -rf /var/tmp/upper /var/tmp/work"),
    Row("a state directory on a disk that is a file in memory", "reboot",
        do="mount -t tmpfs tmpfs /mnt; truncate -s 8M /mnt/disk; mke2fs -q /mnt/disk; mkdir -p /var/lib/nm-trial; "
           "mount -o loop /mnt/disk /var/lib/nm-trial; chmod 0700 /var/lib/nm-trial",
        undo="umount /var/lib/nm-trial; umount /mnt"),
    Row("a state directory that others may write", "chmod",
        do="mkdir -p /var/lib/nm-trial; chmod 0777 /var/lib/nm-trial", undo="chmod 0700 /var/lib/nm-trial"),
    Row("a state directory in one that others may write", "chmod", do="mkdir -p /var/lib/nm-trial; chmod 0777 /var/lib",
        undo="chmod 0755 /var/lib"),
    Row("a directory of profiles in memory", "system-connections.*reboot",
        do=f"mount -t tmpfs tmpfs /mnt; cp -a {DIRECTORY}/. /mnt; mount -t tmpfs -o mode=0755 tmpfs {DIRECTORY}; "
           f"cp -a /mnt/. {DIRECTORY}", undo=f"umount {DIRECTORY} /mnt"),
    Row("a directory of profiles that is an overlay on memory", "system-connections.*reboot.*overlay",
        do=OVERLAY.format(DIRECTORY), undo=f"umount {DIRECTORY} /mnt"),
]


class Refusals(Case):
    connectivity = True

    def setUp(self):
        super().setUp()
        self.watch.ignore_profiles()  # some rows make the device's profile unfit on purpose

    def prepared(self, row):
        self.device.profile("lan")
        self.candidate()
        for name, changes in row.edit.items():
            text = self.device.profile_path(name).read_text()
            for old, new in changes:
                self.assertIn(old, text)
                text = text.replace(old, new)
            self.device.profile_file(name, text)
        if self.device.active() != "lan":
            self.device.nmcli("connection", "up", "lan")
        if row.do:
            done = self.device.run("sh", "-ec", row.do, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)

    def seen(self):
        return (self.files(), self.device.nmcli("-f", "UUID,ACTIVE-PATH,FILENAME", "connection", "show"),
                self.checkpoints(), self.state())

    def refused(self, says, *arguments):
        before = self.seen()
        dry = self.trial("start", *arguments, "--dry-run", status=4)
        result = self.trial("start", *arguments, status=4)
        self.assertRegex(result.stderr, f"(?i){says}")
        seconds = r"in \d+ s"  # between the two a second may pass
        self.assertEqual(re.sub(seconds, "", dry.stderr), re.sub(seconds, "", result.stderr))
        self.assertEqual(result.stdout, "")
        self.assertNotIn("TOPSECRET", result.stderr)
        after = self.seen()
        for old, new in zip(before, after):
            self.assertEqual(old, new)
        return result.stderr

    def test_every_refusal(self):
        for row in ROWS:
            with self.subTest(refusal=row.name):
                try:
                    self.prepared(row)
                    print(f"{row.name}: {self.refused(row.says, *row.args).strip()}")
                finally:
                    self.trial("cancel", status=(0, 3, 4))
                    wait_for("no trial", lambda: self.state() == "none")
                    if row.undo:
                        self.device.run("sh", "-c", row.undo)

    def test_a_users_own_profiles_refuse_nobody_anything(self):
        """Users may add profiles with permissions: by name, UUID or priority they must not be in the way."""
        uuid = self.candidate()
        for number, name in enumerate(("good", uuid, "lan")):
            text = self.device.profile_text(name, connection="permissions=user:root:;\nautoconnect-priority=999\n")
            text = text.replace(uuid_of(name), f"{number:08}-8a41-4d4e-9e39-9c1f0a6f1c55")
            self.device.profile_file(f"user-{number}", text)
        for words in (["good"], [uuid], ["good", "--replace", "lan"]):
            with self.subTest(words=words):
                self.assertRegex(self.trial("start", *words, "--dry-run").stdout, r'Would try "good".*\n *replaced *lan')

    def test_somebody_elses_checkpoint(self):
        self.candidate()
        self.create_checkpoint(300)
        said = self.refused("checkpoint", "good", "--check", "nm")
        self.assertIn("eth0", said, "it must say whose device")
        self.assertRegex(said, r"\d", "it must say until when")
        self.destroy_checkpoints()

    def test_dry_run_shows_what_would_be_done_and_changes_nothing(self):
        self.candidate()
        before = self.seen()
        shown = self.trial("start", "good", "--dry-run", "--timeout", "77s").stdout
        for word in ("good", "lan", "eth0"):
            self.assertIn(word, shown)
        self.assertEqual(self.seen(), before)

    def test_a_gateway_check_is_refused_only_where_there_is_no_gateway(self):
        self.candidate()
        trial = self.start("good", "--check", "gateway", "--timeout", "20s")
        self.trial("cancel", trial)
        self.assert_reverted(trial, "good", "cancelled")


class NoAgent(Case):
    """Neither systemd nor an agent in the foreground."""
    options = {"trial_agent": "no"}

    def test_it_is_refused(self):
        self.candidate()
        self.before = self.files()
        refused = self.trial("start", "good", status=4)
        self.assertRegex(refused.stderr, "(?i)agent")
        self.assertEqual((self.files(), self.state(), self.device.active()), (self.before, "none", "lan"))
        self.assertEqual(self.checkpoints(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

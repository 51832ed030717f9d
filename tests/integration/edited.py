# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of edits in place and of guarded profiles share: the profile "lan" with a secret, its new content,
and how it must be afterwards."""
from case import Case, wait_for

SECRET = "[wifi-security]\nkey-mgmt=wpa-psk\npsk=the-old-secret\n"
SHADOWS = "/run/NetworkManager/system-connections"
OLD, NEW, BAD = "10.99.0.10/24", "10.99.0.40/24", "10.99.0.41/24"


class Edited(Case):
    def prepare(self):
        text = "# by hand, do not lose\n" + self.device.profile_text("lan").replace("[ipv6]", SECRET + "\n[ipv6]")
        self.device.profile_file("lan", text)
        self.old = self.bytes_of("lan")

    def bytes_of(self, name):
        return self.device.profile_path(name).read_bytes()

    def content(self, address=NEW, gateway="10.99.0.1"):
        """lan's file with another address and another secret."""
        text = self.old.decode().replace(f"{OLD},10.99.0.1", f"{address},{gateway}")
        return text.replace("the-old-secret", "the-new-secret")

    def bad_content(self):
        return self.content(BAD, "10.99.0.254")

    def put(self, text, name="new"):
        """A file in the device for --from; returns its path there."""
        (self.device.disk / "var/tmp" / name).write_text(text)
        return f"/var/tmp/{name}"

    def edit(self, text=None, *options):
        """Starts an edit of lan; returns its id."""
        self.edited.add("lan")
        path = self.put(text or self.content())
        return self.start("--edit", "lan", "--from", path, *options)

    def edit_manual(self, text=None, *options, timeout="60s"):
        trial = self.edit(text, "--confirm", "manual", "--check", "none", "--timeout", timeout, *options)
        self.wait_address(BAD if text and BAD in text else NEW)
        return trial

    def wait_address(self, address):
        wait_for(f"{address} on eth0", lambda: self.addresses() == {address})

    def left(self):
        """Files of lan's UUID beside its own, and tombstones."""
        # The one in /run is there when it was needed once (1.30).
        found = self.device.run("ls", SHADOWS, "/etc/NetworkManager/system-connections", check=False).stdout.split()
        return sorted(name for name in found if "lan" in name and name != "lan.nmconnection" or "nmmeta" in name)

    def shadowed(self):
        return self.device.test(f"test -e {SHADOWS}/lan.nmconnection")

    def assert_old(self, *, exact=True):
        """lan is as it was, on the disk and on the device."""
        self.device.wait_active("lan")
        self.wait_address(OLD)
        if exact:
            self.assertEqual(self.bytes_of("lan"), self.old)
        self.assert_alone()

    def assert_new(self):
        self.device.wait_active("lan")
        self.wait_address(NEW)
        text = self.bytes_of("lan").decode()
        self.assertIn("the-new-secret", text)
        self.assertIn("# by hand, do not lose\n", text)
        self.assertNotIn("nmmeta", text)
        self.assert_alone()

    def assert_alone(self):
        self.assertEqual((self.left(), self.shadowed()), ([], False))
        path = self.device.nmcli("-g", "FILENAME", "connection", "show")
        self.assertIn("/etc/NetworkManager/system-connections/lan.nmconnection", path)

    def assert_boots_old(self):
        self.assert_boots("lan")
        self.assert_old()

    def assert_boots_new(self):
        self.assert_boots("lan")
        self.assert_new()

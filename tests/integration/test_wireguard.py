# SPDX-License-Identifier: LGPL-2.1-or-later
"""WireGuard: a tunnel's keys and peers on trial. It has no gateway to ask, so a check of its own judges it."""
import unittest

from device import uuid_of
from whole_machine import MachineCase, keyfile, path, wait_for

SITE = """\
#!/bin/sh
# The other end of the tunnel "wg0", and the network between the two.
set -e
ip netns add peer
ip link add under0 type veth peer name under1 netns peer
ip address add 10.99.9.2/24 dev under0
ip link set under0 up
exec ip netns exec peer sh -ec '
  ip address add 10.99.9.1/24 dev under1
  ip link set under1 up
  ip link add wg1 type wireguard
  ip address add 10.99.10.1/24 dev wg1
  wg setconf wg1 /etc/site/wg1
  ip link set wg1 up'
"""
PEER = """\
[Interface]
ListenPort=51820
PrivateKey={peer}
[Peer]
PublicKey={old_public}
AllowedIPs=10.99.10.10/32
[Peer]
PublicKey={new_public}
PresharedKey={shared}
AllowedIPs=10.99.10.20/32
"""
PROFILE = """\
[connection]
id={name}
uuid={uuid}
type=wireguard
interface-name=wg0
autoconnect={autoconnect}

[wireguard]
# a comment
{private}

[wireguard-peer.{peer}]
endpoint=10.99.9.1:51820
allowed-ips=10.99.10.0/24;
{shared}

[ipv4]
method=manual
address1=10.99.10.{host}/24

[ipv6]
method=disabled
"""
CHECK = """\
#!/bin/sh
exec busybox ping -c 1 -W 2 -I "$NM_TRIAL_IFACE" 10.99.10.1
"""


class WireGuard(MachineCase):
    interface = "wg0"

    @classmethod
    def site(cls):
        made = cls.machine.run("sh", "-ec", "for n in 1 2 3 4; do wg genkey | tee /dev/stderr | wg pubkey; done; wg genpsk")
        names = ("peer", "old", "new", "nobody")
        *public, shared = made.stdout.split()
        cls.key = {"shared": shared, **dict(zip(names, made.stderr.split())),
                   **{f"{name}_public": key for name, key in zip(names, public)}}
        return {"/etc/site/wg1": PEER.format(**cls.key), "/etc/site/site": SITE,
                "/etc/nm-trial/check.d/tunnel": CHECK, path("lan"): cls.tunnel("lan", autoconnect=True)}

    @classmethod
    def tunnel(cls, name, *, autoconnect=False, peer="peer_public", **more):
        values = {"private": f"private-key={cls.key['old']}", "shared": "", "host": 10, **more}
        return PROFILE.format(name=name, uuid=uuid_of(name), autoconnect=str(autoconnect).lower(), peer=cls.key[peer],
                              **values)

    def new_keys(self, **more):
        values = {"private": f"private-key={self.key['new']}", "host": 20,
                  "shared": f"preshared-key={self.key['shared']}\npreshared-key-flags=0"}
        return {**values, **more}

    def passes(self):
        """Whether the other end of the tunnel answers."""
        return self.machine.run("env", "NM_TRIAL_IFACE=wg0", "/etc/nm-trial/check.d/tunnel", check=False).returncode == 0

    def test_a_wrong_peer(self):
        text = self.tunnel("new", peer="nobody_public", **self.new_keys())
        self.store("new", text)
        trial_id = self.start("new", "--check", "tunnel", "--hold", "2s", "--timeout", "15s")
        self.assert_reverted(trial_id, "new", "check-failed")
        self.assertEqual(keyfile.without_flags(self.text("new").encode()), keyfile.without_flags(text.encode()))
        wait_for("the tunnel", self.passes)

    def test_the_right_keys_and_the_next_boot(self):
        text = self.tunnel("new", **self.new_keys())
        self.store("new", text)
        trial_id = self.start("new", "--check", "tunnel", "--hold", "2s", "--timeout", "10m")
        self.wait_end(trial_id, "promoted", "checks-passed")
        self.cut_and_boot()
        self.wait_active("new")
        wait_for("the tunnel", self.passes)
        self.assert_flags("new", on=True, state="promoted")
        self.assert_flags("lan", on=False)
        self.assertEqual(keyfile.without_flags(self.text("new").encode()), keyfile.without_flags(text.encode()))

    def edit(self, text, *options):
        self.machine.write({"/var/tmp/edit": text})
        return self.start("--edit", "lan", "--from", "/var/tmp/edit", *options)

    def test_an_edit_with_the_right_keys(self):
        text = self.tunnel("lan", autoconnect=True, **self.new_keys())
        self.wait_end(self.edit(text, "--check", "tunnel", "--hold", "2s", "--timeout", "10m"), "promoted", "checks-passed")
        self.wait_active("lan")
        wait_for("the tunnel", self.passes)
        self.assertEqual(keyfile.without_flags(self.text("lan").encode()), keyfile.without_flags(text.encode()))

    def test_an_edit_with_a_wrong_key(self):
        before = self.text("lan")
        text = self.tunnel("lan", autoconnect=True, private=f"private-key={self.key['nobody']}")
        trial_id = self.edit(text, "--check", "tunnel", "--hold", "2s", "--timeout", "15s")
        self.wait_end(trial_id, "reverted", "check-failed")
        self.wait_active("lan")
        wait_for("the tunnel", self.passes)
        self.assertEqual(self.text("lan"), before)

    def test_keys_that_only_an_agent_has(self):
        for words in ({"private": "private-key-flags=1"}, {"shared": "preshared-key-flags=1"}):
            self.store("new", self.tunnel("new", **self.new_keys(**words)))
            before = self.text("new") + self.text("lan")
            refused = self.trial("start", "new", "--confirm", "manual", "--check", "none", status=4)
            self.assertIn("-key", refused.stderr)
            self.assertEqual(self.text("new") + self.text("lan"), before)
        self.assertEqual((self.status()["state"], self.history()), ("none", []))


class WireGuardLong(WireGuard):
    def test_a_power_cut(self):
        self.store("new", self.tunnel("new", **self.new_keys()))
        trial_id = self.start_manual("new")
        self.wait_active("new")
        self.assert_power_cut(trial_id, "new")
        wait_for("the tunnel", self.passes)


if __name__ == "__main__":
    unittest.main(verbosity=2)

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices that Ansible reaches over ssh, as a fleet's are: each has an sshd, and a network of its own, in which ssh runs
to get to it."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from case import Case, Device, uuid_of

ANSIBLE = pathlib.Path(__file__).resolve().parents[2] / "packaging/ansible"
HOME = "var/lib/root"  # root's: what Ansible leaves there is the device's
SSHD = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile none
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
SetEnv PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
"""
CANDIDATE = """\
[connection]
id=lan-new
uuid={{ uuid }}
type=ethernet
interface-name=eth0

[ethernet]

[wifi-security]
key-mgmt=wpa-psk
psk={{ psk }}

[ipv4]
method=manual
address1={{ new_address }}/24,{{ gateway }}

[ipv6]
method=disabled
"""
SECRET = "the-fleets-secret"
RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.M)


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


class Fleet(Case):
    """`self.devices` by their names in the inventory; the first one is the Case's own."""
    size = 1
    lan = False  # each has an address of its own

    def prepare(self):
        self.desk = pathlib.Path(tempfile.mkdtemp(prefix="fleet-"))  # the operator's
        self.addCleanup(shutil.rmtree, self.desk)
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.desk / "key")
        (self.desk / "templates").mkdir()
        (self.desk / "templates/lan-new.nmconnection.j2").write_text(CANDIDATE)
        shutil.copy(ANSIBLE / "rollout.yml", self.desk)
        (self.desk / "ansible.cfg").write_text(f"[defaults]\nroles_path={ANSIBLE}/roles\nforks={self.size}\n"
                                               "[ssh_connection]\npipelining=true\n")
        self.own.add("lan-new")
        self.devices = {"gw-0": self.device}
        self.settings = {}  # of single devices, by name
        for number in range(1, self.size):
            device = self.devices[f"gw-{number}"] = Device(f"{self.device.dir.name}-{number}")
            self.addCleanup(device.destroy)
            device.create(self.device.dir / "sbin/nm-trial")
        for number, (name, device) in enumerate(self.devices.items()):
            device.profile("lan", address=f"10.99.0.{10 + number}/24")
            self.admit(name, device)
            self.settings[name] = {"ansible_host": f"10.99.0.{10 + number}", "new_address": f"10.99.0.{30 + number}"}

    def admit(self, name, device):
        """sshd's part of a device's disk, and the way there."""
        etc = device.disk / "etc"
        (device.disk / HOME).mkdir(mode=0o700)
        passwd = (etc / "passwd").read_text()
        (etc / "passwd").write_text(re.sub(r"^root:.*$", f"root:x:0:0::/{HOME}:/bin/sh", passwd, flags=re.M))
        (etc / "shadow").write_text("root:*:::::::\n")  # else nss-systemd says that root is locked
        (etc / "ssh").mkdir()
        (etc / "ssh/sshd_config").write_text(SSHD)
        shutil.copy(self.desk / "key.pub", etc / "ssh/authorized_keys")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", etc / "ssh/host_key")
        with open(self.desk / "known_hosts", "a", encoding="ascii") as known:
            known.write(f"{name} {(etc / 'ssh/host_key.pub').read_text()}")

    def setUp(self):
        super().setUp()
        for name, device in self.devices.items():
            if device is not self.device:
                device.boot()
                device.wait_active("lan")
            device.run("sh", "-c", "mkdir -p /run/sshd && /usr/sbin/sshd")
            ssh = self.desk / f"ssh-{name}"
            ssh.write_text(f'#!/bin/sh\nexec nsenter -t {device._world_pid()} -n ssh "$@"\n')
            ssh.chmod(0o755)

    def inventory(self):
        hosts = {name: {"ansible_ssh_executable": str(self.desk / f"ssh-{name}"), **settings}
                 for name, settings in self.settings.items()}
        return {"gateways": {"hosts": hosts, "vars": {
            "ansible_user": "root", "ansible_ssh_private_key_file": str(self.desk / "key"),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.desk}/known_hosts "
                                       "-o HostKeyAlias={{ inventory_hostname }} -o ConnectTimeout=3",
            "uuid": uuid_of("lan-new"), "psk": SECRET, "gateway": "10.99.0.1",
            "nm_trial_timeout": 120, "nm_trial_reach": 60}}}

    def rollout(self, *options, status=0, batches="100%", **settings):
        """Runs README's playbook on the fleet; returns what Ansible said, and each device's numbers."""
        inventory = self.inventory()
        inventory["gateways"]["vars"].update(settings)
        (self.desk / "inventory.json").write_text(json.dumps(inventory))
        result = subprocess.run(["ansible-playbook", "-i", "inventory.json", "rollout.yml", "--extra-vars",
                                 json.dumps({"batches": batches}), *options], cwd=self.desk,
                                check=False, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
                                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(self.desk)})
        said = result.stdout + result.stderr
        self.assertEqual(result.returncode, status, said)
        self.assertNotIn(SECRET, said)
        numbers = {host: {key: int(value) for key, value in (pair.split("=") for pair in found.split())}
                   for host, found in RECAP.findall(said.partition("PLAY RECAP")[2])}
        return said, numbers

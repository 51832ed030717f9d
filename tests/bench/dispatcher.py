# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dispatcher's script: what an event costs that is none of its business, and a thousand of them in a trial."""
import contextlib
import pathlib
import shutil
import statistics
import tempfile

from measure import HERE, PATH, STRACE, Row, Trace, in_turn, instructions, run, timed

SCRIPT = HERE.parents[1] / "dispatcher/90-nm-trial"
ACTIONS = ("pre-up", "up", "down", "dhcp4-change", "connectivity-change", "reapply", "hostname")
RUNS = 5  # a run of a script is too short to stand for itself
# As nm-cloud-setup's own: for some events, a question to systemd, and a unit that is told
CLOUD = """\
#!/bin/sh
case $2 in
up | dhcp4-change)
  if systemctl --quiet is-active bench-none.service; then
    systemctl --no-block reload bench-none.service
  fi
  ;;
esac
"""
SCRIPTS = {"empty script": "#!/bin/sh\n", "cloud-setup's shape": CLOUD}
# 30 lines, as a profile of some size has them, and not a word of ours
PROFILE = """\
[connection]
id=lan
uuid=7c7a1f5e-51a7-4b0e-9a51-6d9f1f4f4c11
type=ethernet
interface-name=eth0
timestamp=1700000000

[ethernet]
mac-address=02:00:00:00:00:10
mtu=1500

[ipv4]
address1=10.99.0.10/24,10.99.0.1
address2=10.99.2.10/24
address3=10.99.3.10/24
address4=10.99.4.10/24
dns=10.99.0.1;
dns-search=example.org;
method=manual
route1=10.99.8.0/24,10.99.0.2
route2=10.99.9.0/24,10.99.0.2

[ipv6]
addr-gen-mode=default
ip6-privacy=0
method=auto
route-metric=100

[proxy]
method=auto
"""


@contextlib.contextmanager
def place():
    """The scripts and the profile, and the words that run something where no trial is open."""
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        scripts = {"nm-trial": top / "90-nm-trial"}
        shutil.copy(SCRIPT, scripts["nm-trial"])
        for number, (peer, text) in enumerate(SCRIPTS.items()):
            scripts[peer] = top / f"{number}"
            scripts[peer].write_text(text, encoding="ascii")
            scripts[peer].chmod(0o755)
        (top / "lan.nmconnection").write_text(PROFILE, encoding="ascii")
        (top / "var").mkdir()
        inside = ["unshare", "--mount", "sh", "-c", f'mount --bind {top}/var /var/lib && exec "$@"', "sh",
                  "env", "-i", f"PATH={PATH['PATH']}", f"CONNECTION_FILENAME={top}/lan.nmconnection",
                  "CONNECTION_UUID=7c7a1f5e-51a7-4b0e-9a51-6d9f1f4f4c11"]
        yield top, scripts, inside


def began(top, inside, script, action):
    """The processes and programs that a script starts, beside itself."""
    run([*inside, *STRACE, top / "trace", "-e", "trace=process", script, "eth0", action], status=None)
    return Trace.read(top / "trace").count("fork", "vfork", "clone", "clone3", "execve") - 1


def counts():
    found = {}
    with place() as (top, scripts, inside):
        for action in ("up", "down", "dhcp4-change"):
            script = scripts["nm-trial"]
            found[f"event {action}: instructions"] = instructions(["/bin/sh", script, "eth0", action], inside)
        found["event, any: processes"] = sum(began(top, inside, scripts["nm-trial"], action) for action in ACTIONS)
    return found


def rows(rounds):
    with place() as (top, scripts, inside):
        for action in ACTIONS:
            def way(script):
                """CPU time, of the kernel too: other processes of the machine take none of it."""
                return lambda: statistics.median(cpu for *_, cpu in timed(RUNS, [script, "eth0", action], inside))
            taken = in_turn(3 * rounds, **{name: way(script) for name, script in scripts.items()})
            for peer in SCRIPTS:
                goal = 1.3 if action == "up" else 1.15
                yield Row(f"event {action}, no trial open", "us CPU", taken["nm-trial"], peer, taken[peer],
                          goal if peer == "empty script" else None)
        started = sum(began(top, inside, scripts["nm-trial"], action) for action in ACTIONS)
        yield Row("all these events: processes started", "", [started], goal=0)
        one = {name: [instructions(["/bin/sh", script, "eth0", "up"], inside)] for name, script in scripts.items()}
        yield Row("event up: instructions", "", one["nm-trial"], "empty script", one["empty script"])

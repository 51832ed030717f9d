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
RUNS = 15  # a run of a script is too short to stand for itself
SCRIPTS = {
    "empty script": "#!/bin/sh\n",
    # as NetworkManager's own example of a service for some events has it: a case, and a question to systemd
    "cloud-setup's shape": '#!/bin/sh\ncase $2 in\nup | dhcp4-change)\n  if systemctl --quiet is-active bench-none.service; '
                         "then\n    systemctl --no-block reload bench-none.service\n  fi\n  ;;\nesac\n",
}
# 30 lines, as a profile of some size has them, and not a word of ours
PROFILE = "[connection]\nid=lan\nuuid=7c7a1f5e-51a7-4b0e-9a51-6d9f1f4f4c11\ntype=ethernet\ninterface-name=eth0\n" \
    "timestamp=1700000000\n\n[ethernet]\nmac-address=02:00:00:00:00:10\nmtu=1500\n\n[ipv4]\n" \
    + "".join(f"address{i}=10.99.{i}.10/24\n" for i in range(1, 9)) \
    + "dns=10.99.0.1;\ndns-search=example.org;\nmethod=manual\n\n[ipv6]\naddr-gen-mode=default\nip6-privacy=0\n" \
      "method=auto\n\n[proxy]\n"


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
            taken = in_turn(rounds, **{name: way(script) for name, script in scripts.items()})
            for peer in SCRIPTS:
                goal = 1.3 if action == "up" else 1.15
                yield Row(f"event {action}, no trial open", "us CPU", taken["nm-trial"], peer, taken[peer], goal)
        started = sum(began(top, inside, scripts["nm-trial"], action) for action in ACTIONS)
        yield Row("all these events: processes started", "", [started], goal=0)
        one = {name: [instructions(["/bin/sh", script, "eth0", "up"], inside)] for name, script in scripts.items()}
        yield Row("event up: instructions", "", one["nm-trial"], "empty script", one["empty script"])

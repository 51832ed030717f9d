#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The promises, asked of a disk: the one oracle of every crash campaign, simulated or real.

It knows the files as NetworkManager reads them at a boot, and nothing of how nm-trial writes them. A campaign says once
what the device had (a Story), then shows it every disk that a cut may leave; judge() answers with the broken promises.
As a program it reads that from standard input, one JSON object a line, and prints each broken promise with the `replay`
of its line; `--help` tells the form."""
import base64
import collections
import functools
import hashlib
import json
import re
import sys
import urllib.parse

PROFILES = "etc/NetworkManager/system-connections/"
STATE = "var/lib/nm-trial/"
RECORD = STATE + "trial"
PLACES = (PROFILES, STATE)
FLAGS = ("autoconnect", "autoconnect-priority", "timestamp")  # ours, and what NetworkManager writes and ignores

USAGE = """invariants.py <LINES: judges disks. The first line is a story, each other line a disk:

{"devices": {"eth0": {"good": "lan", "candidate": "new"}}, "files": {PATH: BASE64}}
    the files as they were before the trial, PATH without a leading slash; `good` and `candidate` are profiles' ids.
    "content": BASE64 in place of "candidate": an edit in place, good's new content
    "good": null: the device has no network, and is to have none again
    "stores": [PATH] beside "devices": files that the trial itself makes, with what is on trial and autoconnect off
    "hands": [PATH] beside "devices": files that somebody else changes meanwhile; they need not stay as they were
{"replay": ANY, "moment": "cut"|"end", "answered": null|"stage"|"confirm"|"cancel", "files": {PATH: BASE64}}
    `cut`: what a power cut left; `end`: after recovery. "answered": which command had answered 0 by then."""


class Broken(collections.namedtuple("Broken", "promise text")):
    def __str__(self):
        return f"promise {self.promise}: {self.text}"


@functools.lru_cache(maxsize=4096)
def parse(data):
    """A profile's file as GKeyFile has it: ((section, key), value) pairs. None: NetworkManager refuses it. A file that
    was cut off in the middle of a line is refused; one cut off between lines is not, and lacks the rest."""
    found, section = {}, None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    for line in text.split("\n"):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section is None or "=" not in line:
            return None
        else:
            key, _, value = line.partition("=")
            found[section, key.strip()] = value.strip()
    if not found.get(("connection", "uuid")) or not found.get(("connection", "type")):
        return None
    return found


def autoconnect(profile):
    """What NetworkManager cannot interpret is the default, on."""
    return profile.get(("connection", "autoconnect"), "true") not in ("false", "0")


def priority(profile):
    return int(profile.get(("connection", "autoconnect-priority"), "0"))


def content(profile):
    """All but what nm-trial may change, and what says nothing."""
    return frozenset((key, value) for key, value in profile.items()
                     if not (key[0] == "connection" and key[1] in FLAGS) and key[0] != ".nmmeta" and
                     not (key[0] == "user" and key[1].startswith("nm-trial.")))


def loaded(name):
    """Whether NetworkManager reads a file of that name in /etc. Its own temporary ones end in six characters."""
    return not (name.startswith(".") or name.endswith("~") or name.endswith(".nmmeta") or "/" in name or
                re.search(r"\.nmconnection\.[A-Za-z0-9]{6}$", name))


def profiles(files):
    """What NetworkManager has after a boot from these files, by UUID: /run is empty then. Of several files of one UUID
    no one can say which wins without their times, so all of them must be right: a list each."""
    found = collections.defaultdict(list)
    hidden = {path.removeprefix(PROFILES).removesuffix(".nmmeta") for path in files
              if path.startswith(PROFILES) and path.endswith(".nmmeta")}
    for path, data in files.items():
        name = path.removeprefix(PROFILES)
        profile = parse(data) if path.startswith(PROFILES) and loaded(name) else None
        if profile and profile["connection", "uuid"] not in hidden:
            found[profile["connection", "uuid"]].append(profile)
    return found


def boots(files, device):
    """The profiles that a boot may bring up on the device: of those with autoconnect the ones of the highest priority
    (beyond that NetworkManager goes by times and UUIDs, so each of them must be right)."""
    ready = [profile for same in profiles(files).values() for profile in same if autoconnect(profile) and
             profile.get(("connection", "interface-name"), device) == device]
    highest = max(map(priority, ready), default=0)
    return [profile for profile in ready if priority(profile) == highest]


def _known_good(data):
    """(path, content) of what is remembered of a guarded profile, None: there is none."""
    words = dict(line.partition(b"=")[::2] for line in data.split(b"\n"))
    if not words.get(b"content") or not words.get(b"path", b"").startswith(b"file:///"):
        return None
    return urllib.parse.unquote(words[b"path"].removeprefix(b"file:///").decode()), base64.b64decode(words[b"content"])


def put_back(files):
    """The files as `nm-trial boot` hands them to NetworkManager: guarded profiles that somebody has changed are as they
    are known to be good. (It ends the trial first; judge() has that by the record's state.)"""
    now = dict(files)
    for path, data in files.items():
        known = _known_good(data) if path.startswith(STATE + "good/") and "/." not in path else None
        if known:
            there, good = parse(now.get(known[0], b"")), parse(known[1])
            if good and (there is None or content(there) != content(good)):
                now[known[0]] = known[1]
    return now


class Story:
    """What the device had before, and what is on trial: `devices`, `stores` and `hands` as in USAGE, `files` by path as
    bytes."""

    def __init__(self, devices, files, stores=(), hands=()):
        self.devices, self.files, self.stores, self.hands = devices, files, stores, hands
        self.good, self.new = {}, {}
        for device, words in devices.items():
            self.good[device] = content(self._named(words["good"])) if words["good"] else None
            edited = base64.b64decode(words["content"]) if "content" in words else None
            self.new[device] = content(parse(edited) if edited else self._named(words["candidate"]))
        self.own = {path for path, data in files.items() if path.startswith(PROFILES) and parse(data) and
                    any(content(parse(data)) in (self.good[device], self.new[device]) for device in devices)}

    def _named(self, name):
        return next(profile for path, data in self.files.items() if path.startswith(PROFILES)
                    for profile in [parse(data)] if profile and profile["connection", "id"] == name)

    def side(self, files, device):
        """"good" or "new": what a boot brings up there; None: nothing, or something else, or both may come."""
        found = {content(profile) for profile in boots(files, device)} or {None}
        return "good" if found == {self.good[device]} else "new" if found == {self.new[device]} else None


def record(files):
    """The state in the record: none, trying, promoting, reverting; unreadable."""
    data = files.get(RECORD)
    if data is None:
        return "none"
    head, _, body = data.partition(b"\n")
    words = head.split()
    if len(words) != 4 or words[3].decode(errors="replace") != hashlib.sha256(body).hexdigest():
        return "unreadable"
    return next((line[6:].decode() for line in body.split(b"\n") if line.startswith(b"state=")), "unreadable")


def promotions(files):
    """How many promoted trials the history tells of."""
    return files.get(STATE + "history", b"").count(b'"promoted"')


def _never_lost(story, files, state):
    tested = state == "promoting" or (state == "none" and promotions(files) > promotions(story.files))
    for device in story.devices:
        side = story.side(files, device)
        if side is None:
            yield Broken(1, f"{device} comes up with "
                         f"{[profile['connection', 'id'] for profile in boots(files, device)]} (record: {state})")
        elif side == "new" and not tested:
            yield Broken(1, f"{device} comes up with what is untested (record: {state})")


def _at_the_end(story, files, state, answered):
    sides = {story.side(files, device) for device in story.devices}
    if len(sides) > 1:
        yield Broken(2, f"a mix: {sides}")
    if promotions(files) > promotions(story.files) and sides != {"new"}:
        yield Broken(2, f"the history tells of a promotion, but the devices have {sides}")
    if state != "none":
        yield Broken(6, f"recovery has not ended (record: {state})")
    if answered == "confirm" and sides != {"new"}:
        yield Broken(4, "a confirm had answered, and the old profile is back")
    if answered == "cancel" and sides != {"good"}:
        yield Broken(4, "a cancel had answered, and the candidate is there")
    for path in files:
        name = path.rpartition("/")[2]
        if path.startswith((PROFILES, STATE)) and name.startswith("."):
            yield Broken(7, f"{path} is left over")


def _untouched(story, files, answered):
    for path, old in story.files.items():
        now = files.get(path)
        if path.startswith(STATE) or path in story.hands:
            continue
        if now is None:
            if answered or path not in story.stores:
                yield Broken(7, f"{path} is gone")
        elif path not in story.own and now != old:
            yield Broken(7, f"{path} was touched")
        elif path in story.own and (parse(now) is None or
                                    content(parse(now)) not in {*story.good.values(), *story.new.values()}):
            yield Broken(7, f"{path} has another content")
    for path in files:
        if path.startswith(PROFILES) and path not in story.files and loaded(path.removeprefix(PROFILES)):
            stored = parse(files[path]) if path in story.stores else None
            if not stored or content(stored) not in story.new.values():
                yield Broken(7, f"{path} is new")


def judge(story, files, *, moment="cut", answered=None):
    """The promises that these files break. `moment`: "cut", what a power cut left, or "end", after recovery. `answered`:
    the last command that had answered 0 before the cut."""
    state = record(files)
    booting = put_back(files) if moment == "cut" else files  # at the end that has been done
    broken = [*_never_lost(story, booting, state), *_untouched(story, files, answered)]
    if moment == "end":
        broken += _at_the_end(story, files, state, answered)
    return broken


def files_below(root, places=PLACES):
    """The files of a real tree that count, as judge() takes them."""
    return {str(path.relative_to(root)): path.read_bytes() for place in places
            for path in sorted((root / place).rglob("*")) if path.is_file() and not path.is_symlink()}


def _decoded(files):
    return {path: base64.b64decode(data) for path, data in files.items()}


def main():
    if len(sys.argv) > 1:
        print(USAGE)
        return 0 if sys.argv[1] == "--help" else 2
    story, disks, failed = None, 0, 0
    for line in sys.stdin:
        words = json.loads(line)
        if story is None or "devices" in words:
            story = Story(words["devices"], _decoded(words["files"]), words.get("stores", ()), words.get("hands", ()))
            continue
        disks += 1
        broken = judge(story, _decoded(words["files"]), moment=words["moment"], answered=words.get("answered"))
        failed += bool(broken)
        for each in broken:
            print(f"{words['replay']}: {each}")
    print(f"{disks} disks, {failed} with a broken promise")
    return 1 if failed or not disks else 0


if __name__ == "__main__":
    sys.exit(main())

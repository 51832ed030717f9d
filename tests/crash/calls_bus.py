#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A system bus in between, which does one fault at the N-th method call that its clients send:

    calls_bus.py SOCKET LOG FAULT N

It runs in the device, hands every message on as it came, and notes the calls in LOG, one line each. FAULT:
  none
  caller-dies, caller-dies-answered     the client is killed at the call, or when its answer has come
  nm-dies, nm-dies-answered             NetworkManager is; in the second case it did what was asked, and nobody knows
  nm-hangs                              NetworkManager is stopped for 4 s: longer than any call may take
  refused, gone                         the answer is an error, the call never gets there
  lost                                  the call is done, its answer never comes
  closed                                the connection to the bus ends"""
import os
import signal
import socket
import struct
import sys
import threading

BUS = "/run/dbus/system_bus_socket"
CALL, REPLY, ERROR = 1, 2, 3
BEGIN = b"l"  # of a message: little endian, as all are on one machine
HANGS_S = 4.0
FAILED = "org.freedesktop.DBus.Error."
# fields of a header that are looked at, and those that are skipped have the same few types
INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = 2, 3, 4, 5, 6, 7, 8
FAULTS = ("caller-dies", "caller-dies-answered", "nm-dies", "nm-dies-answered", "nm-hangs", "refused", "gone", "lost",
          "closed")


class Message:
    def __init__(self, data):
        self.data = data
        self.order = "<" if data[:1] == b"l" else ">"
        self.type = data[1]
        self.serial, length = struct.unpack(self.order + "II", data[8:16])
        self.fields = dict(self._fields(16, 16 + length))

    def _fields(self, at, end):
        while at < end:
            at = (at + 7) & ~7
            code, kind = self.data[at], chr(self.data[at + 2])
            at += 4
            if kind == "g":
                yield code, self.data[at + 1:at + 1 + self.data[at]].decode()
                at += 2 + self.data[at]
                continue
            at = (at + 3) & ~3
            number, = struct.unpack_from(self.order + "I", self.data, at)
            at += 4
            if kind == "u":
                yield code, number
            else:
                yield code, self.data[at:at + number].decode()
                at += number + 1

    def of(self, code):
        return self.fields.get(code, "")

    def __str__(self):
        return f"{self.of(INTERFACE)}.{self.of(MEMBER)} to {self.of(DESTINATION)}"


def split(buffer):
    """Takes whole messages off the front of the buffer."""
    while len(buffer) >= 16:
        order = "<" if buffer[:1] == b"l" else ">"
        body, _, fields = struct.unpack(order + "III", buffer[4:16])
        size = 16 + ((fields + 7) & ~7) + body
        if len(buffer) < size:
            return
        yield Message(bytes(buffer[:size]))
        del buffer[:size]


def string(text):
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def error_for(call, name):
    """The answer that the other side never gave."""
    fields = b""
    for code, kind, value in ((ERROR_NAME, b"s", string(FAILED + name)), (SENDER, b"s", string(call.of(DESTINATION))),
                              (SIGNATURE, b"g", b"\1s\0"), (REPLY_SERIAL, b"u", struct.pack("<I", call.serial))):
        fields += b"\0" * (-len(fields) % 8) + bytes([code, 1]) + kind + b"\0" + value
    body = string("by the campaign")
    head = struct.pack("<cBBBIII", b"l", ERROR, 1, 1, len(body), 0x7fff0000, len(fields))
    return head + fields + b"\0" * (-len(fields) % 8) + body


def nm_pid():
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm", encoding="ascii") as comm:
                if comm.read() == "NetworkManager\n":
                    return int(entry)
        except OSError:
            continue
    return None


def signal_nm(number):
    pid = nm_pid()
    if pid:
        os.kill(pid, number)


class Fault:
    """Counts the calls of all clients."""

    def __init__(self, log, name, at):
        self.log, self.name, self.at = open(log, "w", encoding="utf-8", buffering=1), name, at
        self.n, self.lock = 0, threading.Lock()

    def call(self, message):
        """The fault that this call is to suffer, or None."""
        with self.lock:
            self.n += 1
            now = self.n == self.at
            print(f"{self.n} {message}{' !' if now else ''}", file=self.log)
        return self.name if now else None


class Client:
    """One connection: two threads, one for each direction."""

    def __init__(self, client, fault):
        self.client, self.fault, self.awaited = client, fault, None
        self.pid, = struct.unpack_from("i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.bus = socket.socket(socket.AF_UNIX)
        self.bus.connect(BUS)
        for run in (self.from_client, self.from_bus):
            threading.Thread(target=run, daemon=True).start()

    def end(self):
        for each in (self.client, self.bus):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def pump(self, source, handle):
        try:
            while data := source.recv(65536):
                handle(data)
        except OSError:
            pass
        self.end()

    def from_client(self):
        self.pump(self.client, self.both(self.bus, self.to_bus))

    def from_bus(self):
        self.pump(self.bus, self.both(self.client, self.to_client))

    @staticmethod
    def both(other, handle_message):
        """Hands on the lines with which either side begins, which no message begins like; then messages alone."""
        buffer = bytearray()

        def handle(data):
            buffer.extend(data)
            while buffer and buffer[:1] != BEGIN and b"\n" in buffer:
                line, end, rest = bytes(buffer).partition(b"\n")
                other.sendall(line + end)
                buffer[:] = rest
            if buffer[:1] == BEGIN:
                for message in split(buffer):
                    handle_message(message)
        return handle

    def to_bus(self, message):
        what = self.fault.call(message) if message.type == CALL else None
        if what == "caller-dies":
            os.kill(self.pid, signal.SIGKILL)
            return
        if what in ("refused", "gone"):
            self.client.sendall(error_for(message, "Failed" if what == "refused" else "UnknownObject"))
            return
        if what == "closed":
            self.end()
            return
        if what == "nm-dies":
            signal_nm(signal.SIGKILL)
        if what == "nm-hangs":
            signal_nm(signal.SIGSTOP)
            threading.Timer(HANGS_S, signal_nm, [signal.SIGCONT]).start()
        if what in ("caller-dies-answered", "nm-dies-answered", "lost"):
            self.awaited = (what, message)
        self.bus.sendall(message.data)

    def to_client(self, message):
        if self.awaited and message.type in (REPLY, ERROR) and message.of(REPLY_SERIAL) == self.awaited[1].serial:
            what, call = self.awaited
            self.awaited = None
            if what == "caller-dies-answered":
                os.kill(self.pid, signal.SIGKILL)
            if what == "nm-dies-answered":
                signal_nm(signal.SIGKILL)
                self.client.sendall(error_for(call, "NoReply"))
            return
        self.client.sendall(message.data)


def main():
    path, log, name, at = sys.argv[1:]
    fault = Fault(log, name, int(at))
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        Client(server.accept()[0], fault)


if __name__ == "__main__":
    main()

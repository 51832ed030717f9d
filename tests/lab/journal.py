#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's journald: reads sd-journal's native protocol on SOCKET and appends one JSON object a line to FILE.

Only the reading side of systemd's documented "Native Journal Protocol"; entries too large for a datagram
arrive as a file descriptor. A time of arrival is added, as journald does (__REALTIME_TIMESTAMP, in us)."""
import array
import json
import os
import socket
import sys
import time


def parse(data):
    """Fields of one entry; a field given twice keeps its last value, which is enough for the lab."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals and line:
            size = int.from_bytes(data[:8], "little")
            value, data = data[8:8 + size], data[8 + size + 1:]
        if line:
            fields[name.decode("ascii", "replace")] = value.decode("utf-8", "surrogateescape")
    return fields


def main():
    path, output = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(path)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    with open(output, "a", encoding="ascii") as journal:
        while True:
            data, ancillary, _, _ = server.recvmsg(1 << 20, 4096)
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors = array.array("i")
                    descriptors.frombytes(content[:len(content) // 4 * 4])
                    for fd in descriptors:
                        data = os.pread(fd, os.fstat(fd).st_size, 0)
                        os.close(fd)
            entry = parse(data)
            entry["__REALTIME_TIMESTAMP"] = time.time_ns() // 1000
            journal.write(json.dumps(entry) + "\n")
            journal.flush()


if __name__ == "__main__":
    main()

"""A slow wire: hands frames on between two network interfaces, each after a while, in the order in which they came.

usage: netdelay.py INTERFACE INTERFACE LEAST_MS MOST_MS

Says "up" when it does, and goes on until it is killed. Frames travel with the kernel's own note on checksums and
segments to come (PACKET_VNET_HDR), so that offloading interfaces need no other settings.
"""

import collections
import random
import select
import socket
import sys
import time

ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
FRAME_MAX = 65536 + 64
KEPT_MAX = 20000  # frames; what comes beyond is lost, as at a full switch


def open_interface(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.bind((name, ETH_P_ALL))
    s.setblocking(False)
    return s


class Way:
    """One direction."""

    def __init__(self, source, target, least, most):
        self.source, self.target, self.least, self.most = source, target, least, most
        self.kept = collections.deque()  # (when due, frame)

    def take(self, now):
        try:
            while True:
                frame = self.source.recv(FRAME_MAX)
                due = now + random.uniform(self.least, self.most)
                if self.kept:
                    due = max(due, self.kept[-1][0])
                if len(self.kept) < KEPT_MAX:
                    self.kept.append((due, frame))
        except BlockingIOError:
            pass

    def give(self, now):
        while self.kept and self.kept[0][0] <= now:
            try:
                self.target.send(self.kept[0][1])
            except BlockingIOError:
                return
            self.kept.popleft()

    def due(self, now):
        return max(0.0, self.kept[0][0] - now) if self.kept else None


def main(first, second, least_ms, most_ms):
    a, b = open_interface(first), open_interface(second)
    least, most = float(least_ms) / 1000, float(most_ms) / 1000
    ways = [Way(a, b, least, most), Way(b, a, least, most)]
    print("up", flush=True)
    while True:
        now = time.monotonic()
        select.select([a, b], [], [], min((d for w in ways if (d := w.due(now)) is not None), default=None))
        for way in ways:
            way.take(time.monotonic())
            way.give(time.monotonic())


if __name__ == "__main__":
    main(*sys.argv[1:])

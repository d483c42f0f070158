"""What clients of an ensemble did and saw, and whether a correct ensemble could have answered so.

Every call on a key is recorded with its start, end and answer. ZooKeeper tells of each write where it stands in the one
order of all writes (the zxid of its answer), so the order need not be searched for, only held against what was seen:

- two writes of which one had ended before the other began are in that order (linearizable writes);
- on one key each version is made by one write, and versions rise with zxids without a gap; a write that expected
  version v made version v + 1 (compare-and-set);
- a read behind a sync sees every write that had been acknowledged when the sync began (sync-then-read);
- nobody reads a value that nobody wrote, and no value is read with two zxids;
- what one session sees of a key never goes back;
- at the end every acknowledged write is there, or one after it.

Times are the caller's clock, one for all clients.

A long history is checked in parts: where no call is under way and all servers have been read, what was checked is
forgotten but for the values that stand and the writes whose outcome nobody knows.
"""

import bisect
import collections

BEFORE = 0.0  # the end of what is before this part of the history
Write = collections.namedtuple("Write", "key value expected start end version zxid")  # zxid 0: outcome unknown
Read = collections.namedtuple("Read", "key session value version zxid start end")
# start: of the sync that was sent before it
SyncedRead = collections.namedtuple("SyncedRead", "key session value version zxid start end")


class Rising:
    """The highest value of all that came before a time."""

    def __init__(self, points):
        self.times, self.highest = [], []
        for at, value in sorted(points):
            self.times.append(at)
            self.highest.append(max(value, self.highest[-1] if self.highest else 0))

    def before(self, at):
        n = bisect.bisect_left(self.times, at)
        return self.highest[n - 1] if n else 0


class History:
    def __init__(self, judge):
        self.judge = judge
        self.writes, self.reads = [], []
        self.nwrites = self.nreads = 0  # of all parts

    def write(self, *fields):
        self.writes.append(Write(*fields))

    def read(self, *fields):
        self.reads.append(Read(*fields))

    def synced_read(self, *fields):
        self.reads.append(SyncedRead(*fields))

    def check(self, final):
        """final: key -> (value, version, zxid) as read from each server at the end, [{...}, ...]."""
        self.nwrites += sum(1 for w in self.writes if w.end > BEFORE)
        self.nreads += len(self.reads)
        self.check_order()
        by_key = collections.defaultdict(list)
        for w in self.writes:
            by_key[w.key].append(w)
        for key, writes in by_key.items():
            self.check_versions(key, writes)
        self.check_values(by_key)
        self.check_synced(by_key)
        self.check_sessions()
        for number, state in enumerate(final, 1):
            self.check_final(f"server {number}", state, by_key)
        if final:
            self.check_equal(final)

    def forget(self, state):
        """state: as one server was read for check. What stands is a write that all to come are behind."""
        keys = {w.key for w in self.writes}
        unknown = [w._replace(start=BEFORE, end=BEFORE) for w in self.writes if not w.zxid and w.end > BEFORE]
        self.writes = unknown
        for key in keys & set(state):
            value, version, zxid = state[key]
            self.writes.append(Write(key, value, -1, BEFORE - 1, BEFORE, version, zxid))
        self.reads = []

    def wrong(self, name, text):
        self.judge.violation(name, text)

    def check_order(self):
        """Highest zxid acknowledged before the start of each write is below its own."""
        events = [(w.start, 1, w) for w in self.writes if w.zxid] + [(w.end, 0, w) for w in self.writes if w.zxid]
        highest = None
        for _, is_start, w in sorted(events, key=lambda e: (e[0], e[1])):
            if not is_start:
                highest = w if highest is None or w.zxid > highest.zxid else highest
            elif highest is not None and w.zxid <= highest.zxid:
                self.wrong("linearizable", f"{w} began after the end of {highest}")

    def check_versions(self, key, writes):
        known = sorted((w for w in writes if w.zxid), key=lambda w: w.zxid)
        for before, after in zip(known, known[1:]):
            if after.zxid == before.zxid or after.version <= before.version:
                self.wrong("versions", f"{after} comes after {before}")
        skipped = sum(after.version - before.version - 1 for before, after in zip(known, known[1:]))
        unknown = sum(1 for w in writes if not w.zxid)
        if skipped > unknown:
            self.wrong("versions", f"{key}: {skipped} versions nobody made, {unknown} writes of unknown outcome")
        for w in known:
            if w.expected >= 0 and w.version != w.expected + 1:
                self.wrong("compare-and-set", f"{w} made another version than it may")

    def check_values(self, by_key):
        made = {(w.key, w.value): w for w in self.writes}  # every value is written once
        for r in self.reads:
            w = made.get((r.key, r.value))
            if r.value is not None and w is None:
                self.wrong("values", f"{r}: nobody wrote that")
            elif r.value is not None and w.zxid and (w.zxid, w.version) != (r.zxid, r.version):
                self.wrong("values", f"{r} shows {w}")

    def check_synced(self, by_key):
        acked = {k: Rising((w.end, w.zxid) for w in writes if w.zxid) for k, writes in by_key.items()}
        for r in self.reads:
            if isinstance(r, SyncedRead) and r.key in acked and r.zxid < acked[r.key].before(r.start):
                self.wrong("sync", f"{r} does not show 0x{acked[r.key].before(r.start):x}")

    def check_sessions(self):
        seen = {}
        for r in sorted(self.reads, key=lambda r: r.end):
            at = (r.session, r.key)
            if r.zxid < seen.get(at, 0):
                self.wrong("monotonic", f"{r} comes after 0x{seen[at]:x}")
            seen[at] = max(seen.get(at, 0), r.zxid)

    def check_final(self, who, state, by_key):
        for key, writes in by_key.items():
            owed = max((w.zxid for w in writes if w.zxid), default=0)
            value, _, zxid = state.get(key, (None, -1, 0))
            if zxid < owed:
                self.wrong("lost", f"{key} on {who} is from 0x{zxid:x}, 0x{owed:x} was acknowledged")
            elif value is not None and not any(w.value == value for w in writes):
                self.wrong("values", f"{key} on {who} holds {value!r}, which nobody wrote")

    def check_equal(self, final):
        for number, state in enumerate(final[1:], 2):
            if state != final[0]:
                odd = [k for k in {**state, **final[0]} if state.get(k) != final[0].get(k)]
                self.wrong("agreement", f"server {number} and server 1 differ in {odd[:5]}")

"""Power loss, as ALICE looks for it (Pillai et al., OSDI 2014): the disk calls of a working node are recorded by strace, and
for many moments of that record the machine dies. What was synced is there; of what was not, any part: writes sector by
sector, lengths, names. A node started on what is left must start, with every write that had been acknowledged by then.

tests/unit/test_power does the same with the store in memory, where every subset of what may be lost can be tried, and with
what a learner does; here it is shown that the calls of a real node are of that kind, and lead to a node that serves.

ZKD_POWER_STATES says how many such disks are tried (the more the longer), ZKD_POWER_SEED which.
"""

import contextlib
import os
import random
import re
import shutil
import struct
import threading
import time

import pytest
import zkd_mark
import zkd_node
import zkwire as z

STATES = int(os.environ.get("ZKD_POWER_STATES", "60"))
SEED = int(os.environ.get("ZKD_POWER_SEED", "1"))
SECTOR = 512
WRITERS = 3
WRITES = 60  # of each
KEYS = {"snapCount": 40, "preAllocSize": 16, "autopurge.snapRetainCount": 3, "autopurge.purgeInterval": "100ms"}
CALLS = "openat,pwrite64,write,pwritev,fdatasync,fsync,ftruncate,fallocate,renameat,renameat2,unlinkat,linkat"

pytestmark = [
    pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built"),
    pytest.mark.skipif(shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace, and root"),
]


# the record


LINE = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)(.*?)(?: <([\d.]+)>)?$")
UNFINISHED = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>(.*)$")


def unescape(text):
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), text).encode("latin-1")


def record(path):
    """(time of its end, call, arguments, result) of each call, in the order in which they ended."""
    calls, open_calls = [], {}
    with open(path) as f:
        for line in f:
            line = line.rstrip("\n")
            if m := UNFINISHED.match(line):
                open_calls[m.group(1)] = m.group(4)
                continue
            if m := RESUMED.match(line):
                pid, when, call, rest = m.groups()
                line = f"{pid} {when} {call}({open_calls.pop(pid, '')}{rest}"
                late = True
            else:
                late = False
            if m := LINE.match(line):
                pid, when, call, arguments, result, more, took = m.groups()
                end = float(when) + (0 if late else float(took or 0))
                calls.append((end, call, arguments, int(result), more))
    return sorted(calls, key=lambda c: c[0])


class File:
    """What a file holds: `kept` survives, `loose` is what was done since the last sync."""

    def __init__(self):
        self.kept, self.loose = bytearray(), []

    @staticmethod
    def apply(content, op):
        kind, at, data = op
        if kind == "write":
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(data)] = data
        elif at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))

    def cached(self):
        content = bytearray(self.kept)
        for op in self.loose:
            self.apply(content, op)
        return content

    def sync(self):
        self.kept, self.loose = self.cached(), []

    def after(self, rng, mode):
        """What is there after the power came back: all of it, nothing loose, or any part of that."""
        if mode == "all":
            return self.cached()
        content = bytearray(self.kept)
        for op in self.loose if mode == "any" else ():
            if op[0] != "write":
                if rng.random() < 0.5:
                    self.apply(content, op)
                continue
            at, data = op[1:]
            for i in range(0, len(data), SECTOR):
                if rng.random() < 0.5:
                    self.apply(content, ("write", at + i, data[i : i + SECTOR]))
        return content


class Disk:
    """The folder version-2 while the calls go by."""

    def __init__(self, folder):
        self.folder = folder
        self.names, self.kept, self.loose = {}, {}, []  # name -> File, as cached and as it survives; what was renamed since

    def name_of(self, path):
        folder, _, name = path.rpartition("/")
        return name if folder == self.folder else None

    def change(self, *op):
        self.loose.append(op)
        self.apply_name(self.names, op)

    @staticmethod
    def apply_name(names, op):
        kind, name, other = op
        if kind == "make":
            names[name] = other
        elif kind == "remove":
            names.pop(name, None)
        elif other in names:  # rename
            names[name] = names.pop(other)

    def step(self, call, arguments, result, more):
        """Does the call; what kind it is, None when it changes nothing here."""
        text = unescape(arguments).decode("latin-1")
        if result < 0:
            return None
        handler = getattr(self, f"do_{call}")
        return handler(text, arguments, result, unescape(more).decode("latin-1"))

    def do_openat(self, text, _, __, more):
        made = re.match(r"<(.*)>", more)
        name = self.name_of(made.group(1)) if made else None
        if name is None or name in self.names or "O_CREAT" not in text:
            return None
        self.change("make", name, File())
        return "make"

    def file(self, text):
        m = re.match(r"\d+<([^>]*)>", text)
        name = self.name_of(m.group(1)) if m else None
        return self.names.get(name) if name else None

    def do_pwrite64(self, text, raw, result, _):
        file = self.file(text)
        if file is None:
            return None
        data, at = re.search(r'"((?:\\x[0-9a-f]{2})*)", \d+, (\d+)$', raw).groups()
        file.loose.append(("write", int(at), unescape(data)[:result]))
        return "write"

    def do_write(self, text, *_):
        assert self.file(text) is None, f"a write without an offset: {text[:200]}"

    do_pwritev = do_linkat = do_write

    def do_fdatasync(self, text, *_):
        path = re.match(r"\d+<([^>]*)>", text).group(1)
        file = self.file(text)
        if file is not None:
            file.sync()
            return "sync"
        if path == self.folder:
            self.kept, self.loose = dict(self.names), []
            return "sync folder"
        return None

    do_fsync = do_fdatasync

    def do_ftruncate(self, text, *_):
        file = self.file(text)
        if file is None:
            return None
        file.loose.append(("size", int(text.rsplit(", ", 1)[1]), None))
        return "truncate"

    def do_fallocate(self, text, *_):
        file = self.file(text)
        if file is None:
            return None
        _, _, at, size = text.rsplit(", ", 3)
        if len(file.cached()) < int(at) + int(size):
            file.loose.append(("size", int(at) + int(size), None))
        return "allocate"

    def do_renameat(self, text, *_):
        m = re.match(r'\d+<([^>]*)>, "([^"]*)", \d+<[^>]*>, "([^"]*)"', text)
        if m.group(1) != self.folder:
            return None
        self.change("rename", m.group(3), m.group(2))
        return "rename"

    do_renameat2 = do_renameat

    def do_unlinkat(self, text, *_):
        m = re.match(r'\d+<([^>]*)>, "([^"]*)"', text)
        if m is None or m.group(1) != self.folder or m.group(2) not in self.names:
            return None
        self.change("remove", m.group(2), None)
        return "remove"

    def after(self, rng, mode):
        """{name: content} of the folder after a power loss."""
        names = dict(self.names if mode == "all" else self.kept)
        for op in self.loose if mode == "any" else ():
            if rng.random() < 0.5:
                self.apply_name(names, op)
        contents = {}
        for name, file in names.items():
            contents[name] = bytes(contents.get(name) or file.after(rng, mode))
        return contents


# the workload


class Writer(threading.Thread):
    """Sets its znode to 1, 2, 3, ... and makes one for each; remembers when each was acknowledged."""

    def __init__(self, port, k):
        super().__init__()
        self.root, self.acked, self.asked = f"/w{k}", [], 0
        self.wire = z.Wire(port)
        self.wire.connect(timeout_ms=30000)
        assert self.wire.call(z.CREATE, z.create(self.root, b"0"))[1].err == 0

    def run(self):
        for i in range(1, WRITES + 1):
            self.asked = i
            both = (z.SET_DATA, z.set_data(self.root, b"%d" % i)), (z.CREATE, z.create(f"{self.root}/{i}", bytes(i * 7 % 400)))
            assert self.wire.call(z.MULTI, z.multi(*both))[1].err == 0
            self.acked.append(time.time())
        self.wire.close()


def is_at_rest(node):
    """
    No snapshot is being written, and for a second nothing has changed: of a call that SIGKILL cuts off strace writes no
    result, though it may have had its effect.
    """

    def seen():
        folder = os.path.join(node.data, "version-2")
        with contextlib.suppress(FileNotFoundError):
            stats = [(n, os.stat(os.path.join(folder, n))) for n in sorted(os.listdir(folder))]
            return [(n, st.st_size, st.st_mtime_ns) for n, st in stats]
        return None

    log = node.log_end(1000)
    if log.count("snapshot begun") != len(re.findall(r"logd\[\d+\] notice: snapshot zxid", log)):
        return False
    before = seen()
    time.sleep(1)
    return before is not None and seen() == before


def work(folder, trace):
    """A node at work under strace, then killed. Its writers."""
    command = ["strace", "-D", "-f", "-y", "-xx", "-ttt", "-T", "-s", "10000000", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", trace]
    began = time.time()
    node = zkd_node.Node(folder=folder, keys=KEYS, wrap=lambda argv: [*command, *argv])
    try:
        node.start()
        writers = [Writer(node.port, k) for k in range(WRITERS)]
        made = time.time()
        for w in writers:
            w.start()
        for w in writers:
            w.join()
        zkd_node.wait_until(lambda: is_at_rest(node), 60, "the node is at rest")
        node.kill()
    finally:
        node.close()
    return writers, made, began


# the replay


def choose(kinds, rng):
    """The moments that are tried: around everything but plain writes and syncs all, of those some."""
    rare = [i for i, kind in enumerate(kinds) if {"write", "sync"}.isdisjoint({kind})]
    near = {j for i in rare for j in (i - 1, i, i + 1) if 0 <= j < len(kinds)}
    near = sorted(near)
    rng.shuffle(near)
    plain = [i for i in range(len(kinds)) if i not in near]
    rng.shuffle(plain)
    return (near[: STATES // 2] + plain)[: STATES]


def recover(folder, contents):
    """Starts a node on these files: {writer's root: (value, children)}, or what it said when it did not."""
    shutil.rmtree(folder, ignore_errors=True)
    data = os.path.join(folder, "data", "version-2")
    os.makedirs(data)
    os.chmod(folder, 0o755)
    for name, content in contents.items():
        with open(os.path.join(data, name), "wb") as f:
            f.write(content)
    if "zkd.mark" in contents:
        zkd_mark.bind(data)
    node = zkd_node.Node(folder=folder, keys=KEYS)
    try:
        node.start()
        found = {}
        with z.Wire(node.port) as w:
            w.connect(timeout_ms=10000)
            for k in range(WRITERS):
                reply = w.call(z.GET_DATA, z.path_watch(f"/w{k}"))[1]
                if reply.err == 0:
                    names = w.call(z.GET_CHILDREN, z.path_watch(f"/w{k}"))[1].body()
                    children = {int(n) for n in names.vector(names.buffer)}
                    found[f"/w{k}"] = int(reply.body().buffer()), children
        assert "zk_digest_mismatches_count\t0\n" in node.word("mntr")
        node.stop()
        return found
    except zkd_node.NodeError as e:
        return str(e)
    finally:
        node.close()


def judge(writers, made, when, found):
    """The first thing that is wrong, or None."""
    if isinstance(found, str):
        return f"it did not start: {found}"
    for w in writers:
        acked = sum(t <= when for t in w.acked)
        if w.root not in found:
            if when >= made:
                return f"{w.root} is lost"
            continue
        value, children = found[w.root]
        if value < acked:
            return f"{w.root}: {acked} was acknowledged, {value} is there"
        if children != set(range(1, value + 1)):
            return f"{w.root}: {value}, but the children are {sorted(children)}"
    return None


def test_power_loss(tmp_path):
    os.chmod(tmp_path, 0o755)
    folder, trace = str(tmp_path / "node"), str(tmp_path / "trace")
    writers, made, _ = work(folder, trace)
    calls = record(trace)
    rng = random.Random(SEED)
    data = os.path.join(folder, "data", "version-2")

    disk, kinds = Disk(data), []
    for _, call, arguments, result, more in calls:
        kind = disk.step(call, arguments, result, more)
        if kind is not None:
            kinds.append(kind)
    # the record is whole: it leads to the folder that the node left
    left = {n: open(os.path.join(data, n), "rb").read() for n in os.listdir(data)}
    replayed = disk.after(rng, "all")
    assert [n for n in {*left, *replayed} if left.get(n) != replayed.get(n)] == []
    assert {"make", "write", "sync", "sync folder", "rename", "remove", "allocate"} <= set(kinds)

    moments, bad, tried = set(choose(kinds, rng)), [], 0
    disk, number = Disk(data), -1
    ends = [c[0] for c in calls]
    for i, (_, call, arguments, result, more) in enumerate(calls):
        kind = disk.step(call, arguments, result, more)
        if kind is None:
            continue
        number += 1
        if number not in moments:
            continue
        # whatever was acknowledged before the next call ended
        when = ends[i + 1] if i + 1 < len(ends) else time.time()
        mode = ("any", "any", "none", "all")[number % 4]
        wrong = judge(writers, made, when, recover(str(tmp_path / "after"), disk.after(rng, mode)))
        tried += 1
        if wrong:
            bad.append(f"after call {number} ({kind}), mode {mode}: {wrong}")
    assert not bad, "\n".join(bad)
    assert tried >= min(STATES, len(kinds)) - 1
    with contextlib.suppress(AttributeError):
        print(f"{len(kinds)} disk calls, {tried} disks tried")

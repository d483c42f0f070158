"""Damage, one at a time: every class of position in every kind of file is flipped, zeroed, cut, doubled, misplaced or
missing. The node then does one of three things, which a judge who knows every acknowledged write tells apart:

    whole     it starts, and nothing is lost
    cut       it starts without what stood at the torn end of the newest log, and says so
    refused   it ends with status 3 and a line that names file or folder, what is wrong and the way out

Never a silent loss, never a crash, never a tree that nobody wrote.
"""

import contextlib
import os
import re
import shutil
import struct
import tempfile

import pytest
import zkd_mark
import zkd_node
import zkwire as z

pytestmark = pytest.mark.skipif(not zkd_node.built(), reason="zkd is not built")

KEYS = {"snapCount": 60, "preAllocSize": 16, "autopurge.purgeInterval": 0, "tickTime": 2000}
WRITES = 150
RECORDS_MIN = 12  # in the newest log, to be damaged in parts, and behind the newest snapshot
EXIT_DATA_DIR = 3
SEAL = 8 + 4 + 1  # a checksum, and the string "/"


# where things stand in the files


def entries(log):
    """(offset, length of the txn) of each entry of a log."""
    found, at = [], 16
    while at + 12 <= len(log):
        length = struct.unpack_from(">i", log, at + 8)[0]
        if length <= 0:
            break
        found.append((at, length))
        at += 8 + 4 + length + 1
    return found


def log_places(log):
    """{class of position: (offset, bytes)}"""
    places = {"magic": (0, 4), "version": (4, 4), "dbid": (8, 8)}
    every = entries(log)
    for name, (at, length) in (("first", every[0]), ("middle", every[len(every) // 2]), ("last", every[-1])):
        places |= {
            f"{name} checksum": (at, 8),
            f"{name} length": (at + 8, 4),
            f"{name} session": (at + 12, 8),
            f"{name} zxid": (at + 24, 8),
            f"{name} type": (at + 40, 4),
            f"{name} body": (at + 44, max(1, length - 32)),
            f"{name} end": (at + 12 + length, 1),
        }
    end = every[-1][0] + 13 + every[-1][1]
    if end < len(log):
        places |= {"padding": (end, 1), "padding far": ((end + len(log)) // 2, 8)}
    return places


def snapshot_places(data):
    end = len(data)
    places = {"magic": (0, 4), "version": (4, 4), "dbid": (8, 8), "sessions": (16, 4)}
    sessions = struct.unpack_from(">i", data, 16)[0]
    if sessions:
        places["session"] = (20, 8)
    at = 20 + 12 * sessions
    places |= {"acls": (at, 4), "acl number": (at + 4, 8), "acl length": (at + 12, 4), "acl permissions": (at + 16, 4), "acl scheme": (at + 24, 4)}
    assert sessions and data[at + 24 : at + 26] in (b"wo", b"ip")
    root = data.index(b"\0\0\0\0", at + 4)
    node = data.index(b"/value")
    places |= {
        "root": (root, 4),
        "path length": (node - 4, 4),
        "path": (node + 1, 4),
        "data length": (node + 6, 4),
        "data": (node + 10, 2),
        "stat": (node + 30, 8),
        "middle": (end // 2, 1),
        "digest": (end - 2 * SEAL - 8 - 20, 20),
        "last seal": (end - SEAL, 8),
        "last string": (end - 1, 1),
    }
    return places


def packed_places(data):
    """Of a snapshot by gzip or snappy: their own framing, and what is inside."""
    end = len(data)
    return {
        "magic": (0, 2), "head": (2, 6), "first block": (20, 4), "quarter": (end // 4, 8), "middle": (end // 2, 1),
        "three quarters": (3 * end // 4, 8), "checksum": (end - 8, 4), "last bytes": (end - 4, 4),
    }


# what is done to them


def flip(data, at, size):
    data[at + size // 2] ^= 0x10


def zero(data, at, size):
    data[at : at + size] = bytes(size)


def cut(data, at, size):
    del data[at + size // 2 :]


def sector_zero(data, at, size):
    first = at // 512 * 512
    data[first : first + 512] = bytes(len(data[first : first + 512]))


def sector_doubled(data, at, size):
    """The sector before it stands in its place too."""
    first = max(512, at // 512 * 512)
    data[first : first + 512] = data[first - 512 : first]


def sectors_swapped(data, at, size):
    first = at // 512 * 512
    if first + 1024 <= len(data):
        data[first : first + 1024] = data[first + 512 : first + 1024] + data[first : first + 512]


DAMAGES = [flip, zero, cut, sector_zero, sector_doubled, sectors_swapped]


def acl_of(i):
    """Of the i-th node: every tenth has one of its own."""
    return [(z.ALL, "world", "anyone"), (z.READ, "ip", f"10.0.0.{i}")] if i % 10 == 0 else z.OPEN_ACL


class Base:
    """A folder whose every write was acknowledged; put back, byte by byte into the same files, after each damage."""

    def __init__(self, compression=None):
        self.keys = {**KEYS, **({"snapshot.compression.method": compression} if compression else {})}
        self.folder = tempfile.mkdtemp(prefix="zkd-damage-")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data", "version-2")
        self.written = self.write()
        self.files = {n: self.read(n) for n in sorted(os.listdir(self.data))}
        self.logs = sorted((n for n in self.files if n.startswith("log.")), key=lambda n: int(n.split(".")[1], 16))
        self.snapshots = sorted((n for n in self.files if n.startswith("snapshot.")), key=lambda n: int(n.split(".")[1], 16))
        assert len(self.logs) >= 2 and len(self.snapshots) >= 2

    def path(self, name):
        return os.path.join(self.data, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def put(self, name, content):
        with contextlib.suppress(FileNotFoundError), open(self.path(name), "r+b") as f:
            f.write(content)
            f.truncate()
            return
        with open(self.path(name), "wb") as f:
            f.write(content)

    def restore(self, killed=False):
        for name in os.listdir(self.data):
            if name not in self.files:
                os.remove(self.path(name))
        for name, content in self.files.items():
            self.put(name, content)
        self.put("zkd.mark", self.mark(killed))

    def mark(self, killed):
        """zkd.mark as it was, but of the files that are there now; killed: as of the first record of the newest log."""
        fields = zkd_mark.parse(self.files["zkd.mark"])
        assert f"log.{fields[2]:x}" == self.logs[-1]
        if killed:
            at, length = entries(self.files[self.logs[-1]])[0]
            fields[4:6] = at + 13 + length, fields[2]
        fields[1], fields[3] = (os.stat(self.path(n)).st_ino for n in ("zkd.mark", self.logs[-1]))
        return zkd_mark.make(fields)

    def node(self, more=None):
        return zkd_node.Node(folder=self.folder, keys={**self.keys, **(more or {})})

    def write(self):
        with self.node() as node, z.Wire(node.port) as w, z.Wire(node.port) as staying:
            w.connect(timeout_ms=30000)
            staying.connect(timeout_ms=40000)  # its session is never closed
            assert w.call(z.CREATE, z.create("/value", b"0"))[1].err == 0
            for i in range(1, WRITES + 1):
                self.write_two(w, i)
            w.call(z.CLOSE_SESSION)
            writes = WRITES
            while self.records_of_the_end() < RECORDS_MIN:  # it rolls, and takes a snapshot, when it likes
                writes += 1
                self.write_two(staying, writes)
        return writes

    @staticmethod
    def write_two(wire, n):
        assert wire.call(z.SET_DATA, z.set_data("/value", b"%d" % n))[1].err == 0
        assert wire.call(z.CREATE, z.create(f"/n{n}", b"d" * (n % 90), acl_of(n)))[1].err == 0

    def records_of_the_end(self):
        """In the newest log, of what the newest snapshot does not have. A log begins where a snapshot is asked for."""

        def newest(kind):
            names = [n for n in os.listdir(self.data) if n.startswith(kind) and not n.endswith(".tmp")]
            return max(int(n.split(".")[1], 16) for n in names)

        log = newest("log.")
        zkd_node.wait_until(lambda: newest("snapshot.") >= log - 1, 10, "the snapshot is written")
        snapshot = newest("snapshot.")
        content = self.read(f"log.{log:x}")
        zxids = [struct.unpack_from(">q", content, at + 24)[0] for at, _ in entries(content)]
        return sum(zxid > snapshot for zxid in zxids)

    def outcome(self):
        """Starts a node: what became of it, and the log's words."""
        node = self.node()
        with contextlib.suppress(FileNotFoundError):
            os.remove(node.log_path)
        try:
            node.start(wait=False)
            zkd_node.wait_until(lambda: node.process.poll() is not None or node.mode(), 30, "it starts or does not")
            if node.process.poll() is not None:
                status, node.process = node.process.poll(), None
                return self.judge_refusal(status, node.log_end(200))
            try:
                found = self.look(node)
            except OSError as e:
                raise AssertionError(node.log_end(40)) from e
            node.stop()
            return self.judge(found, node.log_end(200))
        finally:
            node.close()

    def look(self, node):
        with z.Wire(node.port) as w:
            w.connect(timeout_ms=10000)
            value = w.call(z.GET_DATA, z.path_watch("/value"))[1]
            names = w.call(z.GET_CHILDREN, z.path_watch("/"))[1].body()
            made = {n.decode() for n in names.vector(names.buffer)} - {"zookeeper", "value"}
            data = {}
            for n in sorted(made)[:: max(1, len(made) // 10)]:
                data[n] = w.call(z.GET_DATA, z.path_watch("/" + n))[1].body().buffer()
                acl = w.call(z.GET_ACL, z.path_only("/" + n))[1].frame
                assert acl[16:].startswith(z.acls(acl_of(int(n[1:])))), (n, acl)
            w.call(z.CLOSE_SESSION)
        assert "zk_digest_mismatches_count\t0\n" in node.word("mntr"), node.log_end(50)
        return (None if value.err else int(value.body().buffer())), made, data

    def judge(self, found, log):
        value, made, data = found
        assert "died daemon" not in log, log
        count = len(made)
        assert made == {f"n{i}" for i in range(1, count + 1)}, "a gap in what is there"
        assert all(d == b"d" * (int(n[1:]) % 90) for n, d in data.items())
        if count == self.written and value == self.written:
            return "whole", log
        assert value in (count, count + 1) or (value is None and count == 0), (value, count)
        assert "torn tail cut" in log, f"SILENT LOSS: {count} of {self.written} are there\n{log}"
        return "cut", log

    def judge_refusal(self, status, log):
        assert status == EXIT_DATA_DIR, f"status {status}\n{log}"
        line = next((x for x in log.splitlines() if re.search(r"way out|restore|move it away", x)), "")
        assert " error: " in line and re.search(r"(log|snapshot)\.[0-9a-f]+|Epoch|version-2", line), log
        assert not re.search(r"died .*signal=SIG(SEGV|ABRT|BUS|ILL|FPE)", log), log
        return "refused", log


@pytest.fixture(scope="module")
def base():
    b = Base()
    yield b
    shutil.rmtree(b.folder, ignore_errors=True)


@pytest.fixture(scope="module", params=["gz", "snappy"])
def packed(request):
    b = Base(request.param)
    assert b.snapshots[-1].endswith(request.param)
    yield b
    shutil.rmtree(b.folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def put_back(base):
    yield
    base.restore()


def damage(base, name, place, how):
    content = bytearray(base.files[name])
    how(content, *place)
    base.put(name, bytes(content))
    return bytes(content) != base.files[name]


def check(base, name, places, how, allowed):
    """Each class of position in turn."""
    wrong = []
    for what, place in places.items():
        if not damage(base, name, place, how):
            continue
        try:
            got, log = base.outcome()
            if got not in allowed(what):
                wrong.append(f"{name}, {what}, {how.__name__}: {got}\n{log}")
        except (AssertionError, zkd_node.NodeError) as e:
            wrong.append(f"{name}, {what}, {how.__name__}: {e}")
        base.restore()
    assert not wrong, "\n---\n".join(wrong)


def test_undamaged(base):
    assert base.outcome()[0] == "whole"


@pytest.mark.parametrize("how", DAMAGES)
def test_newest_log(base, how):
    """It holds what no snapshot has. The mark vouches for all but its last record; so only there, or behind, may be cut."""
    name = base.logs[-1]
    check(base, name, log_places(base.files[name]), how,
          lambda what: ("whole", "cut", "refused") if "last" in what or "padding" in what else ("whole", "refused"))


@pytest.mark.parametrize("how", DAMAGES)
def test_older_log(base, how):
    """Snapshots stand above it: nobody needs it to start."""
    name = base.logs[0]
    check(base, name, log_places(base.files[name]), how, lambda what: ("whole", "refused"))


@pytest.mark.parametrize("how", DAMAGES)
def test_newest_snapshot(base, how):
    """An older one and the logs take its place."""
    name = base.snapshots[-1]
    check(base, name, snapshot_places(base.files[name]), how, lambda what: ("whole",))


@pytest.mark.parametrize("how", DAMAGES)
def test_packed_snapshot(packed, how):
    """By gzip and snappy: the same."""
    name = packed.snapshots[-1]
    check(packed, name, packed_places(packed.files[name]), how, lambda what: ("whole",))


@pytest.mark.parametrize("which", ["older", "newest"])
@pytest.mark.parametrize(
    ("how", "allowed"),
    [
        (lambda a, b, c: a + [b[0], *b] + c, ("whole", "refused")),  # one doubled
        (lambda a, b, c: a + b[1:] + c, ("refused",)),  # one missing
        (lambda a, b, c: a + [b[1], b[0], *b[2:]] + c, ("whole", "refused")),  # two swapped
        (lambda a, b, c: [*a, c[-1], *b, *c], ("refused",)),  # the last one also in the middle
        (lambda a, b, c: a + b + c + c, ("whole", "refused")),  # the end doubled
    ],
)
def test_records_out_of_place(base, which, how, allowed):
    """Each record is whole, but not where it belongs."""
    name = base.logs[0 if which == "older" else -1]
    log = base.files[name]
    records = [log[at : at + 13 + length] for at, length in entries(log)]
    third = len(records) // 3
    parts = records[:third], records[third : 2 * third], records[2 * third :]
    base.put(name, log[:16] + b"".join(how(*parts)))
    got, said = base.outcome()
    assert got in (*allowed, *(["whole"] if which == "older" else [])), said


@pytest.mark.parametrize("how", [flip, zero, cut])
def test_the_only_snapshot(base, how):
    """Where only one is left, and the logs do not begin at the beginning."""
    keep, log = base.snapshots[-1], base.logs[-1]
    places = snapshot_places(base.files[keep])

    def alone():
        for n in (*base.snapshots[:-1], *base.logs[:-1]):
            with contextlib.suppress(FileNotFoundError):
                os.remove(base.path(n))

    wrong = []
    for what, place in places.items():
        alone()
        if damage(base, keep, place, how):
            try:
                got, said = base.outcome()
                if got != "refused":
                    wrong.append(f"{what}, {how.__name__}: {got}\n{said}")
            except (AssertionError, zkd_node.NodeError) as e:
                wrong.append(f"{what}, {how.__name__}: {e}")
        base.restore()
    assert log and not wrong, "\n---\n".join(wrong)


SMALL = {
    "empty": b"", "letters": b"x", "negative": b"-1", "huge": b"99999999999999999999", "zeros": bytes(512), "long": b"1" * 4096,
    "newline": b"0\n", "newer": b"7",
}


@pytest.mark.parametrize("content", SMALL)
@pytest.mark.parametrize("name", ["currentEpoch", "acceptedEpoch", "zkd.mark", "zkd.partial", "zkd.reserve", "currentEpoch.tmp", "log.ffff", "snapshot.ffff", "log.1.tmp", "zkd.install.ffff.tmp"])
def test_small_files(base, name, content):
    base.put(name, SMALL[content])
    base.outcome()


@pytest.mark.parametrize("how", [flip, zero, cut, sector_doubled])
def test_mark(base, how):
    """Field by field: one that is damaged counts as none, and nothing else is wrong here."""
    fields = {"magic": (0, 4), "own number": (4, 8), "log": (12, 8), "file number": (20, 8), "offset": (28, 8), "zxid": (36, 8),
              "epochs": (44, 8), "checksum": (52, 4)}
    check(base, "zkd.mark", fields, how, lambda what: ("whole",))


def member_outcome(base):
    """What becomes of a member of an ensemble whose others are not there: its status and log, or None and the log."""
    ports = set()
    while len(ports) < 7:
        ports.add(zkd_node.free_port())
    node = base.node({
        **{f"server.{n}": f"127.0.0.1:{ports.pop()}:{ports.pop()}" for n in (1, 2, 3)},
        "clientPort": ports.pop(), "initLimit": 10, "syncLimit": 5,
    })
    with contextlib.suppress(FileNotFoundError):
        os.remove(node.log_path)
    try:
        node.start(wait=False)
        zkd_node.wait_until(lambda: node.process.poll() is not None or "recovered durable" in node.log_end(100), 30, "it starts or does not")
        if node.process.poll() is None:
            node.stop()
            return None, node.log_end(200)
        status, node.process = node.process.poll(), None
        return status, node.log_end(200)
    finally:
        node.close()


@pytest.fixture
def member(base):
    """The same folder, of a server that is in epoch 5, and knows."""
    myid = os.path.join(base.folder, "data", "myid")
    base.put("acceptedEpoch", b"5")
    base.put("currentEpoch", b"5")
    with open(myid, "w") as f:
        f.write("1\n")
    assert member_outcome(base)[0] is None
    yield myid
    for name in (myid, os.path.join(base.folder, "data", "zkd.lock")):
        os.remove(name)


@pytest.mark.parametrize("name", ["acceptedEpoch", "currentEpoch"])
def test_epochs_of_a_member(base, member, name):
    """Never started with less than was promised, or with what is no number."""
    mark = base.read("zkd.mark")
    contents = {**SMALL, "missing": None, "flipped": b"\x25", "lower": b"3", "twice": b"5\n5"}
    for what, content in contents.items():
        for n in ("acceptedEpoch", "currentEpoch"):
            base.put(n, b"5")
        base.put("zkd.mark", mark)
        zkd_mark.bind(os.path.dirname(base.path("zkd.mark")))  # a start that went well has written another one
        os.remove(base.path(name)) if content is None else base.put(name, content)
        status, log = member_outcome(base)
        if what == "newer" or (what in ("lower", "newline") and name == "acceptedEpoch"):
            assert status is None, (what, log)  # who is in epoch 5 has accepted it
        else:
            assert status == EXIT_DATA_DIR and re.search(rf"version-2/(acceptedEpoch and )?{name}.*way out", log), (what, log)


def test_myid(base, member):
    """Damaged, it is refused by name; another's, the folder says whose it is."""
    for what, content in {**SMALL, "missing": None, "another": b"2\n", "not listed": b"9\n"}.items():
        if content is None:
            os.remove(member)
        else:
            with open(member, "wb") as f:
                f.write(content)
        status, log = member_outcome(base)
        assert status in (2, EXIT_DATA_DIR) and re.search(r"myid|server 1", log), (what, status, log)


def test_partial_of_a_member(base, member):
    """However damaged, while it is there the node does not vote."""
    for what, content in SMALL.items():
        base.put("zkd.partial", content)
        status, log = member_outcome(base)
        assert status is None and "history is not whole" in log, (what, log)
        os.remove(base.path("zkd.partial"))


def missing(base):
    """{what is missing: (files, the only outcome, what a refusal says)}"""
    last = base.logs[-1]
    named = rf"version-2/{last} is missing: it held transactions up to zxid 0x[0-9a-f]+ at least; the way out: .*remove \S+/zkd\.mark"
    gap = r"transactions after zxid 0x[0-9a-f]+ are missing, the next one in the logs is 0x[0-9a-f]+, expected up to 0x[0-9a-f]+"
    above_first = [s for s in base.snapshots if s != "snapshot.0"]
    return {
        "newest log": ([last], "refused", named),
        "all logs": (base.logs, "refused", named),
        "newest log and snapshots above": ([last, *above_first], "refused", named),
        "oldest log": (base.logs[:1], "whole", None),
        "middle log": (base.logs[1:2], "whole", None),  # snapshots stand above it
        "middle log, snapshots above": ([base.logs[1], *above_first], "refused", gap),
        "oldest log, snapshots above": ([base.logs[0], *above_first], "refused", gap),
        "newest snapshot": (base.snapshots[-1:], "whole", None),
        "all snapshots": (base.snapshots, "refused", "no snapshot.*restore the snapshots"),
        "mark": (["zkd.mark"], "whole", None),
        "everything but the mark": ([n for n in base.files if n != "zkd.mark"], "refused", named),
    }


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_missing(base, how):
    """Files that are gone as a whole: what no snapshot makes up for is refused by name."""
    wrong = []
    for what, (gone, outcome, said) in missing(base).items():
        base.restore(killed=how == "killed")
        for name in gone:
            os.remove(base.path(name))
        try:
            got, log = base.outcome()
            if got != outcome or (said and not re.search(said, log)):
                wrong.append(f"{what}: {got}\n{log}")
        except (AssertionError, zkd_node.NodeError) as e:
            wrong.append(f"{what}: {e}")
    assert not wrong, "\n---\n".join(wrong)


def test_way_out_of_a_missing_log(base):
    """As the message says: the mark removed, the node begins with what is there; the file restored, nothing is lost."""
    os.remove(base.path(base.logs[-1]))
    assert base.outcome()[0] == "refused"
    content = base.files[base.logs[-1]]
    with open(base.path(base.logs[-1]), "wb") as f:  # from a backup: another file
        f.write(content)
    assert base.outcome()[0] == "whole"
    base.restore()
    os.remove(base.path(base.logs[-1]))
    os.remove(base.path("zkd.mark"))
    node = base.node()
    with node, z.Wire(node.port) as w:
        w.connect(timeout_ms=10000)
        assert 0 < int(w.call(z.GET_DATA, z.path_watch("/value"))[1].body().buffer()) < WRITES


def test_older_copy_of_a_log(base):
    """The end of the newest log is cut at a record, by a copy in its place: nothing in it is damaged."""
    name = base.logs[-1]
    at, length = entries(base.files[name])[-3]
    base.put("copy", base.files[name][: at + 13 + length])
    os.rename(base.path("copy"), base.path(name))
    got, log = base.outcome()
    assert got == "refused" and re.search(r"end at zxid 0x[0-9a-f]+, expected 0x[0-9a-f]+, which was on the disk", log), log


def test_everything_is_missing(base):
    """An empty folder is a new database."""
    for name in base.files:
        os.remove(base.path(name))
    with base.node():
        pass


def test_other_files_in_their_place(base):
    """A log under another's name, a folder where a file should be, an old log beside itself."""
    shutil.copy(base.path(base.logs[0]), base.path("log.fff"))
    got, log = base.outcome()
    assert got == "refused" and "log.fff ends with" in log, log
    base.restore()
    os.remove(base.path(base.logs[-1]))
    os.mkdir(base.path(base.logs[-1]))
    try:
        assert base.outcome()[0] == "refused"
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(base.path(base.logs[-1]))

"""A node that is cut off from its quorum and may be read (readonlymode.enabled) beside Apache ZooKeeper 3.8 in the same
plight: one of three members of which the other two are down, over the same data. Both get the same requests.
"""

import contextlib
import os
import shutil

import apache_node
import differential
import pytest
import zkd_node
import zkwire as z
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NotReadOnlyCallError
from kazoo.security import make_acl
from test_differential import run
from zkd_node import wait_until

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

ROOT = "/held"
WRITES = [
    (z.CREATE, z.create(ROOT + "/new")),
    (z.CREATE2, z.create(ROOT + "/new")),
    (z.CREATE, z.create(ROOT + "/ephemeral", flags=1)),
    (z.CREATE_CONTAINER, z.create(ROOT + "/new", flags=4)),
    (z.CREATE_TTL, z.create_ttl(ROOT + "/new")),
    (z.DELETE, z.path_version(ROOT + "/a")),
    (z.SET_DATA, z.set_data(ROOT + "/a", b"other")),
    (z.SET_ACL, z.set_acl(ROOT + "/a")),
    (z.SYNC, z.path_only(ROOT)),
    (z.CHECK, z.path_version(ROOT)),
    (z.DELETE_CONTAINER, z.path_only(ROOT)),
    (z.MULTI, z.multi((z.DELETE, z.path_version(ROOT + "/a")))),
    (z.RECONFIG, z.string("") + z.string("") + z.string("") + z.i64(-1)),
]
READS = [
    *((z.GET_DATA, z.path_watch(path, True)) for path in (ROOT, ROOT + "/a", ROOT + "/closed", ROOT + "/none", "bad")),
    *((z.EXISTS, z.path_watch(path, True)) for path in (ROOT, ROOT + "/none")),
    *((z.GET_CHILDREN, z.path_watch(path)) for path in ("/", ROOT, ROOT + "/closed")),
    (z.GET_CHILDREN2, z.path_watch(ROOT)),
    (z.GET_ACL, z.path_only(ROOT + "/a")),
    (z.GET_ALL_CHILDREN_NUMBER, z.path_only(ROOT)),
    (z.GET_EPHEMERALS, z.string("/")),
    (z.MULTI_READ, z.multi((z.GET_DATA, z.path_watch(ROOT + "/a")), (z.GET_CHILDREN, z.path_watch(ROOT)))),
    (z.WHO_AM_I, b""),
    (z.ADD_WATCH, z.path_int(ROOT, 1)),
    (z.CHECK_WATCHES, z.path_int(ROOT, 3)),
    (z.REMOVE_WATCHES, z.path_int(ROOT, 3)),
    (z.PING, b""),
]


def members(own):
    """The keys of server 1, whose partners have ports that nobody listens on."""
    ports = set()
    while len(ports) < 6:
        ports.add(zkd_node.free_port())
    keys = {f"server.{i}": f"127.0.0.1:{ports.pop()}:{ports.pop()}:participant" for i in (1, 2, 3)}
    keys["server.1"] += f";127.0.0.1:{own}"
    return {**keys, "initLimit": 10, "syncLimit": 5, "extendedTypesEnabled": "true", "clientPort": None, "clientPortAddress": None}


def fill(node):
    with contextlib.closing(node.client()) as zk:
        zk.create(ROOT, b"held")
        zk.create(ROOT + "/a", b"\0\1")
        zk.create(ROOT + "/closed", acl=[make_acl("ip", "10.1.2.3", all=True)])
        zk.create(ROOT + "/b", b"", sequence=True)
        zk.stop()


def says(node, text, word="srvr"):
    with contextlib.suppress(TimeoutError):
        return text in node.word(word, timeout=1.0)
    return False


def take(node, folder):
    shutil.rmtree(node.data)
    shutil.copytree(folder, node.data)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder that Apache left, with a session that is still open."""
    with apache_node.ApacheNode() as node:
        fill(node)
        wire = z.Wire(node.port)
        wire.connect(timeout_ms=40000)
        node.held = (wire.session, wire.passwd)
        node.stop()
        kept = str(tmp_path_factory.mktemp("data")) + "/data"
        shutil.copytree(node.data, kept)
    with open(os.path.join(kept, "myid"), "w") as f:
        f.write("1\n")
    return kept, node.held


@pytest.fixture(scope="module")
def pair(data):
    with contextlib.ExitStack() as stack:
        nodes = []
        for kind in (zkd_node.Node, apache_node.ApacheNode):
            extra = {} if kind is zkd_node.Node else {"properties": {"readonlymode.enabled": "true"}}
            node = kind(**extra)
            stack.callback(node.close)
            node.keys.update(members(node.port), localSessionsEnabled="true")
            if kind is zkd_node.Node:
                node.keys["readonlymode.enabled"] = "true"
            take(node, data[0])
            nodes.append(node)
        ours, theirs = nodes
        ours.start(wait=False)
        theirs.launch()
        for node in nodes:
            wait_until(lambda node=node: says(node, "Mode: read-only"), 60, "it may be read")
        ours.held = data[1]
        yield ours, theirs
        ours.check_unharmed()


def same(pair, case):
    ours, theirs = pair
    left, right = run(ours, case, ROOT), run(theirs, case, ROOT)
    parted = differential.difference(left, right)
    if parted:
        pytest.fail(parted, pytrace=False)
    assert left


def test_reads(pair):
    def case(r):
        s = r.open(read_only=True)
        for op, body in READS:
            s.call(op, body)
        s.close()

    same(pair, case)


def test_writes(pair):
    def case(r):
        s = r.open(read_only=True)
        for op, body in WRITES:
            s.call(op, body)
        s.call(z.GET_DATA, z.path_watch(ROOT))
        s.close()

    same(pair, case)


def test_who_is_refused(pair):
    def case(r):
        r.open(read_only=False)
        r.open(read_only=None)
        session, passwd = pair[0].held
        r.open(read_only=True, session=session, passwd=passwd)
        r.open(read_only=False, session=session, passwd=passwd)
        r.open(read_only=True, last_zxid=1 << 40)
        r.open(read_only=True, session=12345)

    same(pair, case)


def test_words(pair):
    ours, theirs = pair
    assert ours.word("isro") == theirs.word("isro") == "ro"

    def lines(node):
        return [line for line in node.word("srvr").splitlines() if line.startswith(("READ", "Mode", "Zxid", "Node count"))]

    assert lines(ours) == lines(theirs)
    for key in ("zk_server_state", "zk_peer_state", "zk_quorum_size", "zk_znode_count", "zk_watch_count"):
        values = [[line for line in n.word("mntr").splitlines() if line.startswith(key + "\t")] for n in pair]
        assert values[0] == values[1]


def read_as_kazoo(node):
    zk = KazooClient(hosts=node.hosts, read_only=True)
    try:
        zk.start(timeout=20)
        assert zk.get(ROOT)[0] == b"held"
        assert zk.state == KazooState.CONNECTED
        with pytest.raises(NotReadOnlyCallError):
            zk.set(ROOT, b"other")
    finally:
        zk.stop()
        zk.close()


def test_kazoo(pair):
    for node in pair:
        read_as_kazoo(node)


def test_sessions_need_no_key(data):
    """ZooKeeper answers the connect request with half a response where localSessionsEnabled is not set; zkd serves."""
    with contextlib.closing(zkd_node.Node()) as node:
        node.keys.update(members(node.port), **{"readonlymode.enabled": "true"})
        take(node, data[0])
        node.start(wait=False)
        wait_until(lambda: says(node, "Mode: read-only"), 30, "it may be read")
        read_as_kazoo(node)
        node.check_unharmed()


def test_the_quorum_comes_back():
    """Read-only, read-write when a second server is there, and read-only again without it: of one data set, in two turns."""
    with contextlib.ExitStack() as stack:
        first, second = zkd_node.Node(), zkd_node.Node()
        lines = members(first.port)
        for number, node in enumerate((first, second), 1):
            stack.callback(node.close)
            node.keys.update(lines, tickTime=500, **{"readonlymode.enabled": "true"})
            with open(os.path.join(node.data, "myid"), "w") as f:
                f.write(f"{number}\n")
        lines["server.2"] += f";127.0.0.1:{second.port}"
        for node in (first, second):
            node.keys["server.2"] = lines["server.2"]
            node.start(wait=False)
        for turn in range(2):
            wait_until(lambda: first.word("isro") == "rw" == second.word("isro"), 30, "both serve")
            with contextlib.closing(first.client()) as zk:
                zk.create(f"/{turn}", b"held")
                zk.stop()
            second.stop()
            wait_until(lambda: first.word("isro") == "ro", 30, "the first may be read")
            with z.Wire(first.port) as wire:
                assert wire.connect(read_only=True) is not None
                for path in ("/0", "/1")[: turn + 1]:
                    assert wire.call(z.GET_DATA, z.path_watch(path))[1].err == 0
                assert wire.call(z.CREATE, z.create("/no"))[1].err == -119
                with z.Wire(first.port) as writer:
                    assert writer.connect() is None
                second.start(wait=False)
                assert wire.receive(30) is None, "who reads is sent away when there is a leader"
        wait_until(lambda: first.word("isro") == "rw", 30, "both serve")
        for node in (first, second):
            node.check_unharmed()

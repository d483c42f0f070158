"""Four-letter words: what zkd prints has the shape of what Apache ZooKeeper prints, numbers and names aside."""

import multiprocessing
import os
import re
import socket
import struct
import time

import apache_node
import pytest
import zkd_node
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SAME = "ruok isro srvr stat cons wchs wchc wchp hash gtmk crst srst".split()


def number(match):
    """Whole numbers and others are not the same: scripts parse them."""
    return "F" if "." in match.group() else "N"


def shape(text):
    """Numbers as N or F, the version as V, the connection of the word itself left out; lines in order."""
    text = re.sub(r"(Zookeeper version:|zookeeper.version=).*", r"\1 V", text)
    text = re.sub(r"/\d+\.\d+\.\d+\.\d+:\d+", "/PEER", text)
    lines = [line for line in text.splitlines() if not re.fullmatch(r" /PEER\[0\]\(queued=0,recved=1,sent=0\)", line)]
    return [re.sub(r"0x[0-9a-f]+|-?\d+(\.\d+)?", number, line) for line in lines]


def busy(node):
    """A session that has done something of everything the words count."""
    w = z.Wire(node.port)
    w.connect(timeout_ms=12000)
    w.call(z.CREATE, z.create("/words", b"x", flags=1))
    w.call(z.GET_DATA, z.path_watch("/words", True))
    return w


def close(*wires):
    for w in wires:
        w.call(z.CLOSE_SESSION)


@pytest.mark.parametrize("word", SAME)
def test_shape(ours, theirs, word):
    with busy(ours) as a, busy(theirs) as b:
        left, right = ours.word(word), theirs.word(word)
        close(a, b)
    if word == "stat":
        assert re.search(r" /127.0.0.1:\d+\[1\]\(queued=0,recved=3,sent=3\)\n", left)
    assert shape(left) == shape(right)
    assert left.endswith("\n") == right.endswith("\n")


def test_cons_of_every_kind_of_operation(ours, theirs):
    """After a ping, an authentication and a reset."""
    with busy(ours) as a, busy(theirs) as b:
        for w in (a, b):
            w.call(z.PING, xid=z.XID_PING)
            w.call(z.AUTH, z.auth("digest", b"a:b"), xid=z.XID_AUTH)
        pinged = ours.word("cons"), theirs.word("cons")
        for n in (ours, theirs):
            n.word("crst")
        idle = ours.word("cons"), theirs.word("cons")
        close(a, b)
    for text in pinged:
        assert ",lop=PING," in text and ",lcxid=0x2," in text
    for text in idle:
        assert ",lop=NA," in text and "lcxid" not in text and ",lzxid=0xffffffffffffffff," in text
    assert shape(pinged[0]) == shape(pinged[1])
    assert shape(idle[0]) == shape(idle[1])


def dump_shape(text):
    """The two sides cut time into buckets of different lengths: what is in each is not compared."""
    date = r"[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d [A-Z]+ \d{4}"
    buckets = [line for line in text.splitlines() if " expire at " in line]
    assert len(buckets) >= 2
    for line in buckets:
        assert re.fullmatch(rf"\d+ expire at {date}:", line)
    return [line for line in shape(text) if " expire at " not in line]


def test_dump(ours, theirs):
    with busy(ours) as a, busy(theirs) as b:
        left, right = ours.word("dump"), theirs.word("dump")
        close(a, b)
    assert f"\t{a.session:#x}\n" in left and f"{a.session:#x}:\n\t/words\n" in left
    assert f" sessionId: {a.session:#x}\n" in left
    assert dump_shape(left) == dump_shape(right)


def test_digests(make_node):
    """hash names every 128th transaction. (Not compared: it goes by the ids of the sessions, too.)"""
    with make_node() as node, z.Wire(node.port) as w:
        w.connect()
        for _ in range(260):
            w.call(z.SET_DATA, z.set_data("/"))
        assert re.fullmatch(r"80: -?\d+\n100: -?\d+\n", node.word("hash"))
        close(w)


def ask_bytes(port, data):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(data)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        return answer


def test_trace_mask(ours, theirs):
    for mask in (-2, 306):
        for node in (ours, theirs):
            assert ask_bytes(node.port, b"stmk" + struct.pack(">q", mask)) == str(mask).encode()
            assert node.word("gtmk") == str(mask)


def test_telnet_interrupt(ours, theirs):
    for node in (ours, theirs):
        assert ask_bytes(node.port, b"\xff\xf4\xff\xfd") == b""


def sizes(word):
    return [int(n) for n in re.findall(r"(?:_size: |Size=)(\d+)$", word, re.MULTILINE)]


def folder_size(node):
    return sum(e.stat().st_size for e in os.scandir(os.path.join(node.data, "version-2")))


def test_dirs(ours, theirs):
    """Both folders are one here. zkd's logd tells clientd the sizes, every ten seconds where they change."""
    for node in (ours, theirs):
        zkd_node.wait_until(lambda n=node: sizes(n.word("dirs")) == [folder_size(n)] * 2, 40, "dirs tells the size")
        assert re.fullmatch(r"datadir_size: \d+\nlogdir_size: \d+\n", node.word("dirs"))
        assert sizes(node.word("conf")) == [folder_size(node)] * 2


def test_conf(ours, theirs):
    zkd_node.wait_until(lambda: sizes(ours.word("dirs")), 40, "the sizes are known")
    keys = [line.split("=")[0] for line in theirs.word("conf").splitlines()]
    assert [line.split("=")[0] for line in ours.word("conf").splitlines()] == keys


# What ZooKeeper's threads, caches and JVM do has no counterpart here; the rest belongs to logd, or to an ensemble.
MNTR = """
version server_state avg_latency max_latency min_latency packets_received packets_sent num_alive_connections
outstanding_requests uptime znode_count watch_count ephemerals_count approximate_data_size global_sessions
local_sessions open_file_descriptor_count max_file_descriptor_count connection_drop_probability
commit_count learner_commit_received_count looking_count proposal_count revalidate_count last_client_response_size max_client_response_size min_client_response_size
digest_mismatches_count bytes_received_count cnxn_closed_without_zk_server_running
connection_drop_count connection_rejected connection_request_count connection_revalidate_count response_bytes
sessionless_connections_expired stale_sessions_expired watch_bytes
""".split()
MNTR_SUMMARIES = """
dbinittime node_changed_watch_count node_children_watch_count node_created_watch_count node_deleted_watch_count
snapshottime propagation_latency readlatency updatelatency
""".split()
MNTR_QUANTILES = "propagation_latency readlatency updatelatency".split()


def test_open_descriptors(ours):
    """Counted by clientd itself, which may not look into /proc."""
    with busy(ours) as a, z.Wire(ours.port):
        folder = f"/proc/{ours.pid('clientd')}/fd"
        zkd_node.wait_until(
            lambda: abs(int(monitored(ours)["open_file_descriptor_count"]) - len(os.listdir(folder))) <= 2,
            20,
            "the number is right",
        )
        close(a)


def monitored(node):
    """The keys of mntr without zk_, and their values."""
    lines = [line.split("\t") for line in node.word("mntr").splitlines()]
    assert all(len(line) == 2 and line[0].startswith("zk_") for line in lines)
    keys = [line[0][3:] for line in lines]
    assert len(keys) == len(set(keys))
    return dict(zip(keys, [line[1] for line in lines]))


def test_mntr_keys(ours, theirs):
    """Every key is one of ZooKeeper's, in its order of kinds, and printed as the same kind of number."""
    with busy(ours) as a, busy(theirs) as b:
        left, right = monitored(ours), monitored(theirs)
        close(a, b)
    summaries = [f"{p}_{name}" for name in MNTR_SUMMARIES for p in ("avg", "min", "max", "cnt", "sum")]
    quantiles = [f"{p}_{name}" for name in MNTR_QUANTILES for p in ("p50", "p95", "p99", "p999")]
    assert sorted(left) == sorted(MNTR + summaries + quantiles)
    assert set(left) <= set(right)
    assert list(left)[:2] == list(right)[:2] == ["version", "server_state"]
    assert left["server_state"] == right["server_state"] == "standalone"
    for key in set(left) - {"version", "server_state"}:
        assert ("." in left[key]) == ("." in right[key]), key


def counted(n):
    """What a script of requests changes; each side starts from a reset."""
    n.word("srst")
    with busy(n) as w, z.Wire(n.port) as other:
        other.connect(timeout_ms=10000)
        other.call(z.EXISTS, z.path_watch("/words", True))
        other.call(z.GET_CHILDREN, z.path_watch("/", True))
        w.call(z.GET_DATA, z.path_watch("/nowhere", False))
        w.call(z.SET_DATA, z.set_data("/words", b"yy"))
        w.call(z.SET_DATA, z.set_data("/words", b"yy", 7))
        w.call(z.DELETE, z.path_version("/words"))
        w.call(z.PING, xid=z.XID_PING)
        other.call(z.AUTH, z.auth("digest", b"a:b"), xid=z.XID_AUTH)
        n.word("ruok")  # a server of Apache counts what it sends when the client may have it already
        values = monitored(n)
        close(w, other)
    with z.Wire(n.port) as w:
        w.connect()
    with z.Wire(n.port) as again:
        again.connect(session=w.session, passwd=w.passwd)
        values["later"] = {k: v for k, v in monitored(n).items() if k.startswith("connection_re")}
        close(again)
    return values


def test_mntr_values(ours, theirs):
    left, right = counted(ours), counted(theirs)
    same = """packets_received packets_sent bytes_received_count response_bytes watch_bytes last_client_response_size
        max_client_response_size min_client_response_size connection_request_count connection_rejected znode_count
        watch_count ephemerals_count approximate_data_size global_sessions num_alive_connections outstanding_requests
        cnt_readlatency cnt_updatelatency cnt_node_changed_watch_count sum_node_changed_watch_count
        cnt_node_children_watch_count later""".split()
    assert {k: left[k] for k in same} == {k: right[k] for k in same}


def test_whitelist(make_node):
    with make_node(**{"4lw.commands.whitelist": "srvr, ruok"}) as node:
        assert "Mode: standalone" in node.word("srvr")
        assert node.word("ruok") == "imok"
        assert node.word("stat") == "stat is not executed because it is not in the whitelist.\n"


def test_srvr_is_on_every_whitelist(make_node):
    with make_node(**{"4lw.commands.whitelist": "ruok"}) as node, apache_node.ApacheNode(keys={"4lw.commands.whitelist": "ruok"}) as theirs:
        for n in (node, theirs):
            assert "Mode: standalone" in n.word("srvr") and "not in the whitelist" in n.word("stat")


# CVE-2017-5637: wchp and wchc cost what all watches cost, and anybody may ask, again and again.

WATCHES = 100_000
SECONDS = 3  # at least
SECOND_BYTES = 16 << 20  # what zkd gives to all lists of a second


def hammer(port, enough, word, said):
    while not enough.is_set():
        said.put(len(zkd_node.four_letter(port, word)))


def test_lists_leave_time_for_others(make_node):
    words = ["wchp", "wchc", "dump"]
    whitelist = ", ".join(["srvr", "wchs", *words])
    with make_node(**{"4lw.commands.whitelist": whitelist}) as node, z.Wire(node.port, timeout=30.0) as w:
        w.connect(timeout_ms=40000)
        for i in range(0, WATCHES, 10_000):
            paths = [f"/watched/{n:08}" for n in range(i, i + 10_000)]
            w.call(z.SET_WATCHES, z.set_watches(1 << 60, [], paths, []), xid=z.XID_SET_WATCHES)
        assert f"Total watches:{WATCHES}\n" in node.word("wchs")

        said, enough = multiprocessing.Queue(), multiprocessing.Event()
        start = time.monotonic()
        askers = [multiprocessing.Process(target=hammer, args=(node.port, enough, word, said)) for word in words]
        # What others take from the two of them is no fault of clientd's.
        both = node.pid("clientd"), os.getpid()
        for p in askers:
            p.start()
        slowest = pings = asked = size = 0
        while any(p.is_alive() for p in askers) or not said.empty():
            begun = time.monotonic() - sum(map(zkd_node.waited, both))
            w.call(z.PING, xid=z.XID_PING)
            slowest = max(slowest, time.monotonic() - sum(map(zkd_node.waited, both)) - begun)
            pings += 1
            while not said.empty():
                asked, size = asked + 1, size + said.get()
            took = time.monotonic() - start
            if took > SECONDS and (asked > 20 and pings > 100 or took > 60):
                enough.set()
        took = time.monotonic() - start
        for p in askers:
            p.join()
        assert asked > 20 and pings > 100
        assert size > 4 << 20
        assert size < SECOND_BYTES * (took + 2) + asked * 200
        assert slowest < 1, f"a ping took {slowest:.3f} s"
        close(w)


def test_lists_are_off_by_default(make_node):
    with make_node(**{"4lw.commands.whitelist": None}) as node:
        for word in ("wchp", "wchc", "wchs", "dump", "cons", "stat", "mntr"):
            assert node.word(word) == f"{word} is not executed because it is not in the whitelist.\n"

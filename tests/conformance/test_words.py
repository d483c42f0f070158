"""Four-letter words: what zkd prints has the shape of what Apache ZooKeeper prints, numbers and names aside."""

import re

import apache_node
import pytest
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SAME = ["ruok", "isro", "srvr", "stat", "cons", "wchs", "crst", "srst"]


def shape(text):
    """Numbers as N, the version as V, the connection of the word itself left out; lines in order."""
    text = re.sub(r"(Zookeeper version:|zookeeper.version=).*", r"\1 V", text)
    lines = [line for line in text.splitlines() if not re.fullmatch(r" /\S+\(queued=\d+,recved=\d+,sent=\d+\)", line)]
    return [re.sub(r"0x[0-9a-f]+|-?\d+(\.\d+)?", "N", line) for line in lines]


def busy(node):
    """A session that has done something of everything the words count."""
    w = z.Wire(node.port)
    w.connect(timeout_ms=12000)
    w.call(z.CREATE, z.create("/words", b"x", flags=1))
    w.call(z.GET_DATA, z.path_watch("/words", True))
    return w


@pytest.mark.parametrize("word", SAME)
def test_shape(ours, theirs, word):
    with busy(ours) as a, busy(theirs) as b:
        left, right = ours.word(word), theirs.word(word)
        for w in (a, b):
            w.call(z.CLOSE_SESSION)
    if word == "stat":  # without its session's line, which the filter above takes for the word's own
        assert "/127.0.0.1:" in left
    assert shape(left) == shape(right)


def test_conf(ours, theirs):
    """The sizes of the folders are not known to zkd's clientd, which may open none."""
    keys = [line.split("=")[0] for line in theirs.word("conf").splitlines()]
    assert [line.split("=")[0] for line in ours.word("conf").splitlines()] == [
        k for k in keys if k not in ("dataDirSize", "dataLogSize")
    ]


def test_mntr(ours, theirs):
    """Lines of key, tab, value; every key is one of ZooKeeper's, and those that all dashboards use are there."""
    left = dict(line.split("\t") for line in ours.word("mntr").splitlines())
    right = dict(line.split("\t") for line in theirs.word("mntr").splitlines())
    assert set(left) <= set(right)
    assert left["zk_server_state"] == right["zk_server_state"] == "standalone"
    for key in "avg_latency max_latency min_latency packets_received packets_sent num_alive_connections".split():
        assert re.fullmatch(r"\d+(\.\d+)?", left[f"zk_{key}"])
    for key in "znode_count ephemerals_count approximate_data_size".split():
        assert left[f"zk_{key}"] == right[f"zk_{key}"], key


def test_whitelist(make_node):
    with make_node(**{"4lw.commands.whitelist": "srvr, ruok"}) as node:
        assert "Mode: standalone" in node.word("srvr")
        assert node.word("ruok") == "imok"
        assert node.word("stat") == "stat is not executed because it is not in the whitelist.\n"

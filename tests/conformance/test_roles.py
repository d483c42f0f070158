"""A leader, a follower and an observer of zkd beside Apache ZooKeeper 3.8 standing alone: whatever part a node has, its
clients read the same bytes. The cases are those of test_differential.py.
"""

import contextlib
import os

import apache_node
import cases
import differential
import pytest
import zkd_node
from test_differential import run

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SERVERS = 4  # the last one observes
# An ensemble shows its members in /zookeeper/config.
ALIKE = [c for c in cases.CASES if c.__name__ != "reserved_nodes"]


def server_lines():
    ports = set()
    while len(ports) < 3 * SERVERS:
        ports.add(zkd_node.free_port())
    clients, lines = [], {}
    for i in range(1, SERVERS + 1):
        client, quorum, election = (ports.pop() for _ in range(3))
        role = "observer" if i == SERVERS else "participant"
        lines[f"server.{i}"] = f"127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{client}"
        clients.append(client)
    return clients, lines


def make_member(number, port, lines):
    keys = {"initLimit": 10, "syncLimit": 5, "extendedTypesEnabled": "true", **lines}
    if number == SERVERS:
        keys["peerType"] = "observer"
    node = zkd_node.Node(port=port, keys=keys)
    for key in ("clientPort", "clientPortAddress"):
        node.keys.pop(key, None)
    os.makedirs(node.data, exist_ok=True)
    with open(os.path.join(node.data, "myid"), "w") as f:
        f.write(f"{number}\n")
    return node


def mode(node):
    with contextlib.suppress(OSError):
        for line in zkd_node.four_letter(node.port, "srvr").splitlines():
            if line.startswith("Mode: "):
                return line.removeprefix("Mode: ")
    return ""


@pytest.fixture(scope="module", params=["leader", "follower", "observer"])
def pair(request):
    """A node with this part in an ensemble of its own, and the server that it is compared with; both are fresh."""
    clients, lines = server_lines()
    with contextlib.ExitStack() as stack:
        nodes = [make_member(i, port, lines) for i, port in enumerate(clients, 1)]
        for node in nodes:
            stack.callback(node.close)
            node.start(wait=False)
        theirs = stack.enter_context(apache_node.ApacheNode())
        zkd_node.wait_until(lambda: all(mode(n) for n in nodes), 30, "all members serve")
        yield next(n for n in nodes if mode(n) == request.param), theirs
        for node in nodes:
            node.check_unharmed()


@pytest.mark.parametrize("case", ALIKE, ids=lambda c: c.__name__)
def test_case(pair, case):
    ours, theirs = pair
    root = f"/{case.__name__}"
    left, right = run(ours, case, root), run(theirs, case, root)
    parted = differential.difference(left, right)
    if parted:
        pytest.fail(f"{case.__name__}\n{parted}", pytrace=False)
    assert left, "a case that looks at nothing"

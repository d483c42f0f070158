"""Sessions in ensembles of both kinds: one that begins at a server of zkd goes on at one of Apache ZooKeeper, and the
reverse, with its ephemerals and its watches; one that is closed or expires is gone everywhere; one that only its own server
knows stays there, until it wants to own something and may.
"""

import itertools

import apache_node
import loopback
import pytest
import zkwire as z
from zkd_node import wait_until

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

SECONDS = 40
KEYS = {"tickTime": 500, "initLimit": 20, "syncLimit": 10}
MIXTURES = {
    "zaz": (["zkd", "apache", "zkd"], ()),
    "aza": (["apache", "zkd", "apache"], ()),
    "zazaz": (["zkd", "apache", "zkd", "apache", "zkd"], ()),
    "azaza, both kinds observe": (["apache", "zkd", "apache", "zkd", "apache"], (4, 5)),
}
EPHEMERAL, OK, EPHEMERAL_ON_LOCAL = 1, 0, -120


def call(wire, op, body=b""):
    """The error code of the reply."""
    return wire.call(op, body)[1].err


def attach(node, session, passwd):
    """A connection that goes on with the session; its own session is 0 where the server says that it is over."""
    w = z.Wire(node.port)
    assert w.connect(8000, session, passwd) is not None
    return w


def exists(node, path):
    """As that server sees it, when it has heard of all that was acknowledged elsewhere."""
    with z.Wire(node.port) as w:
        w.connect(8000)
        call(w, z.SYNC, z.path_only(path))
        found = call(w, z.EXISTS, z.path_watch(path)) == OK
        call(w, z.CLOSE_SESSION)
        return found


@pytest.fixture(params=MIXTURES.values(), ids=MIXTURES.keys(), scope="module")
def mixture(request):
    kinds, observers = request.param
    with loopback.Ensemble(kinds, keys=KEYS, observers=observers) as e:
        yield e


def test_a_session_moves(mixture):
    nodes = mixture.nodes
    w = z.Wire(nodes[1].port)
    w.connect(8000)
    session, passwd = w.session, w.passwd
    try:
        assert call(w, z.CREATE, z.create("/lock", flags=EPHEMERAL)) == OK
        # From each server to each other.
        for n in [b for a, b in itertools.permutations(nodes, 2)]:
            moved = attach(nodes[n], session, passwd)
            w.close()
            w = moved
            assert w.session == session, f"at server {n}"
            assert call(w, z.SET_DATA, z.set_data("/lock", str(n))) == OK, f"at server {n}"
        assert all(exists(node, "/lock") for node in nodes.values())
        assert call(w, z.CLOSE_SESSION) == OK
    finally:
        w.close()
    assert not any(exists(node, "/lock") for node in nodes.values())
    for n, node in nodes.items():
        with attach(node, session, passwd) as w:
            assert w.session == 0, f"server {n} goes on with a session that was closed"


def test_a_session_expires_everywhere(mixture):
    nodes = mixture.nodes
    found = []
    for n, node in nodes.items():
        with z.Wire(node.port) as w:
            w.connect(2500)
            found.append((w.session, w.passwd))
            assert call(w, z.CREATE, z.create(f"/e{n}", flags=EPHEMERAL)) == OK
    for n in nodes:
        wait_until(lambda n=n: not any(exists(node, f"/e{n}") for node in nodes.values()), SECONDS, f"/e{n} goes")
    for (session, passwd), node in zip(found, reversed(list(nodes.values()))):
        with attach(node, session, passwd) as w:
            assert w.session == 0


def test_a_local_session_stays_where_it_is():
    check_local_sessions(upgrades=False)


def test_a_local_session_that_wants_to_own_something():
    check_local_sessions(upgrades=True)


def check_local_sessions(upgrades):
    keys = {**KEYS, "localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true" if upgrades else "false"}
    with loopback.Ensemble(["zkd", "apache", "zkd", "apache", "zkd"], keys=keys, observers=(4, 5)) as e:
        for n, node in e.nodes.items():
            other = e.nodes[n % len(e.nodes) + 1]
            with z.Wire(node.port) as w:
                w.connect(8000)
                assert call(w, z.CREATE, z.create(f"/plain{n}")) == OK, f"server {n}"
                with attach(other, w.session, w.passwd) as there:
                    assert there.session == 0, f"the session of server {n}"
                created = call(w, z.CREATE, z.create(f"/owned{n}", flags=EPHEMERAL))
                assert created == (OK if upgrades else EPHEMERAL_ON_LOCAL), f"server {n}"
                if not upgrades:
                    continue
                with attach(other, w.session, w.passwd) as there:
                    assert there.session == w.session, f"the session of server {n}"
                    assert exists(node, f"/owned{n}")
                    assert call(there, z.CLOSE_SESSION) == OK
                assert not any(exists(m, f"/owned{n}") for m in e.nodes.values()), f"server {n}"

"""zkd beside Apache ZooKeeper, both configured in the same uncommon way."""

import re

import apache_node
import pytest
import zkwire as z
from test_differential import compare

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

# super:secret, as `DigestAuthenticationProvider.generateDigest` makes it
SUPER_DIGEST = "super:lK75jTNcA+U9vtVEw5vB51mj/w4="

UNIMPLEMENTED, NOAUTH, QUOTAEXCEEDED, NOT_AUTHENTICATED = -6, -102, -125, -124


@pytest.fixture
def pair(make_node):
    """pair(keys) gives zkd and Apache with these keys of zoo.cfg; Java takes them as properties where it must."""
    nodes = []

    def make(**keys):
        properties = {k: str(v) for k, v in keys.items() if k.startswith(("zookeeper.", "jute.", "znode."))}
        nodes.append(make_node(**keys))
        nodes.append(apache_node.ApacheNode(keys={k: v for k, v in keys.items() if k not in properties}, properties=properties))
        for n in nodes:
            n.start()
        return nodes

    yield make
    for n in nodes:
        n.close()


def seed_locked(r):
    """A session, and below the case's root a node that only bob may touch."""
    s = r.open()
    s.call(z.CREATE, z.create(r.root))
    bob = r.open()
    bob.call(z.AUTH, z.auth("digest", b"bob:secret"), z.XID_AUTH)
    bob.call(z.CREATE, z.create(f"{r.root}/bobs", b"b", [(z.ALL, "auth", "")]))
    bob.close()
    return s


def touch(s, path):
    for op, body in (
        (z.GET_DATA, z.path_watch(path)),
        (z.SET_DATA, z.set_data(path, b"n")),
        (z.GET_ACL, z.path_only(path)),
        (z.CREATE, z.create(f"{path}/x")),
        (z.SET_ACL, z.set_acl(path)),
        (z.DELETE, z.path_version(f"{path}/x")),
    ):
        s.call(op, body)


def test_super_user(pair):
    def case(r):
        s = seed_locked(r)
        touch(s, f"{r.root}/bobs")
        s.call(z.AUTH, z.auth("digest", b"super:wrong"), z.XID_AUTH)
        touch(s, f"{r.root}/bobs")
        assert s.call(z.GET_DATA, z.path_watch(f"{r.root}/bobs")).err == NOAUTH
        s.call(z.AUTH, z.auth("digest", b"super:secret"), z.XID_AUTH)
        assert s.call(z.GET_DATA, z.path_watch(f"{r.root}/bobs")).err == 0
        touch(s, f"{r.root}/bobs")
        s.call(z.WHO_AM_I)
        s.call(z.SET_DATA, z.set_data("/zookeeper/config", b"x"))
        s.close()

    compare(*pair(**{"zookeeper.DigestAuthenticationProvider.superDigest": SUPER_DIGEST}), case, "/case")


def test_skip_acl(pair):
    def case(r):
        s = seed_locked(r)
        assert s.call(z.GET_DATA, z.path_watch(f"{r.root}/bobs")).err == 0
        touch(s, f"{r.root}/bobs")
        s.close()

    compare(*pair(**{"zookeeper.skipACL": "yes"}), case, "/case")


def test_enforced_quota(pair):
    def case(r):
        s = r.open()
        s.call(z.CREATE, z.create(r.root, b"12345"))
        quota = f"/zookeeper/quota{r.root}"
        s.call(z.CREATE, z.create(quota))
        s.call(z.CREATE, z.create(f"{quota}/zookeeper_limits", b"count=1,bytes=1=;byteHardLimit=20;countHardLimit=3"))
        s.call(z.CREATE, z.create(f"{quota}/zookeeper_stats", b"count=0,bytes=0"))
        s.call(z.CREATE, z.create(f"{r.root}/a", b"1234567890"))
        s.call(z.CREATE, z.create(f"{r.root}/b", b"1234567890"))
        s.call(z.SET_DATA, z.set_data(f"{r.root}/a", bytes(15)))
        s.call(z.SET_DATA, z.set_data(f"{r.root}/a", bytes(16)))
        s.call(z.CREATE, z.create(f"{r.root}/c"))
        assert s.call(z.CREATE, z.create(f"{r.root}/d")).err == QUOTAEXCEEDED
        s.call(z.MULTI, z.multi((z.DELETE, z.path_version(f"{r.root}/c")), (z.CREATE, z.create(f"{r.root}/d"))))
        s.call(z.GET_DATA, z.path_watch(f"{quota}/zookeeper_stats"))
        s.close()

    compare(*pair(**{"zookeeper.enforceQuota": "true"}), case, "/case")


def test_extended_types_off(pair):
    def case(r):
        s = r.open()
        s.call(z.CREATE, z.create(r.root))
        assert s.call(z.CREATE_TTL, z.create_ttl(f"{r.root}/t")).err == UNIMPLEMENTED
        s.call(z.CREATE_TTL, z.create_ttl(f"{r.root}/t", ttl=-1))
        s.call(z.CREATE_CONTAINER, z.create(f"{r.root}/c", flags=4))
        s.call(z.MULTI, z.multi((z.CREATE_TTL, z.create_ttl(f"{r.root}/t"))))
        s.close()

    compare(*pair(**{"zookeeper.extendedTypesEnabled": "false", "extendedTypesEnabled": None}), case, "/case")


def test_reconfig_of_a_node_that_stands_alone(pair):
    def case(r):
        s = r.open()
        for joining, leaving, members in ((None, None, "server.1=a:1:2"), ("server.2=b:1:2", None, None), (None, "1", None)):
            body = z.string(joining) + z.string(leaving) + z.string(members) + z.i64(-1)
            assert s.call(z.RECONFIG, body).err == UNIMPLEMENTED
        s.call(z.RECONFIG, b"")
        s.call(z.GET_DATA, z.path_watch("/zookeeper/config"))
        s.close()

    compare(*pair(reconfigEnabled="true"), case, "/case")


def test_forced_authentication(pair):
    """Nothing but auth and sasl is answered before one of the schemes is proven; what else comes ends the connection."""

    def case(r):
        for op, body, xid in (
            (z.WHO_AM_I, b"", None),
            (z.PING, b"", z.XID_PING),
            (z.CREATE, z.create(f"{r.root}"), None),
            (z.CLOSE_SESSION, b"", None),
            (1000, b"", None),
        ):
            s = r.open()
            s.call(z.SASL, z.string(b""))
            assert s.call(op, body, xid).err == NOT_AUTHENTICATED
            s.expect()
        s = r.open()
        s.call(z.AUTH, z.auth("digest", b"bob:secret"), z.XID_AUTH)
        assert s.call(z.CREATE, z.create(r.root)).err == 0
        s.drop()
        again = r.open(session=s.wire.session, passwd=s.wire.passwd)
        assert again.call(z.EXISTS, z.path_watch(r.root)).err == NOT_AUTHENTICATED
        again.expect()

    def quiet(r):  # where the case begins cannot be asked by one who has proven nothing
        r.masks.base = 0
        r.masks.zxid = lambda value: value if value in (0, -1) else 1
        case(r)

    keys = {"zookeeper.enforce.auth.enabled": "true", "zookeeper.enforce.auth.schemes": "digest"}
    compare(*pair(**keys), quiet, "/case")


def test_session_timeouts(pair):
    def case(r):
        for timeout in (1, 4999, 5000, 15000, 28000, 28001):
            r.open(timeout_ms=timeout).close()

    compare(*pair(tickTime=500, minSessionTimeout=5000, maxSessionTimeout=28000), case, "/case")


def test_connections_per_address(pair):
    """The third connection of an address is closed without a word."""

    def case(r):
        a = r.open()
        b = r.open()
        try:
            r.open_silent().expect()
        except ConnectionError:  # closed so soon that already connecting says so
            r.lines.append("3 end: closed")
        b.close()
        a.close()

    compare(*pair(maxClientCnxns=2), case, "/case")


def test_largest_request(pair):
    def case(r):
        s = r.open()
        s.call(z.CREATE, z.create(r.root))
        for size in (900, 2000):
            s.call(z.SET_DATA, z.set_data(r.root, bytes(size)))
        s.expect()
        t = r.open()
        t.call(z.MULTI, z.multi((z.CREATE, z.create(f"{r.root}/big", bytes(2000)))))
        t.expect()

    ours, theirs = pair(**{"jute.maxbuffer": 1024})
    compare(ours, theirs, case, "/case")
    # whoever looks for the reason of a connection loss finds it
    for op, path in (("SETD", "/case"), ("MULT", "/case/big")):
        assert re.search(
            rf"peer=127.0.0.1:[0-9]+ session=0x[0-9a-f]+ reason=.frame length [0-9]+ outside 1..1024 "
            rf"\(jute.maxbuffer\), op={op} path={path}.$",
            ours.log_end(),
            re.MULTILINE,
        ), ours.log_end()


def test_expiry_of_what_is_empty(pair):
    """Containers that have had children and TTL nodes go when the sweeper comes; watches tell. Only the outcome counts."""
    ours, theirs = pair(**{"znode.container.checkIntervalMs": "300"})
    outcomes = []
    with z.Wire(ours.port) as left, z.Wire(theirs.port) as right:
        for w in (left, right):
            w.connect(timeout_ms=40000)
            w.call(z.CREATE_CONTAINER, z.create("/used", flags=4))
            w.call(z.CREATE, z.create("/used/x"))
            w.call(z.CREATE_CONTAINER, z.create("/fresh", flags=4))
            w.call(z.CREATE_TTL, z.create_ttl("/ttl", ttl=6000))
            w.call(z.CREATE_TTL, z.create_ttl("/long", ttl=500000))
            for path in ("/used", "/ttl"):
                w.call(z.EXISTS, z.path_watch(path, True))
            w.call(z.DELETE, z.path_version("/used/x"))
        for w in (left, right):
            gone = {w.receive(30).event() for _ in range(2)}
            r = w.call(z.GET_CHILDREN, z.path_watch("/"))[1].body()
            outcomes.append((gone, sorted(r.vector(r.buffer))))
            w.call(z.CLOSE_SESSION)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == {(2, 3, "/used"), (2, 3, "/ttl")}



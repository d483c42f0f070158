"""What a leader of zkd proposes a server of Apache ZooKeeper 3.8 applies, and answers as by itself."""

import apache_node
import loopback
import pytest
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

KEYS = {"tickTime": 500, "initLimit": 20, "syncLimit": 10, "extendedTypesEnabled": "true"}
OK, NO_NODE = 0, -101


def seen(node, path):
    with z.Wire(node.port) as w:
        w.connect(8000)
        w.call(z.SYNC, z.path_only(path))
        return w.call(z.EXISTS, z.path_watch(path))[1].err == OK


def test_create2_in_a_multi():
    """Before 3.9 no txn of a multi may be that of a create2: nothing of it would be applied."""
    with loopback.Ensemble(["zkd", "apache", "zkd"], keys=KEYS) as e:
        assert e.leader() != 2
        for n, node in e.nodes.items():
            good = z.multi((z.CREATE2, z.create(f"/good{n}")), (z.CREATE, z.create(f"/also{n}")))
            bad = z.multi((z.CREATE2, z.create(f"/bad{n}")), (z.CHECK, z.path_version(f"/bad{n}/none", 3)))
            with z.Wire(node.port) as w:
                w.connect(8000)
                reply = w.call(z.MULTI, good)[1]
                assert reply.err == OK
                # As it was asked for, with a Stat; 3.8 itself has none there.
                assert reply.frame[16:20] == z.i32(z.CREATE if n == 2 else z.CREATE2), f"server {n}"
                failed = w.call(z.MULTI, bad)[1]
                assert z.i32(NO_NODE) in failed.frame[16:], f"server {n}"
            for other in e.nodes.values():
                assert seen(other, f"/good{n}") and seen(other, f"/also{n}") and not seen(other, f"/bad{n}")
        assert "zk_digest_mismatches_count\t0\n" in e.nodes[2].word("mntr")

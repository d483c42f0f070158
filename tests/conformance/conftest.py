"""Nodes for the conformance tests. ZKD_SELF=1 puts Apache ZooKeeper in zkd's place: a check of the tests themselves."""

import os

import apache_node
import pytest
import zkd_node


@pytest.fixture(scope="session")
def make_node():
    """make_node(**keys) is a zkd node, not started."""
    if os.environ.get("ZKD_SELF"):
        return lambda **keys: apache_node.ApacheNode(keys=keys)
    if not zkd_node.built():
        pytest.fail(f"no zkd in {zkd_node.BUILD}: build it, or say where with ZKD_BUILD", pytrace=False)
    return lambda **keys: zkd_node.Node(keys={"extendedTypesEnabled": "true", **keys})


@pytest.fixture(scope="module")
def node(make_node):
    """One node for all tests of a file, with short ticks."""
    with make_node(tickTime=500, minSessionTimeout=1000) as n:
        yield n
        check_unharmed(n)


@pytest.fixture(scope="module")
def ours(make_node):
    """The node that is compared with `theirs`: both have the defaults of zoo.cfg."""
    with make_node() as n:
        yield n
        check_unharmed(n)


@pytest.fixture(scope="module")
def theirs():
    with apache_node.ApacheNode() as n:
        yield n


def check_unharmed(n):
    if isinstance(n, zkd_node.Node):
        n.check_unharmed()

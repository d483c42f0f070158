"""zkd beside Apache ZooKeeper 3.8: the same bytes go to both, and what they answer must be the same bytes.

Cases by hand; test_random.py has the random requests.
"""

import pytest

import apache_node
import cases
import differential
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")


def run(node, case, root):
    recorder = differential.Recorder(node.port, root)
    try:
        case(recorder)
    except AssertionError:  # what the case itself demands, of both
        raise
    except Exception as e:
        recorder.lines.append(f"{type(e).__name__}: {e}")
    finally:
        recorder.finish()
    return recorder.lines


def compare(ours, theirs, case, root):
    left, right = run(ours, case, root), run(theirs, case, root)
    parted = differential.difference(left, right)
    if parted:
        pytest.fail(f"{case.__name__}\n{parted}", pytrace=False)
    assert left, "a case that looks at nothing"


def test_a_fresh_server(ours, theirs):
    """The nodes that a server is born with, before any case has changed them."""

    def fresh(r):
        s = r.open()
        for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
            s.call(z.GET_DATA, z.path_watch(path))
            s.call(z.GET_CHILDREN2, z.path_watch(path))
            s.call(z.GET_ACL, z.path_only(path))
            s.call(z.GET_ALL_CHILDREN_NUMBER, z.path_only(path))
        s.close()

    compare(ours, theirs, fresh, "")


@pytest.mark.parametrize("case", cases.CASES, ids=lambda c: c.__name__)
def test_case(ours, theirs, case):
    compare(ours, theirs, case, f"/{case.__name__}")

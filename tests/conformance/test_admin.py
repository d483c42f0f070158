"""The AdminServer of Apache ZooKeeper beside ours: the same commands have the same keys with values of the same kind."""

import json
import urllib.error
import urllib.request

import apache_node
import pytest
import zkd_node
import zkwire as z

pytestmark = pytest.mark.skipif(not apache_node.installed(), reason="Apache ZooKeeper is not installed")

COMMANDS = """configuration connections dump get_trace_mask is_read_only leader observers ruok server_stats stats voting_view
    watch_summary watches watches_by_path zabstate conf cons gtmk isro lead obsr srvr stat wchs wchc wchp hash
    set_trace_mask set_trace_mask?traceMask=306 connection_stat_reset stat_reset crst srst nosuch ruok/x""".split()
# What nobody but logd sees, and what counts connections by TLS.
NOT_OURS = {
    "data_dir_size", "log_dir_size", "fsync_threshold_exceed_count", "auth_failed_count", "non_mtlsremote_conn_count",
    "non_mtlslocal_conn_count",
}


@pytest.fixture(scope="module")
def pair():
    keys = {"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "maxSessionTimeout": 600000}
    left, right = zkd_node.free_port(), zkd_node.free_port()
    while right == left:
        right = zkd_node.free_port()
    with (
        zkd_node.Node(keys={**keys, "admin.serverPort": left}) as ours,
        apache_node.ApacheNode(keys={**keys, "admin.serverPort": right}, jars=["servlet-api"]) as theirs,
    ):
        with z.Wire(ours.port) as a, z.Wire(theirs.port) as b:
            for w in (a, b):
                w.connect(timeout_ms=600000)
                w.call(z.CREATE, z.create("/admin", b"x", flags=1))
                w.call(z.GET_DATA, z.path_watch("/admin", True))
            yield left, right
            for w in (a, b):
                w.call(z.CLOSE_SESSION)


def get(port, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/commands/{name}", timeout=20) as r:
        return r.status, r.headers["Content-Type"], json.loads(r.read())


def shape(value):
    """Numbers as their kind, other values by name; members that are named by numbers as one."""
    if isinstance(value, dict):
        return {"N" if k.isdigit() else k: shape(v) for k, v in value.items() if k not in NOT_OURS}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return type(value).__name__ if isinstance(value, (int, float)) and not isinstance(value, bool) else value


@pytest.mark.parametrize("name", COMMANDS)
def test_same_keys(pair, name):
    ours, theirs = (get(port, name) for port in pair)
    assert ours[:2] == theirs[:2]
    left, right = shape(ours[2]), shape(theirs[2])
    for each in (left, right):
        each.pop("version", None)
        for text in ("data_dir", "data_log_dir"):
            each.pop(text, None)
        for c in each.get("connections", []):
            c.pop("remote_socket_address")
    assert left == right


def test_monitor_has_their_numbers(pair):
    """Of the same name the same kind of value."""
    ours, theirs = (get(port, "monitor")[2] for port in pair)
    common = ours.keys() & theirs.keys()
    assert len(common) > 60
    assert {k: type(ours[k]) for k in common} == {k: type(theirs[k]) for k in common}
    assert ours.keys() - theirs.keys() <= {"truncated"} | {k for k in ours if "3.9" in k}


def test_environment_has_their_names(pair):
    ours, theirs = (get(port, "environment")[2] for port in pair)
    assert ours.keys() <= theirs.keys()


@pytest.mark.parametrize("path", ["/", "/foo", "/commandsx"])
def test_paths_that_are_not_there(pair, path):
    for port in pair:
        with pytest.raises(urllib.error.HTTPError) as e:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20)
        assert e.value.code == 404


def test_list_has_only_their_names(pair):
    names = []
    for port in pair:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/commands", timeout=20) as r:
            names.append(r.read().decode().splitlines())
    assert set(names[0]) <= set(names[1]) and len(names[0]) == 2 * 22

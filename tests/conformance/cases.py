"""Cases of the differential test: each is a function of a Recorder, run on zkd and on Apache ZooKeeper.

A case works below r.root, which is new and its own, and ends with the sessions it opened closed or dropped. CASES is
the list of them, in the order of this file.

What zkd answers otherwise on purpose is left out: known_differences.py lists it. r.survives is for nulls, of which
not the answer counts, but that there is one.
"""

import struct

from zkwire import (
    ADD_WATCH,
    ADMIN,
    ALL,
    AUTH,
    CHECK,
    CHECK_WATCHES,
    CREATE,
    CREATE2,
    CREATE_CONTAINER,
    CREATE_TTL,
    DELETE,
    EXISTS,
    GET_ACL,
    GET_ALL_CHILDREN_NUMBER,
    GET_CHILDREN,
    GET_CHILDREN2,
    GET_DATA,
    GET_EPHEMERALS,
    MULTI,
    MULTI_READ,
    OPEN_ACL,
    PERM_CREATE,
    PING,
    READ,
    RECONFIG,
    REMOVE_WATCHES,
    SASL,
    SET_ACL,
    SET_DATA,
    SET_WATCHES,
    SET_WATCHES2,
    SYNC,
    WHO_AM_I,
    WRITE,
    XID_AUTH,
    XID_PING,
    XID_SET_WATCHES,
    auth,
    create,
    create_ttl,
    i32,
    i64,
    multi,
    path_int,
    path_only,
    path_version,
    path_watch,
    set_acl,
    set_data,
    set_watches,
    string,
)

CASES = []

BAD_PATHS = [
    "",
    "x",
    "//",
    "/a/",
    "/a//b",
    "/.",
    "/a/..",
    "/a/./b",
    "/a\0b",
    "/\x01",
    "/\x7f",
    "/\x85",
    "/\ue000",
    "/\ufff0",
    b"/\xff",
    b"/\xed\xa0\x80",
    b"/\xf0\x9f\x98\x80",
    None,
]


def case(f):
    CASES.append(f)
    return f


def seed_tree(s, root):
    for path in (root, f"{root}/a", f"{root}/a/b", f"{root}/c"):
        s.call(CREATE, create(path, path.encode()))


# connecting


@case
def connect_new(r):
    s = r.open(timeout_ms=12345)
    s.call(PING, xid=XID_PING)
    s.close()


@case
def connect_without_read_only_byte(r):
    r.open(read_only=None).close()


@case
def connect_read_only_allowed(r):
    r.open(read_only=True).close()


@case
def connect_timeouts_are_clamped(r):
    for timeout in (0, 1, -5, 3999, 4000, 40000, 40001, 0x7FFFFFFF):
        r.open(timeout_ms=timeout).close()


@case
def connect_passwd_of_any_length(r):
    r.open(passwd=b"").close()
    r.open(passwd=None).close()
    r.open(passwd=b"x" * 100).close()


@case
def connect_unknown_session(r):
    s = r.open(session=0x1234567890ABCDE, passwd=bytes(16))
    s.expect()


@case
def connect_wrong_password(r):
    a = r.open()
    a.drop()
    b = r.open(session=a.wire.session, passwd=b"0123456789abcdef")
    b.expect()
    r.open(session=a.wire.session, passwd=a.wire.passwd).close()


@case
def connect_again(r):
    a = r.open()
    a.call(CREATE, create(r.root, b"", flags=1))
    a.drop()
    b = r.open(session=a.wire.session, passwd=a.wire.passwd)
    b.call(EXISTS, path_watch(r.root))
    b.close()


@case
def connect_moves_from_an_open_connection(r):
    a = r.open()
    a.call(CREATE, create(r.root, b"", flags=1))
    b = r.open(session=a.wire.session, passwd=a.wire.passwd)
    a.expect()
    b.call(EXISTS, path_watch(r.root))
    b.close()


@case
def connect_after_close(r):
    a = r.open()
    a.close()
    b = r.open(session=a.wire.session, passwd=a.wire.passwd)
    b.expect()


@case
def connect_ahead_of_the_server(r):
    r.open(last_zxid=1 << 40)


@case
def connect_negative_zxid(r):
    r.open(last_zxid=-1).close()


@case
def connect_truncated(r):
    s = r.open_silent()
    s.raw(i32(0) + i64(0) + i32(1000))
    s.expect()


@case
def connect_trailing_bytes(r):
    s = r.open_silent()
    s.raw(i32(0) + i64(0) + i32(10000) + i64(0) + string(bytes(16)) + b"\0" + b"more")
    frame = s.wire.receive_frame()
    s.note("length", i32(len(frame)))
    r.masks.session_opened(struct.unpack(">q", frame[8:16])[0])


@case
def frame_lengths(r):
    for length in (-1, -0x80000000, 0x7FFFFFFF, 1048576):
        s = r.open_silent()
        s.wire.send_bytes(struct.pack(">i", length))
        s.expect()
    for length in (-1, 0x7FFFFFFF, 1048576):
        s = r.open()
        s.wire.send_bytes(struct.pack(">i", length))
        s.expect()


@case
def close_session_removes_ephemerals(r):
    a, b = r.open(), r.open()
    a.call(CREATE, create(r.root))
    for name in "xyz":
        a.call(CREATE, create(f"{r.root}/{name}", b"", flags=1))
    b.call(GET_CHILDREN, path_watch(r.root, True))
    b.call(EXISTS, path_watch(f"{r.root}/y", True))
    a.close()
    b.expect()
    b.expect()
    b.call(GET_CHILDREN2, path_watch(r.root))
    b.close()


# creating


@case
def create_modes(r):
    s = r.open()
    s.call(CREATE, create(r.root, b"root"))
    for op, modes in ((CREATE, (0, 1, 2, 3, 5, 6, 7, -1)), (CREATE2, (0, 1, 2, 3, 5, 7)), (CREATE_CONTAINER, (4, 5, 7))):
        for flags in modes:
            s.call(op, create(f"{r.root}/n{op}.{flags}", b"d", flags=flags))
    s.call(GET_CHILDREN2, path_watch(r.root))
    for name in ("n1.0", "n1.1", "n19.4"):
        s.call(EXISTS, path_watch(f"{r.root}/{name}"))
    s.close()


@case
def create_ttl_nodes(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    for flags in (0, 4, 5, 6):
        s.call(CREATE_TTL, create_ttl(f"{r.root}/t{flags}", flags=flags))
    for ttl in (0, -1, 1 << 40, (1 << 40) - 1):
        s.call(CREATE_TTL, create_ttl(f"{r.root}/u{ttl}", ttl=ttl))
    s.call(GET_DATA, path_watch(f"{r.root}/t5"))
    s.call(GET_CHILDREN2, path_watch(r.root))
    s.close()


@case
def create_errors(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(CREATE, create(r.root))
    s.call(CREATE, create(f"{r.root}/no/parent"))
    s.call(CREATE, create("/"))
    s.call(CREATE, create(f"{r.root}/e", flags=1))
    s.call(CREATE, create(f"{r.root}/e/child"))
    s.call(CREATE, create(f"{r.root}/x", acl_list=[]))
    s.call(CREATE, create(f"{r.root}/x", acl_list=None))
    s.call(EXISTS, path_watch(f"{r.root}/x"))
    s.close()


@case
def create_bad_paths(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    for path in BAD_PATHS:
        s.call(CREATE, create(path))
        s.call(CREATE, create(path, flags=2))
    s.call(CREATE, create(f"{r.root}/.hidden"))
    s.call(CREATE, create(f"{r.root}/\u00e9\u20ac"))
    s.call(GET_CHILDREN, path_watch(r.root))
    s.close()


@case
def create_null_and_empty_data(r):
    s = r.open()
    s.call(CREATE, create(r.root, None))
    s.call(CREATE, create(f"{r.root}/e", b""))
    for path in (r.root, f"{r.root}/e"):
        s.call(GET_DATA, path_watch(path))
        s.call(SET_DATA, set_data(path, None))
        s.call(GET_DATA, path_watch(path))
    s.close()


@case
def sequences(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    s.call(CREATE, create(f"{r.root}/plain"))
    for _ in range(3):
        s.call(CREATE, create(f"{r.root}/q-", flags=2))
    s.call(CREATE, create(f"{r.root}/", flags=2))
    s.call(DELETE, path_version(f"{r.root}/plain"))
    s.call(CREATE2, create(f"{r.root}/q-", flags=3))
    s.call(EXISTS, path_watch(r.root))
    s.close()


# changing


@case
def delete_rules(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(DELETE, path_version(f"{r.root}/a"))
    s.call(DELETE, path_version(f"{r.root}/a/b", 3))
    s.call(DELETE, path_version(f"{r.root}/a/b", 0))
    s.call(DELETE, path_version(f"{r.root}/a/b"))
    s.call(DELETE, path_version(f"{r.root}/none/b"))
    s.call(EXISTS, path_watch(f"{r.root}/a"))
    for path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        s.call(DELETE, path_version(path))
    for path in BAD_PATHS:
        s.call(DELETE, path_version(path))
    s.close()


@case
def set_data_rules(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1", 0))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"2", 0))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"3", 1))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"4"))
    s.call(SET_DATA, set_data(f"{r.root}/none", b"4"))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"4", -2))
    for path in BAD_PATHS:
        s.call(SET_DATA, set_data(path))
        s.call(SET_ACL, set_acl(path))
    s.call(GET_DATA, path_watch(f"{r.root}/a"))
    s.close()


@case
def versions_and_zxids_of_a_parent(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    for i in range(4):
        s.call(CREATE, create(f"{r.root}/{i}"))
    s.call(DELETE, path_version(f"{r.root}/1"))
    s.call(SET_DATA, set_data(f"{r.root}/2", b"x"))
    s.call(CREATE, create(f"{r.root}/2/deep"))
    s.call(EXISTS, path_watch(r.root))
    s.call(EXISTS, path_watch(f"{r.root}/2"))
    s.close()


@case
def failed_writes_take_zxids(r):
    s = r.open()
    for _ in range(3):
        s.call(DELETE, path_version(f"{r.root}/none"))
    s.call(CREATE, create(r.root))
    s.call(EXISTS, path_watch(r.root))
    s.close()


# reading


@case
def read_errors(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    for path in [f"{r.root}/none", *BAD_PATHS]:
        for op in (EXISTS, GET_DATA, GET_CHILDREN, GET_CHILDREN2):
            s.call(op, path_watch(path))
        s.call(GET_ACL, path_only(path))
        if path != "":  # the root, whose descendants are not this case's
            s.call(GET_ALL_CHILDREN_NUMBER, path_only(path))
    s.close()


@case
def reads_of_a_tree(r):
    s = r.open()
    seed_tree(s, r.root)
    for path in (r.root, f"{r.root}/a", f"{r.root}/a/b"):
        for op in (EXISTS, GET_DATA, GET_CHILDREN, GET_CHILDREN2):
            s.call(op, path_watch(path))
        s.call(GET_ALL_CHILDREN_NUMBER, path_only(path))
        s.call(GET_ACL, path_only(path))
        s.call(SYNC, path_only(path))
    s.call(SYNC, path_only("/none"))
    s.close()


@case
def reserved_nodes(r):
    s = r.open()
    for path in ("/zookeeper/quota", "/zookeeper/config"):
        s.call(GET_DATA, path_watch(path))
        s.call(GET_ACL, path_only(path))
        s.call(GET_CHILDREN2, path_watch(path))
    s.call(GET_CHILDREN, path_watch("/zookeeper"))
    s.call(SET_DATA, set_data("/zookeeper/config", b"x"))
    s.call(RECONFIG, string(None) + string(None) + string("server.1=a:1:2") + i64(-1))
    s.close()


@case
def ephemerals_of_a_session(r):
    s, other = r.open(), r.open()
    s.call(CREATE, create(r.root))
    for name in ("a", "b", "ab"):
        s.call(CREATE, create(f"{r.root}/{name}", flags=1))
    other.call(CREATE, create(f"{r.root}/other", flags=1))
    for prefix in (r.root, f"{r.root}/a", "/", "/none", "", None):
        s.call(GET_EPHEMERALS, path_only(prefix))
    other.call(GET_EPHEMERALS, path_only("/"))
    other.close()
    s.close()


@case
def who_am_i(r):
    s = r.open()
    s.call(WHO_AM_I)
    s.call(AUTH, auth("digest", b"bob:secret"), XID_AUTH)
    s.call(WHO_AM_I)
    s.close()


# multi


@case
def multi_succeeds(r):
    s = r.open()
    s.call(
        MULTI,
        multi(
            (CREATE, create(r.root, b"1")),
            (CREATE, create(f"{r.root}/a", b"2")),
            (SET_DATA, set_data(f"{r.root}/a", b"3", 0)),
            (CHECK, path_version(f"{r.root}/a", 1)),
            (CREATE, create(f"{r.root}/s-", flags=2)),
            (CREATE, create(f"{r.root}/e", flags=1)),
            (CREATE_CONTAINER, create(f"{r.root}/c", flags=4)),
            (CREATE_TTL, create_ttl(f"{r.root}/t")),
            (DELETE, path_version(f"{r.root}/a", 1)),
        ),
    )
    s.call(GET_CHILDREN2, path_watch(r.root))
    s.call(GET_DATA, path_watch(r.root))
    s.close()


@case
def multi_fails(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(
        MULTI,
        multi(
            (CREATE, create(f"{r.root}/new")),
            (SET_DATA, set_data(f"{r.root}/a", b"x", 7)),
            (DELETE, path_version(f"{r.root}/c")),
        ),
    )
    s.call(MULTI, multi((CHECK, path_version(f"{r.root}/a", 1)), (DELETE, path_version(f"{r.root}/c"))))
    s.call(MULTI, multi((DELETE, path_version(f"{r.root}/a/b")), (DELETE, path_version(f"{r.root}/a", 5))))
    s.call(MULTI, multi((CREATE, create(f"{r.root}/new")), (CREATE, create("bad"))))
    for path in BAD_PATHS[:-1]:
        s.call(MULTI, multi((CHECK, path_version(path))))
    s.call(GET_CHILDREN2, path_watch(r.root))
    s.call(GET_CHILDREN2, path_watch(f"{r.root}/a"))
    s.close()


@case
def multi_odd_forms(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    s.call(MULTI, multi())
    s.call(MULTI, multi((GET_DATA, path_watch(r.root))))
    s.call(MULTI, multi((CREATE, create(f"{r.root}/x")), (GET_DATA, path_watch(r.root))))
    s.call(MULTI, multi((SET_ACL, set_acl(r.root))))
    s.call(MULTI, multi((999, b"")))
    s.call(MULTI, multi((CREATE, create(f"{r.root}/x")))[:-9])
    s.call(GET_CHILDREN2, path_watch(r.root))
    s.close()


@case
def multi_reads(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(
        MULTI_READ,
        multi(
            (GET_DATA, path_watch(f"{r.root}/a")),
            (GET_CHILDREN, path_watch(r.root)),
            (GET_DATA, path_watch(f"{r.root}/none")),
            (GET_CHILDREN, path_watch(f"{r.root}/c")),
        ),
    )
    s.call(MULTI_READ, multi())
    s.call(MULTI_READ, multi((EXISTS, path_watch(r.root))))
    s.close()


# watches


@case
def watches_fire_once_before_the_reply(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(GET_DATA, path_watch(f"{r.root}/a", True))
    s.call(EXISTS, path_watch(f"{r.root}/a", True))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"2"))
    s.call(GET_CHILDREN, path_watch(f"{r.root}/c", True))
    s.call(CREATE, create(f"{r.root}/c/x"))
    s.call(GET_CHILDREN2, path_watch(f"{r.root}/c/x", True))
    s.call(GET_DATA, path_watch(f"{r.root}/c/x", True))
    s.call(GET_CHILDREN, path_watch(f"{r.root}/c", True))
    s.call(DELETE, path_version(f"{r.root}/c/x"))
    s.call(EXISTS, path_watch(f"{r.root}/new", True))
    s.call(CREATE, create(f"{r.root}/new"))
    s.close()


@case
def watches_left_only_where_due(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    s.call(GET_DATA, path_watch(f"{r.root}/a", True))
    s.call(GET_CHILDREN, path_watch(f"{r.root}/a", True))
    s.call(CREATE, create(f"{r.root}/a"))
    s.call(GET_DATA, path_watch(f"{r.root}/a", True))
    s.call(SET_ACL, set_acl(f"{r.root}/a"))
    s.call(DELETE, path_version(f"{r.root}/a", 9))
    s.call(DELETE, path_version(f"{r.root}/a"))
    s.close()


@case
def watches_of_another_session(r):
    a, b = r.open(), r.open()
    seed_tree(a, r.root)
    b.call(GET_DATA, path_watch(f"{r.root}/a", True))
    b.call(GET_CHILDREN, path_watch(r.root, True))
    a.call(MULTI, multi((SET_DATA, set_data(f"{r.root}/a", b"m")), (CREATE, create(f"{r.root}/z"))))
    b.expect()
    b.expect()
    b.call(EXISTS, path_watch(f"{r.root}/z"))
    a.close()
    b.close()


@case
def watches_persistent(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(ADD_WATCH, path_int(f"{r.root}/a", 0))
    s.call(ADD_WATCH, path_int(r.root, 1))
    s.call(ADD_WATCH, path_int(r.root, 2))
    s.call(ADD_WATCH, path_int(f"{r.root}/none", 0))
    for _ in range(2):
        s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
        s.call(CREATE, create(f"{r.root}/a/x"))
        s.call(DELETE, path_version(f"{r.root}/a/x"))
    s.call(CREATE, create(f"{r.root}/none"))
    s.call(CHECK_WATCHES, path_int(r.root, 3))
    s.call(REMOVE_WATCHES, path_int(r.root, 3))
    s.call(REMOVE_WATCHES, path_int(r.root, 3))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
    s.close()


@case
def watches_removed(r):
    s = r.open()
    seed_tree(s, r.root)
    s.call(GET_DATA, path_watch(f"{r.root}/a", True))
    s.call(GET_CHILDREN, path_watch(f"{r.root}/a", True))
    for kind in (1, 2, 3, 6, 0):
        s.call(CHECK_WATCHES, path_int(f"{r.root}/a", kind))
    s.call(REMOVE_WATCHES, path_int(f"{r.root}/a", 2))
    s.call(REMOVE_WATCHES, path_int(f"{r.root}/a", 2))
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
    s.call(CREATE, create(f"{r.root}/a/x"))
    s.call(REMOVE_WATCHES, path_int(f"{r.root}/a", 9))
    s.close()


@case
def watches_set_again(r):
    s = r.open()
    seed_tree(s, r.root)
    old = r.masks.base
    s.call(
        SET_WATCHES,
        set_watches(
            old, [f"{r.root}/a", f"{r.root}/none"], [f"{r.root}/c", f"{r.root}/later"], [r.root, f"{r.root}/gone"]
        ),
        XID_SET_WATCHES,
    )
    now = s.call(EXISTS, path_watch(r.root)).zxid
    s.call(SET_WATCHES, set_watches(now, [f"{r.root}/a"], [f"{r.root}/later"], [r.root]), XID_SET_WATCHES)
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
    s.call(CREATE, create(f"{r.root}/later"))
    s.call(SET_WATCHES2, set_watches(0, [], [], [], [f"{r.root}/a"], [r.root]), XID_SET_WATCHES)
    s.call(SET_DATA, set_data(f"{r.root}/a", b"1"))
    s.call(CREATE, create(f"{r.root}/a/y"))
    s.close()


# quotas


@case
def quota_statistics(r):
    s = r.open()
    seed_tree(s, r.root)
    quota = f"/zookeeper/quota{r.root}"
    s.call(CREATE, create(quota))
    s.call(CREATE, create(f"{quota}/zookeeper_limits", b"count=3,bytes=20"))
    s.call(CREATE, create(f"{quota}/zookeeper_stats", b"count=0,bytes=0"))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(CREATE, create(f"{r.root}/more", b"12345"))
    s.call(CREATE, create(f"{r.root}/more/deep", None))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(SET_DATA, set_data(f"{r.root}/more", b"1"))
    s.call(SET_DATA, set_data(f"{r.root}/a", None))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(DELETE, path_version(f"{r.root}/more/deep"))
    s.call(DELETE, path_version(f"{r.root}/c"))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(SET_DATA, set_data(f"{quota}/zookeeper_limits", b"count=1,bytes=1=;byteHardLimit=1;countHardLimit=1"))
    s.call(CREATE, create(f"{r.root}/beyond", b"1234567890"))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(DELETE, path_version(f"{quota}/zookeeper_limits"))
    s.call(CREATE, create(f"{r.root}/free", b"12"))
    s.call(GET_DATA, path_watch(f"{quota}/zookeeper_stats"))
    s.call(GET_CHILDREN2, path_watch("/zookeeper/quota"))
    s.call(DELETE, path_version(f"{quota}/zookeeper_stats"))
    s.call(DELETE, path_version(quota))
    s.close()


# access


@case
def acl_lists(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    good = [
        [(ALL, "world", "anyone"), (ALL, "world", "anyone")],
        [(READ, "world", "anyone"), (ALL, "ip", "127.0.0.1")],
        [(ALL, "ip", "127.0.0.0/8")],
        [(ALL, "digest", "bob:" + "A" * 27 + "=")],
        [(0, "world", "anyone")],
    ]
    bad = [
        [(ALL, "world", "everyone")],
        [(ALL, "nothing", "x")],
        [(ALL, "ip", "localhost")],
        [(ALL, "ip", "1.2.3.4/33")],
        [(ALL, "ip", "1.2.3")],
        [(ALL, "digest", "nocolon")],
        [(ALL, "digest", "a:b:c")],
        [(ALL, "auth", "")],
        [(ALL, "super", "")],
        [(ALL, None, None)],
        [(ALL, "ip", "")],
        [(ALL, "digest", "")],
        [(ALL, "", "")],
        [],
        None,
    ]
    for i, entries in enumerate(good + bad):
        s.call(CREATE, create(f"{r.root}/{i}", acl_list=entries))
        s.call(GET_ACL, path_only(f"{r.root}/{i}"))
    for scheme in ("ip", "world", "digest"):
        s.survives(CREATE, create(f"{r.root}/null", acl_list=[(ALL, scheme, None)]))
    s.close()


@case
def acl_set_and_versions(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    s.call(SET_ACL, set_acl(r.root, [(ALL, "world", "anyone"), (READ, "ip", "127.0.0.1")], 0))
    s.call(SET_ACL, set_acl(r.root, OPEN_ACL, 0))
    s.call(SET_ACL, set_acl(r.root, OPEN_ACL, 1))
    s.call(SET_ACL, set_acl(f"{r.root}/none"))
    s.call(SET_ACL, set_acl(r.root, []))
    s.call(SET_ACL, set_acl("bad"))
    s.call(GET_ACL, path_only(r.root))
    s.call(EXISTS, path_watch(r.root))
    s.close()


@case
def acl_is_obeyed(r):
    owner, guest = r.open(), r.open()
    owner.call(AUTH, auth("digest", b"bob:secret"), XID_AUTH)
    owner.call(CREATE, create(r.root, b"", [(ALL, "auth", ""), (READ, "world", "anyone")]))
    owner.call(GET_ACL, path_only(r.root))
    guest.call(GET_ACL, path_only(r.root))
    owner.call(CREATE, create(f"{r.root}/secret", b"s", [(ALL, "auth", "ignored")]))
    owner.call(CREATE, create(f"{r.root}/write", b"w", [(WRITE, "world", "anyone")]))
    owner.call(CREATE, create(f"{r.root}/admin", b"w", [(ADMIN | PERM_CREATE, "world", "anyone")]))
    for path in (r.root, f"{r.root}/secret", f"{r.root}/write", f"{r.root}/admin"):
        for op in (GET_DATA, GET_CHILDREN, GET_CHILDREN2):
            guest.call(op, path_watch(path))
        guest.call(GET_ACL, path_only(path))
        guest.call(GET_ALL_CHILDREN_NUMBER, path_only(path))
        guest.call(SET_DATA, set_data(path, b"new"))
        guest.call(CREATE, create(f"{path}/child"))
        guest.call(DELETE, path_version(path))
        guest.call(SET_ACL, set_acl(path, [(ALL, "digest", "x:y")]))
        guest.call(MULTI, multi((CHECK, path_version(path))))
    guest.call(AUTH, auth("digest", b"bob:secret"), XID_AUTH)
    guest.call(GET_DATA, path_watch(f"{r.root}/secret"))
    guest.close()
    owner.close()


@case
def auth_schemes(r):
    s = r.open()
    s.call(AUTH, auth("digest", b"a:1"), XID_AUTH)
    s.call(AUTH, auth("digest", b"b:2"), 77)
    s.call(CREATE, create(r.root, b"", [(ALL, "auth", "")]))
    s.call(GET_ACL, path_only(r.root))
    s.call(AUTH, auth("unknown", b"x"), XID_AUTH)
    s.expect()
    for data in (b"", None, b"nocolon"):
        t = r.open()
        t.call(AUTH, auth("digest", data), XID_AUTH)
        t.call(WHO_AM_I)
        t.drop()
    t = r.open()
    t.call(AUTH, auth("ip", b"1.2.3.4"), XID_AUTH)
    t.call(WHO_AM_I)
    t.drop()


@case
def sasl_is_not_configured(r):
    s = r.open()
    s.call(SASL, string(b""))
    s.close()


# what clients should not send


@case
def nulls_for_paths(r):
    s = r.open()
    s.call(SYNC, path_only(None))
    s.survives(CHECK_WATCHES, path_int(None, 3))
    s.survives(REMOVE_WATCHES, path_int(None, 3))
    s.call(CREATE, create(r.root))
    s.call(GET_EPHEMERALS, path_only(None))
    s.survives(SET_WATCHES, set_watches(0, None, None, None), XID_SET_WATCHES)
    s.call(AUTH, auth(None, None), XID_AUTH)
    s.expect()


@case
def bodies_that_do_not_decode(r):
    s = r.open()
    s.call(CREATE, create(r.root))
    for op in (
        CREATE,
        DELETE,
        EXISTS,
        GET_DATA,
        SET_DATA,
        GET_ACL,
        SET_ACL,
        GET_CHILDREN,
        SYNC,
        GET_CHILDREN2,
        MULTI,
        CREATE2,
        CHECK_WATCHES,
        REMOVE_WATCHES,
        CREATE_TTL,
        MULTI_READ,
        SET_WATCHES,
        GET_EPHEMERALS,
        GET_ALL_CHILDREN_NUMBER,
        SET_WATCHES2,
        ADD_WATCH,
    ):
        s.call(op, b"")
        s.call(op, i32(0x7FFFFFFF))
        s.call(op, i32(-2))
    s.call(EXISTS, path_watch(r.root))
    s.close()


@case
def bodies_with_more(r):
    s = r.open()
    s.call(CREATE, create(r.root) + b"trailing")
    s.call(GET_DATA, path_watch(r.root) + bytes(8))
    s.call(GET_DATA, string(r.root) + b"\7")
    s.call(PING, b"body", xid=XID_PING)
    s.close()


@case
def unknown_operations(r):
    for op in (10, 23, 99, 108, 1000, -2, 0x7FFFFFFF):
        s = r.open()
        s.call(op, string("/"))
        s.expect()


@case
def header_only(r):
    s = r.open()
    s.raw(i32(5))
    s.expect()
    t = r.open()
    t.raw(b"")
    t.expect()


@case
def pings_keep_their_xid(r):
    s = r.open()
    s.call(PING, xid=XID_PING)
    s.wire.send(PING, xid=123)
    s.expect(PING)
    s.close()


@case
def pipelined(r):
    s = r.open()
    r.masks.exact_times = False  # nothing keeps two writes a millisecond apart here
    s.wire.send(CREATE, create(r.root))
    for i in range(20):
        s.wire.send(CREATE, create(f"{r.root}/n", b"x" * i, flags=2))
        s.wire.send(GET_CHILDREN, path_watch(r.root, i % 5 == 0))
        s.wire.send(SET_DATA, set_data(r.root, bytes(i)))
    for i in range(80):
        reply = s.wire.receive(5)
        # each reply by what was asked with its xid; the watches come in between
        kind = CREATE if reply.xid == 2 else (CREATE, GET_CHILDREN, SET_DATA)[(reply.xid - 3) % 3]
        s.take(reply, kind)
        if reply.xid == s.wire.xid:
            break
    s.close()


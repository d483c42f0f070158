"""
Where zkd answers otherwise than the Apache ZooKeeper 3.8.0 of Debian, on purpose. The comparing tests either never ask
such a thing (kept out) or make the two answers alike (masked): nothing else may differ. The section COMPATIBILITY of
zkd(8) tells users the same, and test_known_differences looks whether it names every one of them.
"""

import collections

import zkwire as z

Difference = collections.namedtuple("Difference", "name reason how")

NEWER, SAFER, PLAINER = "newer ZooKeeper does so", "ZooKeeper's way does harm", "ZooKeeper's way helps nobody"
KEPT_OUT, MASKED = "kept out", "masked"

KNOWN = [
    Difference("event-zxid", f"{NEWER}: since 3.9 a notification carries the zxid of its cause, before it was -1", MASKED),
    Difference("exists-acl", f"{NEWER}: exists needs READ on the node (-102); 3.8.0 answers anybody", MASKED),
    Difference("create2-in-multi", f"{NEWER}: create2 in a multi is answered with a Stat; 3.8.0 answers as to create", MASKED),
    Difference("watch-kinds", f"{NEWER}: a connection may hold several kinds of watch on one path, and check and remove "
               "each by its type (4, 5); 3.8.0 keeps only the last kind and knows no such types", KEPT_OUT),
    Difference("check-watches-of-others", f"{NEWER}: checkWatches asks for the caller's own watch; 3.8.0 says yes where "
               "anybody watches the path", MASKED),
    Difference("bare-check", f"{NEWER}: check outside of a multi is refused (-6); 3.8.0 logs it and never answers", KEPT_OUT),
    Difference("ip-v6", f"{NEWER}: the scheme ip takes IPv6 addresses and prefixes; 3.8.0 cannot read them", KEPT_OUT),
    Difference("version-minus-one", f"{NEWER}: a version never becomes -1, which clients could not name", KEPT_OUT),
    Difference("internal-operations", f"{SAFER}: createSession and deleteContainer from a client are refused (-6); "
               "ZooKeeper takes them, and so deletes nodes without asking for permission", KEPT_OUT),
    Difference("wrong-password", f"{SAFER}: a connect with a session's id and a wrong password is refused and no more; "
               "ZooKeeper also closes the connection of the session's owner", KEPT_OUT),
    Difference("late-clean-up", f"{SAFER}: when a session comes back before the server has noticed that its old connection is "
               "cut, ZooKeeper forgets the new connection with the old one, and a third then does not end it", KEPT_OUT),
    Difference("mode-of-another-operation", f"{SAFER}: createContainer and createTTL take only their own flags, create and "
               "create2 none of theirs (-8), also in a multi; ZooKeeper makes a node of one kind with a txn of another, or answers "
               "-5 and leaves behind what the multi had begun to change", KEPT_OUT),
    Difference("limits", f"{SAFER}: a session has 100,000 ephemerals at most (-125), a multi 100,000 operations (-5), a list "
               "1,024 ACL entries (-114), a connection 64 ids (-115); ZooKeeper has no such limits, and breaks", KEPT_OUT),
    Difference("order-of-ids", "what has no order of its own: zkd keeps the ids of a connection in the order in which they were "
               "proven, ZooKeeper in a hash table's: so in whoAmI, and in lists made by the scheme auth", MASKED),
    Difference("acl-not-yet-committed", f"{SAFER}: a request behind a setACL in flight is checked against the new list; "
               "ZooKeeper goes by the old one until the txn is committed", KEPT_OUT),
    Difference("nulls", f"{PLAINER}: a null where a path is due is a body that does not decode (-5), or a bad path; "
               "ZooKeeper looks at other fields first, and then runs into an exception", KEPT_OUT),
    Difference("not-utf-8", f"{PLAINER}: sync gives back the bytes of a path that is not UTF-8; ZooKeeper puts U+FFFD in "
               "their place", KEPT_OUT),
    Difference("null-in-multi", f"{PLAINER}: a null path in a multi is logged like any other failure; ZooKeeper loses a zxid "
               "over it, which then no txn has", KEPT_OUT),
    Difference("multi-read-remains", f"{PLAINER}: a multiRead that does not decode is answered with -5 alone; ZooKeeper "
               "sends results behind the error, which no client reads", MASKED),
]
NAMES = {d.name for d in KNOWN}


class Normal:
    """A reply of each server made like the other's where the list says so. seen counts what had to be."""

    def __init__(self):
        self.seen = collections.Counter()

    def same(self, code, ours, theirs):
        """Whether two masked replies to one request (frames with ReplyHeader) that are not equal mean the same."""
        rule = RULES.get(code)
        name = rule(ours, theirs) if rule else None
        if name:
            self.seen[name] += 1
        return bool(name)


def err(frame):
    return z.Reply(frame).err


def same_exists(ours, theirs):
    return "exists-acl" if err(ours) == -102 and err(theirs) == 0 and ours[:12] == theirs[:12] else None


def same_check_watches(ours, theirs):
    return "check-watches-of-others" if err(ours) == -121 and err(theirs) == 0 and ours[:12] == theirs[:12] else None


def same_multi_read(ours, theirs):
    return "multi-read-remains" if err(ours) == err(theirs) == -5 and ours[:16] == theirs[:16] else None


def multi_results(frame):
    """(type, error, body) of each result of a multi's reply."""
    r, out = z.Reader(frame[16:]), []
    while True:
        op, done, code = r.i32(), r.boolean(), r.i32()
        if done:
            return out
        start = r.pos
        if op == z.ERROR:
            r.i32()
        elif op in (z.CREATE, z.CREATE2):
            r.buffer()
        if op in (z.CREATE2, z.SET_DATA):
            r.stat()
        out.append((op, code, r.data[start : r.pos]))


def same_multi(ours, theirs):
    if err(ours) != 0 or ours[:16] != theirs[:16]:
        return None
    left, right = multi_results(ours), multi_results(theirs)
    if len(left) != len(right):
        return None
    for a, b in zip(left, right):
        if a != b and not (a[0] == z.CREATE2 and b[0] == z.CREATE and a[2][:-68] == b[2]):
            return None
    return "create2-in-multi"


RULES = {z.EXISTS: same_exists, z.CHECK_WATCHES: same_check_watches, z.MULTI: same_multi, z.MULTI_READ: same_multi_read}

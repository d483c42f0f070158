"""The checker of the ensemble's fault test must be able to fail: a sound history passes, each broken one does not."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))

from chaos_base import Judge  # noqa: E402
from ensemble_load import Lock  # noqa: E402
from history import History  # noqa: E402

A, B, C = b"w:1", b"w:2", b"w:3"


def sound(history):
    history.write("/r", A, -1, 0.0, 1.0, 1, 10)
    history.write("/r", B, 1, 2.0, 3.0, 2, 11)
    history.read("/r", "s", A, 1, 10, 1.5, 2.5)
    history.synced_read("/r", "s", B, 2, 11, 3.5, 4.0)


def check(fill, final=None):
    judge = Judge()
    history = History(judge)
    sound(history)
    fill(history)
    history.check([final or {"/r": (B, 2, 11)}] * 2)
    return set(judge.violations)


def test_a_sound_history_passes():
    assert check(lambda h: None) == set()


def check_on(fill):
    """A sound history that goes on where the first part was forgotten."""
    judge = Judge()
    history = History(judge)
    sound(history)
    history.write("/r", C, -1, 2.0, 3.0, None, 0)
    history.check([{"/r": (B, 2, 11)}] * 2)
    history.forget({"/r": (B, 2, 11)})
    fill(history)
    history.check([])
    return set(judge.violations)


def test_a_history_goes_on_from_what_stands():
    assert check_on(lambda h: h.write("/r", b"w:4", 2, 5.0, 6.0, 3, 12)) == set()
    assert check_on(lambda h: h.synced_read("/r", "s", B, 2, 11, 5.0, 6.0)) == set()
    assert check_on(lambda h: h.read("/r", "s", C, 3, 12, 5.0, 6.0)) == set(), "a write of unknown outcome shows late"
    assert check_on(lambda h: h.write("/r", b"w:4", -1, 5.0, 6.0, 3, 11)) == {"linearizable", "versions"}
    assert check_on(lambda h: h.write("/r", b"w:4", -1, 5.0, 6.0, 5, 12)) == {"versions"}, "two that nobody wrote"
    assert check_on(lambda h: h.synced_read("/r", "s", A, 1, 10, 5.0, 6.0)) == {"sync", "values"}


def test_a_write_of_unknown_outcome_may_have_happened_or_not():
    def fill(h):
        h.write("/r", C, -1, 5.0, 6.0, None, 0)

    assert check(fill) == set()
    assert check(fill, {"/r": (C, 3, 12)}) == set()


BROKEN = {
    "linearizable": lambda h: h.write("/q", C, -1, 4.0, 5.0, 1, 9),
    "versions": lambda h: h.write("/r", C, -1, 2.5, 3.5, 2, 12),
    "compare-and-set": lambda h: h.write("/r", C, 7, 2.5, 3.5, 3, 12),
    "values": lambda h: h.read("/r", "t", b"nobody's", 2, 11, 3.0, 4.0),
    "sync": lambda h: h.synced_read("/r", "t", A, 1, 10, 3.5, 4.0),
    "monotonic": lambda h: h.read("/r", "s", A, 1, 10, 4.5, 5.0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_noticed(name):
    final = {"/r": (C, 3, 12)} if name in ("versions", "compare-and-set") else None
    assert name in check(BROKEN[name], final)


def test_versions_that_nobody_made_are_noticed():
    assert "versions" in check(lambda h: h.write("/r", C, -1, 4.0, 5.0, 9, 12), {"/r": (C, 9, 12)})


def test_a_value_shown_with_another_zxid_is_noticed():
    assert "values" in check(lambda h: h.read("/r", "t", A, 1, 9, 1.5, 2.0))


def test_a_lost_write_is_noticed():
    assert "lost" in check(lambda h: None, {"/r": (A, 1, 10)})


def test_servers_that_differ_are_noticed():
    judge = Judge()
    history = History(judge)
    sound(history)
    history.check([{"/r": (B, 2, 11)}, {"/r": (B, 2, 12)}])
    assert set(judge.violations) == {"agreement"}


def test_a_lock_held_twice_is_noticed():
    judge = Judge()
    lock = Lock(judge)
    lock.granted("a")
    lock.given_back("a")
    lock.granted("b")
    assert judge.count == 0
    lock.granted("c")
    assert set(judge.violations) == {"locks"}

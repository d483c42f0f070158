#!/usr/bin/env python3
"""The events that journald gets with a MESSAGE_ID (common/io/events.def): each is one that some source logs, has an id of its
own and an explanation in systemd/zkd.catalog, and the catalog has no others.

usage: events.py SRCDIR
"""

import glob
import os
import re
import sys

ROOMS = ("common/io", "supervisor", "electiond", "syncd", "clientd", "logd", "admind")


def table(text):
    """[(event, id)]"""
    return re.findall(r'^X\("([^"]+)", "([^"]*)"\)', text, re.M)


def catalog(text):
    """id -> the entry's text"""
    parts = re.split(r"^-- (\S+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def is_logged(event, sources):
    """By a shell under its own name, or by a core, which puts its room before it."""
    room, _, rest = event.partition(": ")
    core = re.compile(rf'"{re.escape(room)}",\s*"{re.escape(rest)}"')
    own_trace = re.compile(rf'{re.escape(room)}_trace\([^"]*"{re.escape(rest)}"')
    return any(f'"{event}"' in s or (rest and (core.search(s) or own_trace.search(s))) for s in sources)


def complaints(events, entries, sources):
    ids = [i for _, i in events]
    for event, number in events:
        if not re.fullmatch("[0-9a-f]{32}", number) or ids.count(number) > 1:
            yield f"events.def: {event}: {number} is no id of its own"
        if not is_logged(event, sources):
            yield f"events.def: {event}: no source logs it"
        if number not in entries:
            yield f"zkd.catalog: {event} ({number}) is not explained"
    for number, text in entries.items():
        if number not in ids:
            yield f"zkd.catalog: {number} is no event of ours"
        if not re.match(r"Subject: .+\nDefined-By: zkd\nDocumentation: man:zkd\(7\)\n\n\S", text):
            yield f"zkd.catalog: {number}: its head is malformed or its text is missing"


def main():
    (srcdir,) = sys.argv[1:]
    sources = []
    for room in ROOMS:
        for path in glob.glob(os.path.join(srcdir, room, "*.c")):
            with open(path) as f:
                sources.append(f.read())
    with open(f"{srcdir}/common/io/events.def") as f:
        events = table(f.read())
    with open(f"{srcdir}/systemd/zkd.catalog") as f:
        found = list(complaints(events, catalog(f.read()), sources))
    print("\n".join(found) if found else f"{len(events)} events are explained")
    return 1 if found or not events else 0


if __name__ == "__main__":
    sys.exit(main())

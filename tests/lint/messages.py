#!/usr/bin/env python3
"""Checks zkd-ipc(7) against common/ipc/msg.h: every message under its name and number, and none that does not exist.

usage: messages.py SRCDIR
"""

import re
import sys


def header_messages(text):
    """name -> number of the constants of enum msg_type."""
    body = re.search(r"enum msg_type \{(.*?)\n\};", text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return {name: int(number) for name, number in re.findall(r"\b(MSG_\w+)\s*=\s*(\d+)", body)}


def page_messages(text):
    """The same of the items of the page, each ".It Dv MSG_NAME Pq number"."""
    return {name: int(number) for name, number in re.findall(r"^\.It Dv (MSG_\w+) Pq (\d+)$", text, re.M)}


def complaints(header, page):
    for name in sorted(header.keys() | page.keys()):
        if page.get(name) != header.get(name):
            yield f"{name}: msg.h says {header.get(name)}, zkd-ipc(7) {page.get(name)}"


def main():
    srcdir = sys.argv[1]
    with open(f"{srcdir}/common/ipc/msg.h") as f:
        header = header_messages(f.read())
    with open(f"{srcdir}/man/zkd-ipc.7") as f:
        page = page_messages(f.read())
    found = list(complaints(header, page))
    if not header:
        found.append("no message found in msg.h")
    print("\n".join(found) if found else f"{len(header)} messages are in zkd-ipc(7)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

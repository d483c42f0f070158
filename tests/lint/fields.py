#!/usr/bin/env python3
"""A key that is called honoured must be read by somebody: each field of struct config is used in a room other than
common/config. What means something in an ensemble only is read there, once there are ensembles.

usage: fields.py SRCDIR
"""

import glob
import re
import sys

ENSEMBLE = {"standalone_enabled", "init_limit_ticks", "sync_limit_ticks"}
# For who prints a configuration, for its own whitelist of words, and what it compares or reads itself.
OWN = {"ignored", "nignored", "read_only_mode_enabled", "peer_type", "dynamic_config_file"}
OWN |= {"servers", "nservers", "hierarchical", "servers_version"}  # members.c reads them
ROOMS = ("admind", "clientd", "electiond", "logd", "supervisor", "syncd", "common/io")


def fields(header):
    """The members of struct config up to its arena."""
    body = re.search(r"^struct config \{(.*?)\bstruct arena arena;", header, re.S | re.M).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    return re.findall(r"(\w+)(?:\[\w+\])?;", body)


def unread(names, sources):
    """Those that no source names as a member."""
    text = "\n".join(sources)
    return [n for n in names if not re.search(rf"(?:->|\.){n}\b", text)]


def read(path):
    with open(path) as f:
        return f.read()


def main():
    srcdir = sys.argv[1]
    names = fields(read(f"{srcdir}/common/config/config.h"))
    sources = [read(p) for room in ROOMS for p in sorted(glob.glob(f"{srcdir}/{room}/*.c"))]
    left = unread([n for n in names if n not in ENSEMBLE | OWN], sources)
    for name in left:
        print(f"struct config: {name} is read by no room, so its key is not honoured")
    print(f"{len(names)} fields, {len(left)} unread")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())

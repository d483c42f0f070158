#!/usr/bin/env python3
"""Checks who includes whom: base <- jute <- cores, base <- ipc, no daemon another daemon's header, and cores no header
of the operating system. Which files are a core is what the core's library is made of (NAME.am): libelection, libzab,
libfront, libtree, libstore, libwatch.

usage: layers.py [SRCDIR]
"""

import os
import re
import sys

# room -> rooms whose headers its files may include besides their own
COMMON = {
    "base": [],
    "jute": ["base"],
    "ipc": ["base"],
    "disk": ["base", "jute"],
    "config": ["base"],
    "io": ["base", "ipc", "config"],
}
SHELLS = ["electiond", "syncd", "clientd", "logd", "admind", "supervisor"]
TOOLS = ["zkctl", "bench"]
CORE_MAY = ["base", "jute", "disk", "ipc", "config"]

# What pure code may include of the system: types, bytes, checksums, the wire format of control messages.
PURE_SYSTEM = re.compile(
    r"(assert|ctype|endian|errno|inttypes|limits|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings|zlib)\.h"
    r"|sodium(/crypto_\w+)?\.h|nettle/(sha1|base64)\.h|protobuf-c/protobuf-c\.h"
)
# assert.c writes its last words and ends the process; load.c is the part of config that opens files, before a daemon
# locks its door; watch reads exit statuses, for which the headers have macros.
PURE_EXCEPT = {
    ("common/config/load.c", "fcntl.h"),
    ("common/config/load.c", "sys/stat.h"),
    ("common/config/load.c", "unistd.h"),
    ("common/base/assert.c", "unistd.h"),
    ("supervisor/watch.c", "signal.h"),
    ("supervisor/watch.c", "sys/wait.h"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
CORE_SOURCES = re.compile(r"^\w*lib(?:election|zab|front|tree|store|watch)_a_SOURCES\s*=((?:[^\n]*\\\n)*[^\n]*)", re.M)


def sources(srcdir, room):
    """The .c and .h files under a room, relative to srcdir."""
    for folder, _, names in os.walk(os.path.join(srcdir, room)):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".def")):
                yield os.path.relpath(os.path.join(folder, name), srcdir)


def core_files(srcdir, room):
    """The files of a daemon that make up its core libraries."""
    files = set()
    for folder, _, names in os.walk(os.path.join(srcdir, room)):
        for name in names:
            if name.endswith(".am"):
                with open(os.path.join(folder, name)) as f:
                    for match in CORE_SOURCES.finditer(f.read()):
                        files.update(w for w in match.group(1).split() if w.startswith(room + "/"))
    return files


def includes(srcdir, path):
    with open(os.path.join(srcdir, path)) as f:
        for match in INCLUDE.finditer(f.read()):
            yield match.group(1) == "<", match.group(2)


def is_pure_system(path, header):
    return PURE_SYSTEM.fullmatch(header) is not None or (path, header) in PURE_EXCEPT


def resolve(srcdir, path, header):
    """The file of the project that a quoted include means, or None: its own folder first, then common/, then the top."""
    for base in (os.path.dirname(path), "common", ""):
        candidate = os.path.normpath(os.path.join(base, header))
        if os.path.exists(os.path.join(srcdir, candidate)):
            return candidate
    return None


def room_of(path):
    parts = path.split(os.sep)
    return parts[1] if parts[0] == "common" else parts[0]


def check_file(srcdir, path, may, core=None):
    """Problems of one file. core is the set of files of the core it belongs to, None for a shell."""
    own = room_of(path)
    pure = core is not None
    for system, header in includes(srcdir, path):
        if system:
            if pure and not is_pure_system(path, header):
                yield f"{path}: pure code includes <{header}>"
            continue
        target = resolve(srcdir, path, header)
        if target is None:
            # made by the build: control.pb-c.h, config.h
            if header.split("/")[0] in COMMON and header.split("/")[0] not in may + [own]:
                yield f'{path}: includes "{header}"'
            continue
        room = room_of(target)
        if room != own and room not in may:
            yield f'{path}: {own} may not include "{header}" of {room}'
        elif pure and room == own and core and target not in core:
            yield f'{path}: a core includes "{header}" of the shell'


def check(srcdir):
    problems, seen = [], 0
    for room, may in COMMON.items():
        for path in sources(srcdir, os.path.join("common", room)):
            seen += 1
            problems += check_file(srcdir, path, may, core=None if room == "io" else set())
    for room in SHELLS:
        core = core_files(srcdir, room)
        for path in sources(srcdir, room):
            seen += 1
            may = CORE_MAY if path in core else list(COMMON)
            problems += check_file(srcdir, path, may, core=core if path in core else None)
    for room in TOOLS:
        for path in sources(srcdir, room):
            seen += 1
            problems += check_file(srcdir, path, list(COMMON))
    return problems, seen


def main():
    srcdir = sys.argv[1] if len(sys.argv) > 1 else "."
    problems, seen = check(srcdir)
    for p in problems:
        print(p)
    print(f"{seen} files, {len(problems)} breaches of the layers")
    return 1 if problems or seen == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

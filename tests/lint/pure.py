#!/usr/bin/env python3
"""Checks that the pure libraries need nothing but what pure.allow lists, and hold no writable globals.

Each library is linked alone (ld -r) with the pure libraries below it; whatever is undefined then comes from outside.
A symbol that is reserved for an object (malloc for mem.o) is looked for in every object as well.

usage: pure.py [--allow FILE] [--builddir DIR] [LIBRARY...]     default: all that the project calls pure
"""

import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Below every core; what a core needs of these is taken from them, not from outside.
BASE = ["libbase.a", "libjute.a", "libdisk.a", "libipc.a", "libconfig.a"]
CORES = [
    "electiond/libelection.a",
    "syncd/libzab.a",
    "clientd/libfront.a",
    "clientd/libtree.a",
    "logd/libstore.a",
    "supervisor/libwatch.a",
]

WRITABLE = (".data", ".bss", ".tdata", ".tbss", "*COM*")
INSTRUMENTED = ("__asan_", "__ubsan_", "__gcov_", "__sanitizer_", "__llvm_", "llvm_gcda_")


class Allow:
    def __init__(self, path):
        self.anywhere, self.reserved, self.data = set(), {}, set()
        with open(path) as f:
            for line in f:
                words = line.split("#")[0].split()
                if not words:
                    continue
                if words[0] == "data":
                    self.data.add((words[1], words[2]))
                elif len(words) == 1:
                    self.anywhere.add(words[0])
                else:
                    self.reserved[words[0]] = set(words[1:])

    def needs(self, symbol, obj):
        return symbol in self.anywhere or obj in self.reserved.get(symbol, ())

    def writes(self, symbol, obj):
        return (symbol, obj) in self.data


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def undefined(path):
    """(object, symbol) for every reference that the file leaves open."""
    for line in run("nm", "-A", "-u", path).splitlines():
        where, _, symbol = line.rpartition(" ")
        parts = where.split(":")
        yield (object_name(parts[1]) if len(parts) > 2 else ""), symbol


def object_name(name):
    """mem.o for mem.o and for libfoo_a-mem.o, the two ways automake calls it."""
    name = os.path.basename(name)
    return name.split("-", 1)[1] if "_a-" in name else name


def still_undefined(library, below):
    """What the library and those below it leave open when they are one object."""
    with tempfile.TemporaryDirectory() as tmp:
        out = os.path.join(tmp, "core.o")
        run("ld", "-r", "-o", out, "--whole-archive", library, "--no-whole-archive", "--start-group", *below, "--end-group")
        return {symbol for _, symbol in undefined(out)}


def writable(library):
    """(object, symbol) for every variable of the library that can be written."""
    obj = ""
    for line in run("objdump", "-t", library).splitlines():
        if "file format" in line:
            obj = object_name(line.split(":")[0])
            continue
        # value, seven flag characters (d: the section itself), section TAB size name
        flags, rest = line[17:24], line[25:].split()
        if len(rest) < 3 or "d" in flags or rest[-1].startswith(".L") or rest[0].startswith(".data.rel.ro"):
            continue
        if any(rest[0] == w or rest[0].startswith(w + ".") for w in WRITABLE):
            yield obj, rest[-1]


def check(library, below, allow):
    """Problems of one library, as text."""
    problems = []
    open_symbols = still_undefined(library, below)
    if any(s.startswith(INSTRUMENTED) for s in open_symbols):
        return None
    for obj, symbol in sorted(set(undefined(library))):
        if symbol in open_symbols and not allow.needs(symbol, obj):
            problems.append(f"{library}({obj}) needs {symbol}")
    for obj, symbol in writable(library):
        if not allow.writes(symbol, obj):
            problems.append(f"{library}({obj}) has the writable global {symbol}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--allow", default=os.path.join(HERE, "pure.allow"))
    parser.add_argument("--builddir", default=".")
    parser.add_argument("libraries", nargs="*")
    args = parser.parse_args()

    os.chdir(args.builddir)
    allow = Allow(args.allow)
    base = [lib for lib in BASE if os.path.exists(lib)]
    libraries = args.libraries or BASE + CORES
    failed = 0
    for library in libraries:
        if not os.path.exists(library):
            print(f"{library} is not built")
            failed += 1
            continue
        others = [lib for lib in base + CORES if os.path.exists(lib) and lib != library]
        problems = check(library, others, allow)
        if problems is None:
            print(f"{library} is instrumented: purity is checked in plain builds")
            return 77
        print("\n".join(problems) if problems else f"{library} is pure")
        failed += len(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

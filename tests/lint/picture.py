#!/usr/bin/env python3
"""The picture of the rooms is one: rooms.svg is what picture.py draws of rooms.txt, and zkd(7) shows that text.

usage: picture.py SRCDIR
"""

import importlib.util
import sys


def load_drawer(srcdir):
    spec = importlib.util.spec_from_file_location("drawer", f"{srcdir}/man/picture.py")
    drawer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawer)
    return drawer


def complaints(text, svg, page, drawn):
    if svg != drawn:
        yield "man/rooms.svg is not what man/picture.py draws of man/rooms.txt: draw it again"
    if f".Bd -literal\n{text.rstrip()}\n.Ed\n" not in page:
        yield "man/zkd.7 shows another picture than man/rooms.txt"


def read(path):
    with open(path) as f:
        return f.read()


def main():
    (srcdir,) = sys.argv[1:]
    sys.dont_write_bytecode = True
    text = read(f"{srcdir}/man/rooms.txt")
    drawn = "\n".join(load_drawer(srcdir).draw(text)) + "\n"
    found = list(complaints(text, read(f"{srcdir}/man/rooms.svg"), read(f"{srcdir}/man/zkd.7"), drawn))
    print("\n".join(found) if found else "the picture is one")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

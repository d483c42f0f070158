"""zkd.mark as logd writes it (logd/mark.c): what a test needs that puts files back, or makes a folder of them anew."""

import os
import struct
import zlib

FIELDS = struct.Struct(">I5Q2I")


def parse(content):
    """[magic, own number, log, file number, offset, zxid, accepted, current], or None where it is not whole."""
    if len(content) != FIELDS.size + 4 or struct.unpack(">I", content[-4:])[0] != zlib.adler32(content[:-4]):
        return None
    return list(FIELDS.unpack(content[:-4]))


def make(fields):
    content = FIELDS.pack(*fields)
    return content + struct.pack(">I", zlib.adler32(content))


def bind(folder):
    """The files in this folder have new numbers, but are to be taken for those that the mark speaks of."""
    path = os.path.join(folder, "zkd.mark")
    with open(path, "r+b") as f:
        fields = parse(f.read())
        if fields is None:
            return
        fields[1] = os.fstat(f.fileno()).st_ino
        log = os.path.join(folder, f"log.{fields[2]:x}")
        fields[3] = os.stat(log).st_ino if os.path.exists(log) else fields[3]
        f.seek(0)
        f.write(make(fields))

#!/usr/bin/env python3
"""Draws a picture made of characters as SVG: boxes and lines of + - |, arrow heads of < > ^ v at the end of a line, and all
else as text. The picture is written once, as text, and both forms stay the same picture.

usage: picture.py rooms.txt > rooms.svg
"""

import html
import re
import sys

W, H = 9, 18  # of a character
MARGIN = 12


class Picture:
    def __init__(self, text):
        lines = text.rstrip("\n").split("\n")
        self.width = max(map(len, lines))
        self.rows = [line.ljust(self.width) for line in lines]

    def at(self, row, column):
        return self.rows[row][column] if 0 <= row < len(self.rows) and 0 <= column < self.width else " "

    def across(self, row, column):
        """Whether a horizontal line goes through this character."""
        c = self.at(row, column)
        sides = (self.at(row, column - 1), self.at(row, column + 1))
        return c == "+" or (c == "-" and any(s in "-+<>|" and s != " " for s in sides))

    def down(self, row, column):
        c = self.at(row, column)
        return c in "+|" and c != " "

    def head(self, row, column):
        """The direction of the arrow head that stands here, or None."""
        c = self.at(row, column)
        if c == ">" and self.across(row, column - 1):
            return "right"
        if c == "<" and self.across(row, column + 1):
            return "left"
        if c == "v" and self.down(row - 1, column):
            return "down"
        if c == "^" and self.down(row + 1, column):
            return "up"
        return None

    def drawn(self, row, column):
        return self.head(row, column) or self.at(row, column) in "+|" or self.across(row, column)

    def boxes(self):
        """(row, column, row, column) of the corners."""
        for top, line in enumerate(self.rows):
            for edge in re.finditer(r"\+-+(?=\+)", line):
                left, right = edge.start(), edge.end()
                bottom = top + 1
                while self.at(bottom, left) == "|" == self.at(bottom, right):
                    bottom += 1
                if bottom > top + 1 and re.fullmatch(r"\+-+\+", self.rows[bottom][left : right + 1] if bottom < len(self.rows) else ""):
                    yield top, left, bottom, right

    def edges(self):
        """Characters that belong to boxes."""
        found = set()
        for top, left, bottom, right in self.boxes():
            found |= {(r, c) for r in (top, bottom) for c in range(left, right + 1)}
            found |= {(r, c) for c in (left, right) for r in range(top, bottom + 1)}
        return found


def center(row, column):
    return MARGIN + column * W + W / 2, MARGIN + row * H + H / 2


def number(v):
    return f"{v:g}"


def line(x1, y1, x2, y2):
    return f'<path d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def lines(picture):
    """One short stroke for each two neighbours that a line connects."""
    edges = picture.edges()
    for r in range(len(picture.rows)):
        for c in range(picture.width):
            x, y = center(r, c)
            if picture.across(r, c) and (picture.across(r, c + 1) or picture.head(r, c + 1) == "right") and not {(r, c), (r, c + 1)} <= edges:
                yield line(x, y, x + W, y)
            if picture.head(r, c) == "left" and picture.across(r, c + 1):
                yield line(x, y, x + W, y)
            below = picture.down(r + 1, c) or picture.head(r + 1, c) == "down"
            if (picture.down(r, c) or picture.head(r, c) == "up") and below and not {(r, c), (r + 1, c)} <= edges:
                yield line(x, y, x, y + H)
            # a line that ends beside a box reaches it
            if (r, c) not in edges and picture.drawn(r, c):
                upright = picture.down(r, c) or picture.head(r, c) in ("up", "down")
                for step in (-1, 1):
                    if upright and (r + step, c) in edges:
                        yield line(x, y, x, y + step * H)
                    if not upright and (r, c + step) in edges:
                        yield line(x, y, x + step * W, y)


def heads(picture):
    """Their points touch what they point at: a box, or the middle of the next character."""
    edges = picture.edges()
    shapes = {"right": (W / 2, 0), "left": (-W / 2, 0), "down": (0, H / 2), "up": (0, -H / 2)}
    for r in range(len(picture.rows)):
        for c in range(picture.width):
            direction = picture.head(r, c)
            if direction is None:
                continue
            x, y = center(r, c)
            dx, dy = shapes[direction]
            reach = 2 if (r + (dy > 0) - (dy < 0), c + (dx > 0) - (dx < 0)) in edges else 1
            x, y = x + dx * reach, y + dy * reach
            back, side = 8, 4
            sx, sy = (dx > 0) - (dx < 0), (dy > 0) - (dy < 0)
            points = [(x, y), (x - sx * back - sy * side, y - sy * back - sx * side), (x - sx * back + sy * side, y - sy * back + sx * side)]
            yield '<polygon points="' + " ".join(f"{number(px)},{number(py)}" for px, py in points) + '"/>'


def texts(picture):
    for r, row in enumerate(picture.rows):
        plain = "".join(" " if picture.drawn(r, c) else ch for c, ch in enumerate(row))
        for word in re.finditer(r"\S+(?: \S+)*", plain):
            x, y = MARGIN + word.start() * W, MARGIN + r * H + H * 0.72
            yield f'<text x="{number(x)}" y="{number(y)}" textLength="{number(len(word.group()) * W)}">{html.escape(word.group())}</text>'


def draw(text):
    picture = Picture(text)
    width, height = picture.width * W + 2 * MARGIN, len(picture.rows) * H + 2 * MARGIN
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    yield "<title>The rooms of a node</title>"
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    yield '<g fill="#eef3fb" stroke="#345" stroke-width="1.5">'
    for top, left, bottom, right in picture.boxes():
        (x, y), (x2, y2) = center(top, left), center(bottom, right)
        yield f'<rect x="{number(x)}" y="{number(y)}" width="{number(x2 - x)}" height="{number(y2 - y)}" rx="5"/>'
    yield '</g>\n<g fill="none" stroke="#345" stroke-width="1.5">'
    yield from lines(picture)
    yield '</g>\n<g fill="#345">'
    yield from heads(picture)
    yield '</g>\n<g fill="#111" font-family="monospace" font-size="14" lengthAdjust="spacingAndGlyphs">'
    yield from texts(picture)
    yield "</g>\n</svg>"


if __name__ == "__main__":
    with open(sys.argv[1]) as f:
        print("\n".join(draw(f.read())))

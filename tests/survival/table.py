"""Prints the figures of a run as one table.

The argument is a folder with files. Each line of a file has a subject, the measured figure and the demanded one, with tabs
between them.
"""

import itertools
import pathlib
import sys
import textwrap

WIDTHS = (46, 62, 46)


def print_row(cells):
    wrapped = [textwrap.wrap(cell, width) for cell, width in zip(cells, WIDTHS)]
    for parts in itertools.zip_longest(*wrapped, fillvalue=""):
        print("  ".join(part.ljust(width) for part, width in zip(parts, WIDTHS)).rstrip())


print()
print_row(("subject", "measured", "demanded"))
print_row("-" * width for width in WIDTHS)
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for line in file.read_text().splitlines():
        print_row(line.split("\t"))

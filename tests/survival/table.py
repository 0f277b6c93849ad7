"""Prints the figures of a run as one table. Argument: the folder with a file of `what TAB measured TAB demanded` for each."""

import pathlib
import sys

rows = [("what", "measured", "demanded")]
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    rows += [tuple(line.split("\t")) for line in file.read_text().splitlines()]
widths = [max(map(len, column)) for column in zip(*rows)]
print()
for row in rows:
    print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

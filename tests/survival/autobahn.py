"""Judges a report of the Autobahn cases, and prints the line for the table. Arguments: index.json, the name of the run."""

import json
import sys

CASES = 289
# The results that Autobahn itself counts as passed.
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL"}

report, name = sys.argv[1:]
with open(report) as file:
    (results,) = json.load(file).values()
failed = [case for case, result in results.items() if not {result["behavior"], result["behaviorClose"]} <= PASSED]
if failed or len(results) != CASES:
    sys.exit(f"{name}: {len(results)} of {CASES} cases ran, and these failed: {' '.join(failed)}")
strict = sum(result["behavior"] != "NON-STRICT" for result in results.values())
print(f"WebSocket conformance, {name}\t{len(results)} of {CASES} ({strict} strictly)\t{CASES} of {CASES}")

"""Counts, and does not like every number: `report.py NAME SECONDS`."""

import sys
import time
from itertools import count

name, seconds = sys.argv[1], float(sys.argv[2])
for number in count(1):
    if number % 13:
        print(name, "has come to number", number)
    else:
        print(name, "skipped number", number, file=sys.stderr)
    time.sleep(seconds)

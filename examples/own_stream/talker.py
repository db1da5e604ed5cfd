"""Says something on both outputs, in pieces, then nothing more."""

import sys
import time

for word in ("one", "two", "three"):
    sys.stdout.write(word)
    time.sleep(0.05)
    sys.stdout.write(" it is\n")
sys.stderr.write("and that was all\n")
while True:
    time.sleep(3600)

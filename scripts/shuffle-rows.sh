#!/usr/bin/env bash
# Writes an Azure trace with its gaps and token counts in random order (seeded): nothing is left to learn from, while the
# distribution of the values stays. scripts/shuffle-rows.sh TRACE > SHUFFLED
set -euo pipefail
exec python3 - "$1" <<'PYTHON'
import datetime
import random
import sys

with open(sys.argv[1]) as lines:
    header, *rows = [line.strip() for line in lines if line.strip()]
fields = [row.split(",") for row in rows]

def ticks(stamp):
    """Tenths of microseconds since the epoch."""
    moment, fraction = stamp.split(".")
    parsed = datetime.datetime.strptime(moment, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(parsed.timestamp()) * 10_000_000 + int(fraction)

times = [ticks(row[0]) for row in fields]
gaps = [later - earlier for earlier, later in zip(times, times[1:])]
tokens = [row[1:] for row in fields]
generator = random.Random(1)
generator.shuffle(gaps)
generator.shuffle(tokens)
print(header)
now = times[0]
for gap, counts in zip([0] + gaps, tokens):
    now += gap
    moment = datetime.datetime.fromtimestamp(now // 10_000_000, datetime.timezone.utc)
    print(f"{moment:%Y-%m-%d %H:%M:%S}.{now % 10_000_000:07d},{','.join(counts)}")
PYTHON

#!/usr/bin/env python3
"""The 5-minute token load of BurstGPT as a series: burstgpt-5min-load.py [--windows N] WITHOUT_FAILS_1 WITHOUT_FAILS_2 > SERIES.csv

Joins the two files, removes exact duplicates of rows, and sums request and response tokens over windows of five minutes
from the first day's midnight on; windows without a request are zero. The study that experiments/reproduce/
burstgpt-5min-load.toml repeats has 34,848 windows (121 days); another number is an error, unless --windows says so.
"""
import csv
import datetime
import sys

WINDOW_S = 300
arguments = sys.argv[1:]
windows = 34_848
if arguments[:1] == ["--windows"]:
    windows = int(arguments[1])
    arguments = arguments[2:]
if not arguments:
    sys.exit(__doc__)

seen = set()
load = [0] * windows
latest = 0.0
for path in arguments:
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            key = tuple(row.values())
            if key in seen:
                continue
            seen.add(key)
            timestamp = float(row["Timestamp"])
            latest = max(latest, timestamp)
            window = int(timestamp // WINDOW_S)
            if window >= windows:
                sys.exit(f"{path}, line {rows.line_num}: {timestamp} s lies beyond {windows} windows of {WINDOW_S} s; "
                         "this is not the pair of files of the study")
            load[window] += int(row["Request tokens"]) + int(row["Response tokens"])
if latest < (windows - 288) * WINDOW_S:
    sys.exit(f"the last request is at {latest} s, more than a day before the end of {windows} windows: a file is missing")
print("date,tokens")
start = datetime.datetime(2023, 1, 1)
for index, tokens in enumerate(load):
    print(f"{start + datetime.timedelta(seconds=WINDOW_S * index)},{tokens}")

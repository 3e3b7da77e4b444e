#!/usr/bin/env python3
"""Writes tests/fixtures/parquet/ as pandas, pyarrow and polars write tables with dates: parquet-fixtures.py FOLDER

Needs pandas, pyarrow and polars. Each file holds the first rows of tests/fixtures/azure_conv.csv, or a table of hours."""
import datetime
import pathlib
import sys

import pandas
import polars
import pyarrow
import pyarrow.parquet

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
azure = pandas.read_csv(pathlib.Path(__file__).parent.parent / "tests/fixtures/azure_conv.csv").head(12)
azure["TIMESTAMP"] = pandas.to_datetime(azure["TIMESTAMP"])
azure.to_parquet(folder / "azure-pandas-ns.parquet", index=False)
utc = azure.assign(TIMESTAMP=azure["TIMESTAMP"].dt.tz_localize("UTC"))
utc.to_parquet(folder / "azure-pandas-utc.parquet", index=False, compression="zstd")
berlin = azure.assign(TIMESTAMP=utc["TIMESTAMP"].dt.tz_convert("Europe/Berlin"))
berlin.to_parquet(folder / "azure-pandas-berlin.parquet", index=False)
pyarrow.parquet.write_table(
    pyarrow.Table.from_pandas(azure, preserve_index=False), folder / "azure-pyarrow-int96.parquet",
    use_deprecated_int96_timestamps=True, compression="gzip", store_schema=False)

hours = [datetime.datetime(2016, 7, 1) + datetime.timedelta(hours=hour) for hour in range(6)]
load = [1.5, 2.0, 3.25, 2.0, 1.0, 0.5]
frame = polars.DataFrame({"date": hours, "load": load})
for unit in ["ms", "us"]:
    frame.with_columns(polars.col("date").cast(polars.Datetime(unit))).write_parquet(folder / f"hours-polars-{unit}.parquet")
table = pyarrow.table({"date": pyarrow.array(hours, pyarrow.timestamp("s")), "load": load})
pyarrow.parquet.write_table(table, folder / "hours-pyarrow-s.parquet", data_page_version="2.0")
days = [datetime.date(2016, 7, day) for day in range(1, 7)]
polars.DataFrame({"date": days, "load": load}).write_parquet(folder / "days-polars.parquet")
pyarrow.parquet.write_table(
    pyarrow.table({"date": pyarrow.array(days, pyarrow.date64()), "load": load}), folder / "days-pyarrow-date64.parquet")

burstgpt = pandas.DataFrame({
    "Timestamp": [5, 45, 118], "Model": pandas.Categorical(["ChatGPT", "GPT-4", "ChatGPT"]),
    "Request tokens": [472, 1087, 417], "Response tokens": [18, 230, 276], "Total tokens": [490, 1317, 693],
    "Log Type": ["Conversation log"] * 3})
burstgpt.to_parquet(folder / "burstgpt-pandas-categories.parquet", index=False)

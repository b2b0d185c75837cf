"""Golden files for tests/data/test_parquet_rows.c: tables as pyarrow writes them, and their rows as JSON lines.

Made with pyarrow 26.0.1. Run from the source folder: python -P tools/golden/parquet_rows.py
Writes tests/golden/parquet/NAME.parquet and NAME.jsonl: `hub` as datasets on a hub are (Snappy, dictionaries,
several pages and groups of rows); the same rows as `pages_v2`, and under gzip and zstd with pages v1 and v2; `plain` (neither
codec nor dictionary, every type of number); and those that are refused, without rows: brotli, lz4_raw, delta, a
file that ends too soon, and `long_text`, one text of eight megabytes in 262144 rows.
"""
import datetime
import decimal
import json
import pathlib
import random

import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path("tests/golden/parquet")
folder.mkdir(exist_ok=True)
draw = random.Random(7)


def save(name, table, rows, **how):
    pq.write_table(table, folder / f"{name}.parquet", **how)
    if not rows:
        return
    with open(folder / f"{name}.jsonl", "w") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def talk(i):
    if i % 17 == 3:
        return None
    if i % 11 == 5:
        return []
    turn = {"role": "user", "content": f"What is {i} + {i % 7}?"}
    reply = {"role": "assistant", "content": None if i % 13 == 0 else f"<think>\n{i}\n</think>\né{i + i % 7}"}
    return [turn, reply][: 1 + i % 2]


def hub_row(i):
    return {
        "messages": talk(i),
        "num_tokens": i * i - 40,
        "source": ["math", "code", "science"][i % 3],
        "generations": [] if i % 9 == 0 else [f"{draw.random():.3f}" * (1 + i % 4) for _ in range(i % 4)],
        "verified": None if i % 8 == 1 else i % 3 == 0,
        "grid": None if i % 10 == 9 else [[j, None, i] if j % 2 else ([] if j % 3 else None) for j in range(i % 5)],
        "info": None if i % 12 == 7 else {
            "language": "python" if i % 2 else None,
            "tests": [{"input": f"{i}\n", "output": None if j else "1\n", "n": [j] * j} for j in range(i % 3)],
        },
    }


hub = [hub_row(i) for i in range(230)]
kind = pa.schema([
    ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    ("num_tokens", pa.int64()),
    ("source", pa.string()),
    ("generations", pa.list_(pa.string())),
    ("verified", pa.bool_()),
    ("grid", pa.list_(pa.list_(pa.int32()))),
    ("info", pa.struct([("language", pa.string()), ("tests", pa.list_(pa.struct([
        ("input", pa.string()), ("output", pa.string()), ("n", pa.list_(pa.int16()))])))])),
])
table = pa.Table.from_pylist(hub, schema=kind)
save("hub", table, hub, row_group_size=100, data_page_size=512, write_batch_size=16)
save("pages_v2", table, None, data_page_version="2.0", data_page_size=700, write_batch_size=16)
for codec in "gzip", "zstd":
    save(f"{codec}_v1", table, None, compression=codec, row_group_size=100, data_page_size=4096)
    save(f"{codec}_v2", table, None, compression=codec, data_page_version="2.0", use_dictionary=["source"],
         data_page_size=4096)

plain = [{
    "i8": i - 3, "u8": 250 + i, "i16": -300 * i, "u16": 65530 + i, "i32": -(2**31) + i, "u32": 2**32 - 1 - i,
    "i64": 2**62 + i, "f32": i / 8, "f64": i / 3 if i != 2 else float("nan"), "flag": i % 2 == 0,
    "day": datetime.date(2026, 1, 1 + i), "at": datetime.datetime(2026, 1, 1, 0, 0, i),
    "bytes": b"text" if i else b"\xff\xfe", "price": decimal.Decimal("1.25"), "four": b"abcd",
} for i in range(6)]
types = pa.schema([
    ("i8", pa.int8()), ("u8", pa.uint8()), ("i16", pa.int16()), ("u16", pa.uint16()), ("i32", pa.int32()),
    ("u32", pa.uint32()), ("i64", pa.int64()), ("f32", pa.float32()), ("f64", pa.float64()), ("flag", pa.bool_()),
    ("day", pa.date32()), ("at", pa.timestamp("ms")), ("bytes", pa.binary()), ("price", pa.decimal128(9, 2)),
    ("four", pa.binary(4)),
])
days = (datetime.date(2026, 1, 1) - datetime.date(1970, 1, 1)).days
told = [dict(row, f64=None if i == 2 else row["f64"], day=days + i, at=(days * 86400 + i) * 1000,
             bytes="text" if i else None, price=None, four=None) for i, row in enumerate(plain)]
save("plain", pa.Table.from_pylist(plain, schema=types), told, compression="none", use_dictionary=False)

few = pa.table({"text": ["one", "two"], "n": pa.array([1, 2], pa.int64())})
pq.write_table(few, folder / "brotli.parquet", compression="brotli")
pq.write_table(few, folder / "lz4_raw.parquet", compression="lz4")  # pyarrow's name for LZ4_RAW
pq.write_table(few, folder / "delta.parquet", use_dictionary=False, column_encoding={"n": "DELTA_BINARY_PACKED"})
again = pa.DictionaryArray.from_arrays(pa.array([0] * 2**18, pa.int32()), pa.array(["x" * 2**23]))
pq.write_table(pa.table({"text": again}), folder / "long_text.parquet", compression="zstd", store_schema=False)
whole = (folder / "hub.parquet").read_bytes()
(folder / "cut_off.parquet").write_bytes(whole[: len(whole) // 2])

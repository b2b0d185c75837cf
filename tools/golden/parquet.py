"""Read tests/golden/table.parquet with pyarrow and fail unless it is the table of tests/base/test_parquet.c.

The file is what parquet_write makes of that table; run this when the writer changes and the file is renewed.
"""
import sys

import pyarrow as pa
import pyarrow.parquet as pq

expected = {
    "step": (pa.int64(), [300, -2, 9007199254740993, None]),
    "prompt": (pa.string(), ["1+1=", "", "\u00e9\n", None]),
    "accuracy_reward": (pa.float64(), [1.0, None, 0.0, -0.125]),
    "none": (pa.float64(), [None, None, None, None]),
}
table = pq.read_table(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/table.parquet")
assert table.column_names == list(expected), table.column_names
for name, (kind, values) in expected.items():
    assert table.schema.field(name).type == kind, table.schema
    assert table[name].to_pylist() == values, (name, table[name].to_pylist())
print("pyarrow", pa.__version__, "reads the table")

"""Bytes of two TensorBoard events, for tests/base/test_runlog.c. Made with tensorboard 2.21.0 (its own writer)."""

import os
import tempfile

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

path = os.path.join(tempfile.mkdtemp(), "events")
with open(path, "wb") as f:
    w = RecordWriter(f)
    # proto3 leaves out a wall_time of 0; the writer in C puts it, so the golden file is given a stated one by hand.
    w.write(b"\x09" + bytes(8) + Event(file_version="brain.Event:2").SerializeToString())
    value = Summary.Value(tag="train/loss", simple_value=0.5)
    w.write(Event(wall_time=1.0, step=300, summary=Summary(value=[value])).SerializeToString())
    w.flush()
data = open(path, "rb").read()
for i in range(0, len(data), 16):
    print(" ".join(f"0x{b:02x}," for b in data[i : i + 16]))

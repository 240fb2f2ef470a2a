"""Reads what a run has written, each sink by the package that its users read it with, without what tells of times."""
import csv
import json
import pathlib
import re
import struct

from safetensors.numpy import load_file
from swanlab.proto.swanlab.record.v1.record_pb2 import Record as SwanRecord
from swanlab.sdk.internal.core_python.store import DataStoreReader
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

def is_steady(tag):
    """Not what a clock or the machine tells."""
    name = tag.split("/")[-1]
    return name not in ("time", "memory") and not name.endswith("_time")


def csv_rows(run):
    """By file, the rows without what a clock tells."""
    tables = {}
    for path in sorted(run.path.glob("*.csv")):
        with open(path) as file:
            tables[path.name] = [{k: v for k, v in row.items() if is_steady(k)} for row in csv.DictReader(file)]
    return tables


def event_points(run):
    """What TensorBoard shows of scalars and images."""
    folder = run.path.parent / "tf_logs" / run.path.name
    events = EventAccumulator(str(folder), {"scalars": 0, "images": 0}).Reload()
    shown = {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    shown.update({tag: [(p.step, p.encoded_image_string) for p in events.Images(tag)]
                  for tag in events.Tags()["images"]})
    return {tag: points for tag, points in shown.items() if is_steady(tag)}


def wandb_rows(run):
    """The rows of all starts of the run."""
    rows = []
    for path in sorted(run.path.glob("wandb/offline-run-*/run-*.wandb")):
        data, at, payload = path.read_bytes(), 7, b""
        while at < len(data):
            if 32768 - at % 32768 < 7:
                at += 32768 - at % 32768
                continue
            _, size, kind = struct.unpack_from("<IHB", data, at)
            part = data[at + 7:at + 7 + size]
            payload = part if kind in (1, 2) else payload + part
            at += 7 + size
            if kind in (1, 4):
                record = wandb_internal_pb2.Record.FromString(payload)
                if record.HasField("history"):
                    items = {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                    rows.append({k: v for k, v in items.items() if is_steady(k) and k not in ("_timestamp", "_runtime")})
    return rows


def swanlab_points(run):
    (path,) = run.path.glob("swanlog/run-*/run-*.swanlab")
    reader = DataStoreReader()
    reader.open(path)
    points, columns = [], []
    for data in reader:
        record = SwanRecord()
        record.ParseFromString(data)
        if record.HasField("column"):
            columns.append(record.column.column_key)
        if record.HasField("scalar") and is_steady(record.scalar.key):
            points.append((record.scalar.key, record.scalar.step, record.scalar.value.number))
    reader.close()
    assert len(columns) == len(set(columns)), columns
    return points


def json_lines(run):
    return [{k: v for k, v in line.items() if is_steady(k)} for line in run.lines() if line["mode"] != "summary"]


READERS = {"csv": csv_rows, "tensorboard": event_points, "wandb": wandb_rows, "swanlab": swanlab_points,
           "metrics.jsonl": json_lines}


def log_lines(run):
    """The lines of train.log that tell of training and evaluation, without what tells of times."""
    lines = re.findall(r"(?:Iter|Epoch)\(.*", (run.path / "train.log").read_text())
    return [re.sub(r"  (eta|\w*time|memory): .*?(?=  |$)", "", line) for line in lines]


def tensors(checkpoint):
    """All that a checkpoint holds, without what only tells of times."""
    found = {}
    for file in sorted(pathlib.Path(checkpoint).glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            found[f"{file.name}:{name}"] = tensor
    return found

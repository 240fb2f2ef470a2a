"""Writes the inputs that fuzzing begins with, where a program of ours does not (ailab_fuzz --seeds).

    make_corpus.py FOLDER    FOLDER/<target>/<name>; what fuzzing found stays beside
"""

import gzip
import io
import json
import pathlib
import pickle
import struct
import sys
import tarfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from crc32c import crc32c  # noqa: E402

VERSION = "0.1.0"

# ---- configuration

YAML = """seed: 42
work_dir: ${env:NOWHERE_SET,./w}
model: &m {type: Net, hidden: 3, dropout: .5, sizes: [3, 0x10], note: "a ${seed}", extra: {a: ~}}
data:
  train: &d {type: Data, root: ~/d}
  val: {<<: *d, limit: 5}
workflow: [[train, 1], {phase: val}]
text: |
  two
  lines
fold: !!str >-
  a
  b
"""
OVERRIDES = "\n".join([
    "seed=7", "model.sizes.1=[1, 2]", "hooks.a.b={c: 1e-3, d: '${seed}'}", "model.new.deep=~", "x",
    "hooks.a={a.0: [x, \"y\"]}", "model.sizes.9=1"])
JSONS = {
    "values": '{"a":[1,-2.5e3,true,null,"\\u00e9\\n"],"image":"x.png","label":{"b":{}}}',
    "numbers": '[NaN, Infinity, -Infinity, 18446744073709551616, 1e999, "NaN"]',
    "many": json.dumps({f"k{i}": i for i in range(20)}),
}

# ---- annotation files

CSV = 'image,label\na.png,0\n"b, c.png",1\r\n"d ""e"".png", 2.0\n\nf.png,cat\n'
JSON_LINES = '{"image": "a.png", "label": 3}\n{"label": "cat", "boxes": [1, NaN, "2"]}\n\n'
JSON_LIST = '[\n {"image": "a]", "label": 1},\n {"image": "\\"b", "label": [2.5, {"x": []}]}\n]\n'
WORDS = "images/a b.jpg 3\n\tc.jpg\t 4 \r\nd.jpg cat\rlast 1"
COCO = json.dumps({
    "images": [{"id": 1, "file_name": "a.jpg", "height": 4, "width": 5}, {"id": 7}],
    "categories": [{"id": 3, "name": "cat"}],
    "annotations": [{"image_id": 1, "category_id": 3, "bbox": [0, 1.5, 2, 3], "iscrowd": 0},
                    {"image_id": 7, "segmentation": [[1, 2, 3, 4, 5, 6]]}]})
VOC = """<?xml version="1.0"?><!-- c --><annotation><filename>a.jpg</filename>
<size><width>5</width><height>4</height></size>
<object><name>cat &amp; dog</name><difficult>1</difficult>
<bndbox><xmin>1</xmin><ymin>1.5</ymin><xmax>4</xmax><ymax>3</ymax></bndbox></object>
<object><name><![CDATA[x]]></name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>
</annotation>"""


# ---- data sets

def tar_of(entries, form):
    """`entries`: names with bytes, or TarInfos."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    # Two blocks of zeros end an archive; tarfile fills up to twenty.
    return out.getvalue().rstrip(b"\0") + bytes(1024)


def tar_header(name, size, kind=b"0", extra=b""):
    header = bytearray(512)
    header[:len(name)] = name
    header[124:136] = b"%011o\0" % size
    header[156:157] = kind
    header[257:265] = b"ustar  \0" if kind == b"S" else b"ustar\x0000"
    header[386:386 + len(extra)] = extra
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def block(content):
    return content + bytes(-len(content) % 512)


def pax(records):
    text = b""
    for key, value in records:
        line = f" {key}={value}\n".encode()
        length = len(line)
        while length != len(line) + len(str(length)):
            length = len(line) + len(str(length))
        text += str(length).encode() + line
    return tar_header(b"pax", len(text), b"x") + block(text)


def tars():
    sample = [("a/0001.png", b"PNG"), ("a/0001.cls", b"1"), ("a/0002.jpg", b"JPG"), ("a/0002.cls", b"2")]
    yield "ustar", tar_of(sample, tarfile.USTAR_FORMAT)
    yield "gnu_long", tar_of([("d" * 120 + "/x.png", b"PNG"), ("d" * 120 + "/x.cls", b"0")],
                             tarfile.GNU_FORMAT)
    yield "pax_long", tar_of([("é" * 90 + ".png", b"PNG"), ("é" * 90 + ".cls", b"0")],
                             tarfile.PAX_FORMAT)
    label = tar_header(b"x.cls", 1) + block(b"1")
    end = bytes(1024)
    number = lambda n: b"%011o\0" % n  # noqa: E731
    old = tar_header(b"x.png", 3, b"S", number(100) + number(3) + bytes(72) + b"\0" + number(103))
    yield "sparse_old", old + block(b"PNG") + label + end
    maps = pax([("GNU.sparse.size", 20), ("GNU.sparse.numblocks", 1), ("GNU.sparse.map", "10,3"),
                ("GNU.sparse.name", "x.png")])
    yield "sparse_0_1", maps + tar_header(b"y.png", 3) + block(b"PNG") + label + end
    stored = block(b"1\n10\n3\n") + b"PNG"
    one = pax([("GNU.sparse.major", 1), ("GNU.sparse.minor", 0), ("GNU.sparse.name", "x.png"),
               ("GNU.sparse.realsize", 20), ("size", len(stored))])
    yield "sparse_1_0", one + tar_header(b"y.png", len(stored)) + block(stored) + label + end


def idxs():
    images = b"\0\0\x08\x03" + struct.pack(">3I", 3, 2, 4) + bytes(range(24))
    labels = b"\0\0\x08\x01" + struct.pack(">I", 5) + bytes(range(5))
    yield "images", images
    yield "labels", labels
    yield "images_gz", gzip.compress(images, mtime=0)
    yield "two_members", gzip.compress(labels[:6], mtime=0) + gzip.compress(labels[6:], mtime=0)


def numpy_pickle(fields):
    """A dict whose "data" is an array of uint8, written as numpy pickles one (protocol 2)."""

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value

    def array(shape, content):
        dims = b"".join(b"K" + bytes([n]) if n < 256 else b"M" + struct.pack("<H", n) for n in shape)
        dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"\x89\x88\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        return (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R" +
                b"(K\x01(" + dims + b"t" + dtype + b"\x89" + b"B" + struct.pack("<I", len(content)) + content + b"tb")

    body = b"\x80\x03}("
    for key, value in fields:
        body += text(key)
        body += array(*value) if isinstance(value, tuple) else pickle.dumps(value, 2)[2:-1]
    return body + b"u."


def cifars():
    yield "binary_10", b"\0" + b"\x03" + bytes(3072)
    yield "binary_100", b"\1" + b"\x01\x40" + bytes(3072)
    yield "python_10", b"\2" + numpy_pickle([(b"data", ((1, 3072), bytes(3072))), (b"labels", [3])])
    yield "python_100", b"\3" + numpy_pickle([(b"data", ((1, 3072), bytes(3072))), (b"fine_labels", [3]),
                                              (b"fine_label_names", ["a"])])
    yield "python_array", b"\2" + numpy_pickle([(b"data", ((0, 3072), b"")), (b"labels", ((0,), b""))])


# ---- weights

def safetensors_of(header, data):
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors():
    yield "three", safetensors_of(
        {"__metadata__": {"format": "pt", "tied": "b", "ailab.complex/c": "ComplexFloat"},
         "b": tensor("BOOL", [3], 16, 19), "c": tensor("F32", [1, 2, 2], 0, 16), "e": tensor("F16", [0, 4], 16, 16)},
        bytes(16) + b"\0\1\2")


def artifacts():
    spec = {"model": {"type": "Net"}, "dtype": "float32", "channels_last": True, "autocast": "bfloat16",
            "classes": ["cat", "dog"], "output": "class_scores", "input": "image", "input_dtype": "uint8",
            "input_shape": [3, 8, 8],
            "image": {"field": "image", "reader": {"color": "gray", "max_pixels": 100}, "transforms": [{"type": "Resize"}]},
            "plugins": [{"name": "p", "version": "1", "build_id": "ab", "file": "libp.so", "builtin": False}],
            "config": {"seed": 1}}
    for name, image in (("image", spec["image"]), ("plain", None)):
        spec["image"] = image
        file = safetensors_of({"__metadata__": {"format": "pt", "ailab.crc32c": "00000000", "ailab.version": VERSION,
                                                "ailab.spec": json.dumps(spec)}, "w": tensor("F32", [1], 0, 4)}, bytes(4))
        yield name, file.replace(b'"00000000"', b'"%08x"' % crc32c(file))


def manifests():
    text = json.dumps({"format": "ailab checkpoint", "version": 2, "needs": [], "world_size": 2, "step": 7,
                       "files": {"model.safetensors": {"size": 8, "crc32c": "0123abcd"}},
                       "manifest_crc32c": "00000000"}, indent=2).encode() + b"\n"
    yield "version_2", text.replace(b'"00000000"', b'"%08x"' % crc32c(text))
    yield "version_1", text.replace(b'"version": 2', b'"version": 1')


def field(number, content):
    if isinstance(content, int):
        return bytes([number << 3]) + varint(content)
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def onnxs():
    weight = field(1, 2) + field(1, 1) + field(2, 1) + field(8, b"w") + field(9, bytes(8))
    attribute = field(1, b"alpha") + b"\x15" + struct.pack("<f", 0.5) + field(3, 2) + field(8, 1) + field(8, 2)
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Gemm") + field(5, attribute)
    graph = field(1, node) + field(5, weight) + field(11, field(1, b"x")) + field(12, field(1, b"y"))
    yield "gemm", field(1, 8) + field(7, graph)


# ---- logs

def chunks(header, records):
    out = header
    for record in records:
        out += struct.pack("<IH", zlib.crc32(b"\1" + record), len(record)) + b"\1" + record
    return out


def tracker_logs():
    history = [field(1, i) + field(2, field(1, b"\x0a\x01a\x82\x01\x011") + field(2, field(1, 3 * i))) for i in range(1, 4)]
    yield "wandb", chunks(b":W&B" + struct.pack("<HB", 0xBEE1, 0), history)
    yield "swanlab", chunks(b":SWL" + struct.pack("<HB", 0xE1D6, 2), history)


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def event_files():
    out = b""
    for step in (0, 1, 300):
        event = b"\x09" + struct.pack("<d", 1.5) + b"\x10" + varint(step) + field(5, b"summary")
        length = struct.pack("<Q", len(event))
        out += length + masked(length) + event + masked(event)
    yield "three_events", out


RUN = ('{"mode": "train", "epoch": 1, "step": 10, "loss": 0.5, "lr": 1e-3}\n'
       '{"mode": "val", "epoch": 1, "step": 10, "top1": 93.5, "text": "x", "none": null}\n'
       '{"mode": "summary", "exit": "done"}\n')

CORPUS = {
    "yaml": [("config", YAML)],
    "overrides": [("some", OVERRIDES)],
    "json": JSONS.items(),
    "csv": [("table", CSV), ("mark", "\ufeffa,label\n1,x\n")],
    "json_lines": [("lines", JSON_LINES), ("list", JSON_LIST)],
    "text_lines": [("words", WORDS)],
    "coco": [("instances", COCO)],
    "voc": [("annotation", VOC)],
    "tar": tars(),
    "idx": idxs(),
    "cifar": cifars(),
    "safetensors": safetensors(),
    "artifact": artifacts(),
    "manifest": manifests(),
    "onnx": onnxs(),
    "tracker_log": tracker_logs(),
    "event_file": event_files(),
    "run_record": [("metrics", RUN)],
}


def main():
    for target, inputs in CORPUS.items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in inputs:
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


if __name__ == "__main__":
    main()

"""Writes tar_shards.json: what webdataset yields of tar archives as they lie around.

A case: the archive (zlib, in hex), and the samples that webdataset yields of it, or its error. An image is
told by the value of its one pixel. Samples without an image and a label (README.md is one to webdataset)
are left out here, as TarShards leaves them out.

Run it with a Python that has webdataset: python tests/reference/tar_shards.py
"""
import io
import json
import pathlib
import struct
import subprocess
import tarfile
import tempfile
import zlib

import webdataset


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(value, private=b""):
    """One grey pixel; `private` is a chunk that decoders pass over."""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) +
            (chunk(b"prVt", private) if private else b"") +
            chunk(b"IDAT", zlib.compress(bytes([0, value]))) + chunk(b"IEND", b""))


def pack(files):
    """Names and contents, in order, as Python's tarfile writes them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def pack_sparse(*options, holes=1):
    """An image with holes of 64 KiB in it, as GNU tar packs it."""
    hole, wall = 1 << 16, b"x" * 4096
    private = (bytes(hole) + wall) * holes
    image = png(77, private)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with open(folder / "a0.png", "wb") as file:
            begin = image.index(private)
            file.write(image[:begin])
            for _ in range(holes):
                file.seek(hole, 1)
                file.write(wall)
            file.write(image[begin + len(private):])
        (folder / "a0.cls").write_bytes(b"3")
        (folder / "a1.png").write_bytes(png(5))
        (folder / "a1.cls").write_bytes(b"4")
        subprocess.run(["tar", "-S", "--mtime=@0", "--owner=0", "--group=0", *options, "-cf", "out.tar", "a0.png",
                        "a0.cls", "a1.png", "a1.cls"], cwd=folder, check=True)
        archive = (folder / "out.tar").read_bytes()
    assert len(archive) < len(image) // 2, "tar did not find the hole: run this on a file system with sparse files"
    values[image] = 77
    return archive


values = {png(value): value for value in range(256)}
a0 = [("a0.png", png(10)), ("a0.cls", b"1")]
a1 = [("a1.png", png(20)), ("a1.cls", b"2")]
junk = b"Mac OS X"
archives = {
    "a key twice in a row": pack(a0 + a0),
    "a key again later": pack(a0 + a1 + [("a0.png", png(30)), ("a0.cls", b"5")]),
    "an ending twice": pack(a0 + [("a0.cls", b"7")] + a1),
    "an ending in two cases": pack(a0 + [("a0.PNG", png(30))]),
    "endings in any case": pack([("a0.PNG", png(10)), ("a0.Cls", b"1"), ("a1.pNg", png(20)), ("a1.CLS", b"2")]),
    "macOS": pack([("._a0.png", junk), a0[0], ("._a0.cls", junk), a0[1], *a1, (".DS_Store", b"x"),
                   ("__MACOSX/._a1.png", junk)]),
    "texts": pack([("README", b"x"), *a0, ("LICENSE", b"x"), *a1, ("README.md", b"x"), ("data/README", b"x")]),
    "descriptions": pack([("__meta__.json", b"{}"), ("__index__/of.json", b"{}"), *a0, *a1, ("info.json", b"{}")]),
    "more files of a sample": pack([*a0, ("a0.json", b"{}"), ("a0.seg.png", png(1)), *a1]),
    "folders": pack([("./v1.0/a.0.png", png(1)), ("./v1.0/a0.png", png(10)), ("./v1.0/a0.cls", b"1"),
                     ("v1.0/b/a0.png", png(20)), ("v1.0/b/a0.cls", b"2")]),
    "sparse, GNU": pack_sparse("--format=gnu"),
    "sparse, GNU, many holes": pack_sparse("--format=gnu", holes=60),
    "sparse, pax 0.0": pack_sparse("--format=pax", "--sparse-version=0.0"),
    "sparse, pax 0.1": pack_sparse("--format=pax", "--sparse-version=0.1"),
    "sparse, pax 1.0, many holes": pack_sparse("--format=pax", "--sparse-version=1.0", holes=60),
    "sparse, pax 1.0": pack_sparse("--format=pax", "--sparse-version=1.0"),
}

cases = []
for name, archive in archives.items():
    case = {"name": name, "archive": zlib.compress(archive, 9).hex()}
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(archive)
        file.flush()
        try:
            case["samples"] = [
                {"key": sample["__key__"], "pixel": values[sample["png"]], "label": int(sample["cls"])}
                for sample in webdataset.WebDataset(file.name, shardshuffle=False)
                if "png" in sample or "cls" in sample]
        except ValueError as error:
            case["error"] = str(error.args[0])
    cases.append(case)

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
for case in cases:
    print(case["name"], case.get("samples"), case.get("error", ""))
print(f"{path}: {len(cases)} cases, {path.stat().st_size / 1000:.0f} kB, webdataset {webdataset.__version__}")

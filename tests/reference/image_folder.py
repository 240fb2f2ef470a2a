"""Writes image_folder.json: the order of torchvision's ImageFolder for names that sort in different ways.

Run it with the tests' Python: .deps/python/bin/python tests/reference/image_folder.py
"""
import json
import pathlib
import tempfile

import torchvision
from PIL import Image

NAMES = ["cat/z.png", "cat/10.png", "cat/9.PNG", "cat/A.jpg", "cat/a/x.png", "cat/a/b/y.png", "cat/a-b/x.png",
         "cat/a.d/z.webp", "cat/ä/1.png", "cat/zz/1.jpeg", "cat/Zz/1.bmp", "cat/a/.hidden.png", "cat/notes.txt",
         "cat 2/1.png", "cat-2/1.png", "Dog/1.png", "dog/2.tiff", "dog/x y.png", "été/1.png", "10/1.png", "9/1.png"]

with tempfile.TemporaryDirectory() as folder:
    for name in NAMES:
        file = pathlib.Path(folder) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".txt":
            file.write_text("x")
        else:
            Image.new("L", (1, 1)).save(file)
    data = torchvision.datasets.ImageFolder(folder)
    samples = [[str(pathlib.Path(path).relative_to(folder)), label] for path, label in data.samples]

path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps({"names": NAMES, "classes": data.classes, "samples": samples}, indent=0,
                           ensure_ascii=False) + "\n")
print(samples)

"""Writes the block of code of a Markdown file that holds a text: readme_code.py README.md "class Masks" masks.hpp"""
import re
import sys

path, wanted, output = sys.argv[1:]
with open(path) as file:
    blocks = re.findall(r"^```\w*\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)
found = [block for block in blocks if wanted in block]
if len(found) != 1:
    sys.exit(f"{path} has {len(found)} blocks with \"{wanted}\"")
with open(output, "w") as file:
    file.write(found[0])

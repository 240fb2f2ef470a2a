"""The code of README.md and docs/, for tests that compile or run it as it stands there.

    snippets.py OUTPUT "class Masks" …    writes the blocks that hold these texts, each of which is in one block only
    snippets.py OUTPUT                    writes all blocks of C++, README.md first
"""
import pathlib
import re
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Block(NamedTuple):
    page: pathlib.Path
    line: int
    language: str
    text: str
    mark: str  # why it is not run: of a comment <!-- not run: … --> in front of it, else ""


def pages():
    """Those in English; docs/modules.md, which is generated, has no code."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CHANGELOG.md"]


def blocks_of(page):
    text = page.read_text()
    pattern = r"^(?:<!-- not run: ([^\n]*?) -->\n)?```(\w*)\n(.*?)^```$"
    for found in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
        yield Block(page, text.count("\n", 0, found.start(2)) + 2, found[2], found[3], found[1] or "")


def blocks(language=None):
    return [block for page in pages() for block in blocks_of(page) if language in (None, block.language)]


def snippet(text):
    found = [block for block in blocks() if text in block.text]
    if len(found) != 1:
        sys.exit(f"README.md and docs/ have {len(found)} blocks with \"{text}\"")
    return found[0].text


def main(output, *texts):
    found = map(snippet, texts) if texts else (block.text for block in blocks("cpp"))
    pathlib.Path(output).write_text("\n".join(found))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

"""What the benchmarks leave out: bfloat16 on a processor without instructions for it."""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["AILAB_SOURCE"], "tests", "bench"))
from bench import has_bfloat16  # noqa: E402


class Bench(unittest.TestCase):
    def test_bfloat16_is_told_by_the_processor_s_flags(self):
        for flags, expected in (("fpu avx2 fma", False), ("avx512f avx512_vnni", False), ("avx512f avx512_bf16", True),
                                ("amx_bf16 amx_tile", True), ("fp asimd bf16", True), ("asimd asimddp", False)):
            with self.subTest(flags=flags), tempfile.NamedTemporaryFile("w") as file:
                file.write(f"processor : 0\nflags : {flags}\n")
                file.flush()
                self.assertEqual(has_bfloat16(pathlib.Path(file.name)), expected)


if __name__ == "__main__":
    unittest.main()

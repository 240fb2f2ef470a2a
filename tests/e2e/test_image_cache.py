"""Decoded images are kept from epoch to epoch, and in a file from run to run and for all ranks of a host."""
import random
import unittest

from harness import TestCase, RunFolder, command, mlp_config, mpirun

FILES = 24


class ImageCache(TestCase):
    def setUp(self):
        super().setUp()
        self.images = self.folder / "images"
        self.images.mkdir()
        numbers = random.Random(1)
        for i in range(FILES):
            (self.images / f"{i}.pict").write_bytes(b"PICT" + numbers.randbytes(48))

    def start(self, name, ranks=1, epochs=3, **options):
        folder = self.folder / name
        folder.mkdir()
        train = {"type": "Pictures", "root": str(self.images), "size": FILES,
                 "transforms": [{"type": "Scaled"}], **options}
        config = mlp_config(folder, model={"type": "MLP", "in": 48, "hidden": 8, "out": 4},
                            data={"train": train, "train_dataloader": {"global_batch_size": 8}},
                            workflow=[["train", 1]], total_epochs=epochs)
        return mpirun(ranks, command(config, plugins=["mlp", "pictures"])), RunFolder(folder / "work")

    def train(self, *args, **options):
        result, run = self.start(*args, **options)
        self.assertDone(result)
        return run

    def decoded(self, run, epoch):
        """Whether images were decoded in this epoch: each takes 5 ms, 8 or 4 of them a batch."""
        return [line.get("decode_time", 0) > 0.004 for line in run.lines("train") if line["epoch"] == epoch]

    def test_memory_serves_the_next_epochs(self):
        plain = self.train("plain")
        self.assertEqual(self.decoded(plain, 3), [True] * 3)
        cached = self.train("cached", cache_gb=0.01)
        self.assertEqual(self.decoded(cached, 1), [True] * 3)
        # The second epoch's first batches are made while the first epoch's last are not kept yet.
        self.assertEqual(self.decoded(cached, 3), [False] * 3)
        self.assertEqual(cached.losses(), plain.losses())

    def test_a_file_serves_other_ranks_and_later_runs(self):
        file = str(self.folder / "cache")
        first = self.train("first", ranks=2, cache_gb=0.01, cache_file=file)
        self.assertEqual(self.decoded(first, 3), [False] * 3)
        later = self.train("later", cache_gb=0.01, cache_file=file)
        self.assertEqual(self.decoded(later, 1), [False] * 3)
        self.assertEqual(later.losses(), self.train("plain").losses())
        # An image that has changed is decoded again.
        (self.images / "3.pict").write_bytes(b"PICT" + bytes(47) + b"x")
        changed = self.train("changed", cache_gb=0.01, cache_file=file)
        self.assertEqual(sum(self.decoded(changed, 1)), 1)
        self.assertNotEqual(changed.losses(), later.losses())
        self.assertEqual(changed.losses(), self.train("changed_plain").losses())

    def test_refused(self):
        other = self.folder / "thesis"
        other.write_text("my thesis")
        large = self.folder / "large"
        for options, text in (
                ({"cache_file": "x"}, "cache_file is given and cache_gb is 0; say how large it may become"),
                ({"cache_gb": -1}, "cache_gb"),
                ({"cache_gb": 1, "cache_file": str(other)}, "is there already and is no cache of images"),
                ({"cache_gb": 1, "cache_file": "/nowhere/cache"}, "cannot be opened: No such file"),
                ({"cache_gb": 1_000_000, "cache_file": str(large)},
                 "cannot be made: its table of images takes 8000001 MB, and the disk has ")):
            with self.subTest(options):
                result, _ = self.start(f"refused_{len(text)}", **options)
                self.assertNotEqual(result.status, 0)
                self.assertIn(text, result.err)
        self.assertEqual(other.read_text(), "my thesis")
        self.assertEqual(large.stat().st_size, 0)


if __name__ == "__main__":
    unittest.main()

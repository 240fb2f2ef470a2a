"""Numbers that are a slip of the keyboard: an error with their place, in the words of the configuration."""
import re

from harness import TestCase, call, command, mlp_config

# What LibTorch and the C++ library say of them.
WORDS = r"bad_alloc|length_error|out_of_range|vector::|basic_string|_M_|allocate|alloc_cpu|overflow|terminate|Exception raised|std::|what\(\)"


class LargeNumbers(TestCase):
    def refused(self, overrides, pattern, config=None):
        config = config or mlp_config(self.folder)
        result = call(command(config, overrides, plugins=["mlp"]), timeout=60)
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, pattern)
        self.assertNotRegex(re.sub(r"ailab - (INFO|WARNING).*", "", result.err), WORDS)

    def test_keys_of_the_run(self):
        for override, bounds in (("data.train_dataloader.prefetch_factor=1000000000000", "between 1 and 1024"),
                                 ("workflow=[[train, 4611686018427387904]]", "between 1 and 1000000000"),
                                 ("data.train_dataloader.num_workers=1000000", "between -1 and 1024"),
                                 ("runtime.threads=1000000000", "between 0 and 1024"),
                                 ("total_epochs=4611686018427387904", "between 1 and 1000000000")):
            with self.subTest(override):
                key = override.split("=")[0]
                self.refused([override], rf"^command line, {re.escape(override)}: {re.escape(key)}.* must be {bounds}, "
                                         r"got \d+\.$")

    def test_options_of_modules(self):
        place = r"config\.yaml:\d+:\d+: "
        for data, pattern in (({"type": "Synthetic", "shape": [4398046511104]},
                               place + r"data\.train\.shape\[0\] must be between 1 and 1000000000, got 4398046511104\."),
                              ({"type": "Synthetic", "size": 10**10, "shape": [8]},
                               place + r"data\.train has 10000000000 samples an epoch, whose order alone needs 160 GB"),
                              ({"type": "ImageFolder", "root": "/tmp", "max_pixels": 2**62},
                               place + r"data\.train\.max_pixels must be between 1 and")):
            with self.subTest(data):
                self.refused([], pattern, mlp_config(self.folder, data={"train": data}, workflow=[["train", 1]]))

    def test_a_model_that_no_memory_holds(self):
        config = mlp_config(self.folder, model={"type": "mlp", "hidden": [1000000000, 1000000000]})
        self.refused([], r"config\.yaml:\d+:\d+: model \"mlp\" of .*: there is not enough memory for it; the largest "
                         r"number among its options is hidden\[0\], 1000000000\. Make it smaller\.", config)

    def test_a_run_longer_than_can_be_counted(self):
        self.refused(["total_epochs=1000000000", "workflow=[{phase: train, iters: 1000000000}]"],
                     r"the run would take 1e\+18 iterations; at most 1e\+15 can be counted")

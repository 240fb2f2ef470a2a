"""One run is the same run for every number of ranks and every backend: the same samples in the same
order, and the same losses within float rounding."""
import unittest

from harness import TestCase, RunFolder, FASHION_MNIST, command, mpirun, mlp_config

TRACE = {"trace": {"type": "SampleTraceHook"}, "logger": {"type": "LoggerHook", "interval": 1}}


class WorldSizes(TestCase):
    def run_case(self, name, ranks, backend, plugins, **sections):
        folder = self.folder / name
        folder.mkdir()
        config = mlp_config(folder, dist={"backend": backend}, **sections)
        result = mpirun(ranks, command(config, plugins=plugins), timeout=300)
        self.assertDone(result)
        return RunFolder(folder / "work")

    def compare(self, plugins, steps, tolerance, cases, **sections):
        alone = self.run_case("alone", 1, "auto", plugins, **sections)
        expected = alone.losses()
        self.assertEqual(len(expected), steps)
        for ranks, backend in cases:
            with self.subTest(ranks=ranks, backend=backend):
                run = self.run_case(f"{backend}{ranks}", ranks, backend, plugins, **sections)
                self.assertEqual(run.samples(ranks), alone.samples(1))
                losses = run.losses()
                self.assertEqual(len(losses), steps)
                for step, (loss, wanted) in enumerate(zip(losses, expected)):
                    self.assertLessEqual(abs(loss - wanted), tolerance * abs(wanted),
                                         f"step {step}: {loss} and {wanted}")

    ALL = [(ranks, backend) for ranks in (2, 4) for backend in ("shm", "gloo", "mpi")]

    def test_float64_losses_of_100_steps_agree_to_1e9(self):
        cnn = {"type": "SmallCNN", "num_classes": 10}
        self.compare(["minimal_for_tests"], 100, 1e-9, self.ALL, model=cnn, hooks=TRACE,
                     workflow=[["train", 1]], total_epochs=None, total_iters=100,
                     runtime={"dtype": "float64", "threads": 1},
                     data=self.fashion(limit=3000, batch=32))

    def test_float32_losses_of_5_steps_agree_to_1e5(self):
        cnn = {"type": "SmallCNN", "num_classes": 10}
        self.compare(["minimal_for_tests"], 5, 1e-5, self.ALL, model=cnn, hooks=TRACE,
                     workflow=[["train", 1]], total_epochs=None, total_iters=5,
                     data=self.fashion(limit=None, batch=128))

    def test_the_last_smaller_batch_weighs_every_sample_alike(self):
        # 70 samples in batches of 32: the last has 6, of which 4 ranks get 1 or 2 each; 65: one
        # sample, so three of four ranks get none.
        for samples in (70, 65):
            with self.subTest(samples=samples):
                self.folder = self.folder / str(samples)
                self.folder.mkdir()
                self.compare(["mlp"], 6, 1e-9, [(2, "shm"), (4, "shm"), (4, "gloo"), (4, "mpi")],
                             hooks=TRACE, workflow=[["train", 1]], total_epochs=2,
                             runtime={"dtype": "float64"}, data=self.fashion(limit=samples, batch=32))

    def test_class_weights_are_normalised_over_all_ranks(self):
        weights = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        self.compare(["mlp"], 20, 1e-9, [(2, "shm"), (4, "shm"), (2, "mpi"), (2, "gloo")], hooks=TRACE,
                     loss={"type": "CrossEntropyLoss", "weight": weights}, workflow=[["train", 1]],
                     total_epochs=None, total_iters=20, runtime={"dtype": "float64"},
                     data=self.fashion(limit=300, batch=64))

    def test_an_optimizer_that_evaluates_the_loss_several_times_takes_the_same_way(self):
        self.compare(["mlp"], 6, 1e-6, [(2, "shm")], hooks=TRACE, workflow=[["train", 1]],
                     optimizer={"type": "LBFGS", "lr": 0.1, "max_iter": 4}, total_epochs=None, total_iters=6,
                     runtime={"dtype": "float64"}, data=self.fashion(limit=300, batch=64))

    def test_sums_of_losses_with_learned_weights_are_the_same(self):
        # The last batch of 300 samples in batches of 64 has 44; four ranks get 11 each.
        losses = {"ce": {"type": "CrossEntropyLoss", "weight": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]},
                  "focal": {"type": "FocalLoss", "ignore_index": 3},
                  "margin": {"type": "MultiMarginLoss", "reduction": "sum"}}
        for mode in ("fixed", "uncertainty"):
            with self.subTest(mode=mode):
                self.folder = self.folder / mode
                self.folder.mkdir()
                self.compare(["mlp"], 20, 1e-9, [(2, "shm"), (4, "shm")], hooks=TRACE,
                             loss={"type": "DynamicWeightedLoss", "mode": mode, "losses": losses},
                             workflow=[["train", 1]], total_epochs=None, total_iters=20,
                             runtime={"dtype": "float64"}, data=self.fashion(limit=300, batch=64))

    @staticmethod
    def fashion(limit, batch):
        data = {"type": "IDX", "root": str(FASHION_MNIST), "train": True, "mean": 0.286, "std": 0.353}
        if limit:
            data["limit"] = limit
        return {"train": data, "train_dataloader": {"global_batch_size": batch}}


if __name__ == "__main__":
    unittest.main()

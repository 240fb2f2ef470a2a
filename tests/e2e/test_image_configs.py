"""The configurations of image data in configs/, each run, shortened: on Fashion-MNIST as files, on CIFAR-10 in
generated archives, from weights of torchvision."""
import unittest

import made_data
from harness import SOURCE, RunFolder, TestCase, command, mpirun

CONFIGS = SOURCE / "configs"


class ImageConfigs(TestCase):
    def train(self, name, *overrides, ranks=1, epochs=1, timeout=280):
        work = self.folder / name
        result = mpirun(ranks, command(CONFIGS / f"{name}.yaml", [f"total_epochs={epochs}", *overrides], work_dir=work),
                        cwd=self.folder, timeout=timeout)
        self.assertDone(result)
        return RunFolder(work).lines("val")[-1]["top1"]

    def test_fashion_mnist_as_files_learns_the_same_from_three_record_sources(self):
        made_data.fashion_mnist_images(self.folder, 4000)
        for name in ("fashion_mnist_folder", "fashion_mnist_annotated", "tar_shards"):
            with self.subTest(config=name):
                self.assertGreater(self.train(name, ranks=2), 50)  # 32 steps

    def test_resnet18_on_fashion_mnist(self):
        self.train("fashion_mnist_resnet18", "data.train.limit=640", "data.val.limit=500", "hooks.logger.interval=1",
                   "optimizer.lr=0.02")
        losses = RunFolder(self.folder / "fashion_mnist_resnet18").losses()
        self.assertEqual(len(losses), 5)
        self.assertLess(losses[-1], losses[0])

    def test_93_percent_on_fashion_mnist_shortened(self):
        # The whole of it is in test_accuracy_long.
        top1 = self.train("fashion_mnist_93", "data.train.limit=6400", "data.val.limit=1000", ranks=2, epochs=3)
        self.assertGreater(top1, 65)

    def test_cifar10(self):
        for python in (False, True):
            with self.subTest(python=python):
                made_data.cifar10(self.folder, python)
                self.train("cifar10", f"work_dir=./cifar-{python}")

    def test_fine_tune_from_weights_of_torchvision(self):
        made_data.image_folders(self.folder)
        made_data.resnet50_weights(self.folder / "data" / "weights.pth")
        work = self.folder / "fine"
        result = mpirun(1, command(CONFIGS / "fine_tune.yaml", [
            "total_epochs=1", "model.num_classes=2", "model.pretrained=data/weights.pth",
            "data.train_dataloader.global_batch_size=8"], work_dir=work), cwd=self.folder, timeout=280)
        self.assertDone(result)
        # The head has another number of classes: it begins anew, and the log says so.
        self.assertIn('"fc" starts anew', result.err)
        self.assertIn("318 of the model's 320 tensors", result.err)


if __name__ == "__main__":
    unittest.main()

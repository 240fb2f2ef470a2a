"""The configurations of image data in configs/, each run, shortened: on Fashion-MNIST as files, on CIFAR-10 in
generated archives, from weights of torchvision."""
import pickle
import subprocess
import unittest

import numpy
import torch
import torchvision
from harness import SOURCE, RunFolder, TestCase, command, mpirun
from PIL import Image

CONFIGS = SOURCE / "configs"


class ImageConfigs(TestCase):
    def train(self, name, *overrides, ranks=1, epochs=1, timeout=280):
        work = self.folder / name
        result = mpirun(ranks, command(CONFIGS / f"{name}.yaml", [f"total_epochs={epochs}", *overrides], work_dir=work),
                        cwd=self.folder, timeout=timeout)
        self.assertDone(result)
        return RunFolder(work).lines("val")[-1]["top1"]

    def fashion_mnist(self, count):
        subprocess.run([SOURCE / "scripts" / "fashion-mnist-images", self.folder / "data" / "fashion_mnist", str(count)],
                       check=True)

    def test_fashion_mnist_as_files_learns_the_same_in_three_storages(self):
        self.fashion_mnist(4000)
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

    def cifar10(self, python):
        """The archive's files with images of one colour a class, as both versions of it hold them."""
        random = numpy.random.default_rng(1)
        folder = self.folder / "data" / "cifar10" / ("cifar-10-batches-py" if python else "cifar-10-batches-bin")
        folder.mkdir(parents=True)
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            labels = random.integers(0, 10, 60)
            data = random.integers(0, 60, (60, 3072)).astype(numpy.uint8)
            data += (labels * 19).astype(numpy.uint8)[:, None]
            if python:
                with open(folder / name, "wb") as file:
                    pickle.dump({b"data": data, b"labels": labels.tolist(), b"batch_label": name.encode()}, file)
            else:
                (folder / f"{name}.bin").write_bytes(
                    b"".join(bytes([label]) + image.tobytes() for label, image in zip(labels, data)))

    def test_cifar10(self):
        for python in (False, True):
            with self.subTest(python=python):
                self.cifar10(python)
                self.train("cifar10", f"work_dir=./cifar-{python}")

    def test_fine_tune_from_weights_of_torchvision(self):
        torch.manual_seed(1)
        (self.folder / "data").mkdir()
        torch.save(torchvision.models.resnet50().state_dict(), self.folder / "data" / "weights.pth")
        random = numpy.random.default_rng(1)
        for split in ("train", "val"):
            for label, name in enumerate(("dark", "bright")):
                folder = self.folder / "data" / "images" / split / name
                folder.mkdir(parents=True)
                for i in range(8):
                    pixels = random.integers(0, 100, (90, 120, 3)) + 120 * label
                    Image.fromarray(pixels.astype(numpy.uint8)).save(folder / f"{i}.jpg")
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

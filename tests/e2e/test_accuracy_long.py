"""Whole trainings on Fashion-MNIST: five epochs of the template's CNN, and the most accurate configuration."""
from harness import SOURCE, TestCase, command, mpirun

CONFIGS = SOURCE / "configs"


class Accuracy(TestCase):
    def best_top1(self, config, *overrides, plugins=()):
        self.assertDone(mpirun(2, command(CONFIGS / config, overrides, plugins=plugins, work_dir=self.work),
                               timeout=2700))
        return max(r["top1"] for r in self.run_folder().lines("val"))

    def test_five_epochs_of_the_templates_cnn_give_90_5_percent(self):
        self.assertGreaterEqual(self.best_top1("fashion_mnist.yaml", "total_epochs=5", plugins=["minimal_for_tests"]),
                                90.5)

    def test_the_configuration_for_93_percent_reaches_them(self):
        self.assertGreaterEqual(self.best_top1("fashion_mnist_93.yaml"), 93)

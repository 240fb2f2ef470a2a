"""Predictions of models with many outputs a sample, and sequences of other lengths than the trained one."""
import csv
import json
import unittest

import numpy as np
import safetensors.torch
import torch

from harness import AILAB, PLUGINS, RunFolder, TestCase, call, command, mlp_config, mpirun

PLUGIN = str(PLUGINS / "libsequences.so")


class LongOutputs(TestCase):
    def train(self, model="Tagger", classes=50, length=30, last=False, **sections):
        form = {"classes": classes, "length": length, "classes_last": last}
        data = {"type": "Tokens", **form}
        loss = {"type": "CrossEntropyLoss", **({"classes_last": True} if last else {})}
        self.config = mlp_config(
            self.folder, model={"type": model, **form}, loss=loss,
            data={"train": data, "val": data, "train_dataloader": {"batch_size": 3}},
            hooks={"checkpoint": {"type": "CheckpointHook"}, **sections})
        self.assertDone(call(command(self.config, plugins=["sequences"])))
        self.weights = safetensors.torch.load_file(self.run_folder().path / "checkpoints/epoch_1/model.safetensors")
        self.tokens = torch.stack([(torch.arange(length) * 7 + i) % classes for i in range(6)])
        return self.logits(self.tokens)

    def logits(self, tokens):
        """[N, T, C]"""
        hidden = torch.nn.functional.embedding(tokens, self.weights["embedding.weight"])
        if "positions" in self.weights:
            hidden = hidden + self.weights["positions"]
        return torch.nn.functional.linear(hidden, self.weights["head.weight"], self.weights["head.bias"])

    def run_test(self, *overrides, ranks=1):
        words = command(self.config, plugins=["sequences"])
        result = mpirun(ranks, [words[0], "test", *words[1:], "latest", *overrides])
        self.assertDone(result)
        return RunFolder(self.work / "test").path, result.err

    def infer(self, *words, ok=True):
        result = call([str(AILAB), "infer", "--plugins", PLUGIN, str(self.config), "latest", *map(str, words)])
        if ok:
            self.assertDone(result)
        return [json.loads(line) for line in result.out.splitlines()], result

    def file(self, tensor):
        path = self.folder / "x.safetensors"
        safetensors.torch.save_file({"x": tensor.contiguous()}, path)
        return path

    def test_predicted_classes_in_place_of_all_scores(self):
        for last in (False, True):
            for ranks in (1, 2):
                with self.subTest(classes_last=last, ranks=ranks):
                    self.setUp()
                    wanted = self.train(last=last)
                    folder, said = self.run_test(ranks=ranks)
                    self.assertEqual(said.count("the model's output has 1500 values a sample: the predictions have the "
                                                "predicted classes alone (scores: true in PredictionsHook writes all)"), 1)
                    lines = [json.loads(line) for line in (folder / "predictions_val.jsonl").read_text().splitlines()]
                    self.assertEqual([line["prediction"] for line in lines], wanted.argmax(2).tolist())
                    np.testing.assert_allclose([line["probability"] for line in lines], wanted.softmax(2).amax(2), atol=1e-5)
                    self.assertNotIn("output", lines[0])
                    lines, result = self.infer(self.file(self.tokens))
                    self.assertEqual([line["prediction"] for line in lines], wanted.argmax(2).tolist())
                    np.testing.assert_allclose([line["probability"] for line in lines], wanted.softmax(2).amax(2), atol=1e-5)
                    self.assertEqual(result.err.count("the predicted classes alone; --scores writes all"), 1)

    def test_all_scores_where_they_are_asked_for_or_few(self):
        for classes, asked in ((50, True), (20, False)):
            with self.subTest(classes=classes):
                self.setUp()
                wanted = self.train(classes=classes).transpose(1, 2)
                hook = ["hooks.predictions={type: PredictionsHook, scores: true}"] if asked else []
                folder, said = self.run_test(*hook)
                self.assertNotIn("alone", said)
                lines = [json.loads(line) for line in (folder / "predictions_val.jsonl").read_text().splitlines()]
                np.testing.assert_allclose([line["output"] for line in lines], wanted.flatten(1), atol=1e-5)
                lines, _ = self.infer(self.file(self.tokens), *(["--scores"] if asked else []))
                np.testing.assert_allclose([line["output"] for line in lines], wanted, atol=1e-5)

    def test_a_table(self):
        wanted = self.train()
        folder, _ = self.run_test("hooks.predictions={type: PredictionsHook, format: csv}")
        with open(folder / "predictions_val.csv", newline="") as file:
            rows = list(csv.reader(file))
        self.assertEqual(rows[0], ["id", "name", *(f"prediction_{i}" for i in range(30))])
        self.assertEqual([[int(cell) for cell in row[2:]] for row in rows[1:]], wanted.argmax(2).tolist())

    def test_other_lengths(self):
        self.train()
        for length in (7, 30, 45):
            with self.subTest(length=length):
                tokens = torch.arange(40 * length).view(40, length) % 50
                wanted = self.logits(tokens).argmax(2)
                lines, _ = self.infer(self.file(tokens))
                if length == 7:  # 350 values
                    found = np.array([line["output"] for line in lines]).argmax(1)
                else:
                    found = [line["prediction"] for line in lines]
                self.assertEqual(np.asarray(found).tolist(), wanted.tolist())

    def test_a_model_of_one_length_says_which(self):
        wanted = self.train(model="PositionTagger")
        lines, _ = self.infer(self.file(self.tokens))
        self.assertEqual([line["prediction"] for line in lines], wanted.argmax(2).tolist())
        lines, result = self.infer(self.file(self.tokens[:, :29]), ok=False)
        self.assertEqual(result.status, 1)
        self.assertIn("the model is fed [N, 30], and cannot run [6, 29]: ", lines[0]["error"])


if __name__ == "__main__":
    unittest.main()

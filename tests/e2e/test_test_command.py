"""`ailab-run test`: trained weights are evaluated, on any number of ranks alike."""
import json
import re
import shutil

from harness import AILAB, TestCase, call, command, mlp_config, mpirun


class TestCommand(TestCase):
    def train(self, **sections):
        hooks = {"metrics": {"type": "MetricHook", "top1": {"type": "Accuracy"},
                             "f1": {"type": "F1Score"}},
                 "checkpoint": {"type": "CheckpointHook", "interval": 1, "save_best": "top1"},
                 "logger": {"type": "LoggerHook", "interval": 20}, **sections.pop("hooks", {})}
        self.config = mlp_config(self.folder, hooks=hooks, **sections)
        self.assertDone(call(command(self.config, plugins=["mlp"])))
        self.trained = self.run_folder()

    def words(self, checkpoint="latest", *more, output="tested"):
        return [str(AILAB), "test", str(self.config), checkpoint, "--plugins",
                command(self.config, plugins=["mlp"])[2], "-o", str(self.folder / output), *more]

    def results(self, output="tested", phase="val"):
        folder = self.folder / output / "latest"
        lines = (folder / f"predictions_{phase}.jsonl").read_text().splitlines()
        record, = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()
                   if json.loads(line)["mode"] == phase]
        return lines, {k: v for k, v in record.items() if k not in ("time", "memory", "iter")}

    def test_the_same_predictions_and_metrics_for_every_number_of_ranks(self):
        self.train()
        found = []
        for ranks in (1, 2, 3, 4):
            output = f"np{ranks}"
            result = mpirun(ranks, self.words("latest", "runtime.threads=1", output=output))
            self.assertDone(result)
            found.append(self.results(output))
        for other in found[1:]:
            self.assertEqual(other, found[0])
        lines, metrics = found[0]
        self.assertEqual([json.loads(line)["id"] for line in lines], list(range(1000)))
        right = sum(json.loads(line)["prediction"] == json.loads(line)["label"] for line in lines)
        self.assertAlmostEqual(metrics["top1"], right / 10)
        # What was validated in training is what is tested.
        validated = self.trained.lines("val")[-1]
        for name in ("loss", "top1", "f1"):
            self.assertAlmostEqual(metrics[name], validated[name], places=5)

    def test_latest_best_and_paths(self):
        self.train(total_epochs=2)
        checkpoints = self.trained.path / "checkpoints"
        best, = [p for p in checkpoints.iterdir() if p.name.startswith("best_")]
        newest = f"(epoch_2|{best.name})"  # of one step
        for given, meant in (("latest", newest), ("best", best.name),
                             (str(checkpoints / "epoch_1"), "epoch_1"),
                             (str(self.trained.path), newest),
                             (str(checkpoints / "epoch_2" / "model.safetensors"), "epoch_2")):
            with self.subTest(given=given):
                result = call(self.words(given))
                self.assertDone(result)
                self.assertRegex(result.err, f"weights loaded from {checkpoints}/{meant}/model.safetensors")

    def test_original_options_and_the_test_data(self):
        self.train()
        text = json.loads(self.config.read_text())
        text["data"]["test"] = {**text["data"]["val"], "limit": 100}
        self.config.write_text(json.dumps(text))
        self.assertDone(call([str(AILAB), "test", "-c", str(self.config), "-w", "latest", "-o",
                              str(self.folder / "tested"), *self.words()[4:6]]))
        lines, metrics = self.results(phase="test")
        self.assertEqual(len(lines), 100)
        self.assertIn("f1", metrics)

    def test_the_averages_are_tested_where_they_were_validated(self):
        self.train(hooks={"ema": {"type": "EMAHook", "decay": 0.99}})
        result = call(self.words())
        self.assertDone(result)
        self.assertIn("of the file's are averages of hook.ema", result.err)
        self.assertAlmostEqual(self.results()[1]["loss"], self.trained.lines("val")[-1]["loss"], places=5)

    def test_nothing_is_trained_or_saved(self):
        self.train()
        self.assertDone(call(self.words()))
        folder = (self.folder / "tested" / "latest").resolve()
        self.assertEqual(sorted(p.name for p in folder.iterdir()),
                         ["config.yaml", "end.json", "environment.json", "metrics.jsonl", "predictions_val.jsonl",
                          "report.html", "train.log"])
        self.assertFalse((self.folder / "tested" / "last_checkpoint").exists())

    def test_several_views_of_each_image(self):
        self.train()
        plain, flipped, crops = [], [], []
        for views, found in (("", plain), ("flip", flipped), ("flip,five_crops", crops)):
            self.assertDone(call(self.words("latest", *(["--tta", views] if views else []))))
            found.append(self.results()[1]["top1"])
        self.assertNotEqual(plain, flipped)
        self.assertNotEqual(flipped, crops)
        result = call(self.words("latest", "--tta", "mirror"))
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("--tta takes flip and five_crops, got mirror", result.err)

    def test_csv_with_all_scores(self):
        self.train(hooks={"predictions": {"type": "PredictionsHook", "format": "csv", "scores": True}})
        self.assertDone(call(self.words()))
        header, first, *rest = (self.folder / "tested/latest/predictions_val.csv").read_text().splitlines()
        self.assertEqual(header, "id,name,label,class,prediction,predicted_class,probability,"
                                 "0,1,2,3,4,5,6,7,8,9")
        self.assertEqual(len(rest), 999)
        scores = [float(cell) for cell in first.split(",")[7:]]
        self.assertAlmostEqual(sum(scores), 1, places=5)
        self.assertAlmostEqual(max(scores), float(first.split(",")[6]))

    def test_what_is_refused(self):
        self.train()
        checkpoint = self.trained.path / "checkpoints" / "epoch_1"
        other = mlp_config(self.folder / "work", model={"type": "MLP", "hidden": 17})
        damaged = self.folder / "damaged"
        shutil.copytree(checkpoint, damaged)
        data = bytearray((damaged / "model.safetensors").read_bytes())
        data[-1] ^= 1
        (damaged / "model.safetensors").write_bytes(data)
        for words, status, text in (
                (self.words(str(damaged)), 1, "checksum of model.safetensors"),
                (self.words(str(self.folder / "none")), 2, "the checkpoint .*none does not exist; give latest, best"),
                ([*self.words()[:2], str(other), *self.words()[3:]], 1,
                 r'does not fit the model: .*in the file and .* in the model.*Give the configuration'),
                (self.words()[:3], 2, "no checkpoint is given: ailab-run test CONFIG CHECKPOINT"),
                (self.words("latest", "nonsense"), 2, '"nonsense" is no override'),
                (self.words("latest", "--topk", "3"), 2, "--topk goes with ailab-run infer")):
            with self.subTest(words=words):
                result = call([w if w != "latest" or "damaged" in text else str(checkpoint) for w in words])
                self.assertEqual(result.status, status, str(result))
                self.assertRegex(re.sub(r"\s+", " ", result.err), text)

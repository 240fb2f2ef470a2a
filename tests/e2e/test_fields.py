"""Data sets that declare their fields: what lies on an image moves with it, sequences are padded and dealt by
length, graphs lie one after another. Each trains alike on one rank and on two, and goes on from the middle of
an epoch as if it had not stopped."""
import re
import unittest

import numpy

from harness import RunFolder, command, mpirun
from test_resume import ResumeCase, mpirun_gently

OBJECTS = [{"type": "RandomHorizontalFlip"},
           {"type": "RandomAffine", "degrees": 20, "translate": [0.1, 0.1], "scale": [0.8, 1.2],
            "shear": [-8, 8, -5, 5], "interpolation": "bilinear"},
           {"type": "RandomCrop", "size": [38, 40]},
           {"type": "Resize", "size": [50, 60], "antialias": False}]


class FieldsCase(ResumeCase):
    """`sections()` is the run; each batch over all ranks has 8 samples, the last of an epoch fewer."""
    ranks = (1, 2)
    total_iters = 25

    def sections(self):
        raise NotImplementedError

    def config(self, folder, **sections):
        hooks = {"logger": {"type": "LoggerHook", "interval": 1}, "trace": {"type": "SampleTraceHook"},
                 "checkpoint": {"type": "CheckpointHook", "by": "iter", "interval": self.total_iters},
                 "signal": {"type": "SignalHook"}}
        settings = {"workflow": [["train", 1]], "total_iters": self.total_iters, "accumulative_counts": 1,
                    "runtime": {"dtype": "float64", "threads": 1}, "optimizer": {"type": "Adam", "lr": 0.01},
                    **self.sections()}
        settings["hooks"] = {**hooks, **settings.get("hooks", {}), **sections.pop("hooks", {})}
        return super().config(folder, **{**settings, **sections})

    @staticmethod
    def data(kind, transforms=(), sampler=None, batch=8, **options):
        loader = {"global_batch_size": batch, "num_workers": 2}
        if sampler:
            loader["sampler"] = sampler
        train = {"type": kind, **options}
        if transforms:
            train["transforms"] = list(transforms)
        return {"train": train, "train_dataloader": loader}

    def words(self, config, *overrides):
        return command(config, overrides, plugins=["fields", "faults"])

    def straight(self, ranks, **sections):
        return self.run_straight(f"straight{ranks}", ranks, **sections)

    # Samples that are made one by one have their times in the log.
    flaky = (*ResumeCase.flaky, "read_time", "decode_time", "transform_time")

    def check_world_sizes(self):
        one, two = self.straight(1), self.straight(2)
        self.assertEqual(two.samples(2), one.samples(1))
        losses = one.losses()
        self.assertEqual(len(losses), self.total_iters)
        numpy.testing.assert_allclose(two.losses(), losses, rtol=1e-9)
        self.assertLess(numpy.mean(losses[-5:]), numpy.mean(losses[:5]))

    def check_resume(self, **sections):
        for ranks in self.ranks:
            with self.subTest(ranks=ranks):
                straight = self.straight(ranks, **sections)
                config = self.config(self.folder / f"stopped{ranks}", **sections)
                for at in (2, 8):  # an epoch has 5 iterations
                    result = mpirun_gently(ranks, self.words(config, "resume_from=auto", f"hooks.signal.at={at}"))
                    self.assertEqual(result.status, 143, str(result))
                self.assertDone(mpirun(ranks, self.words(config, "resume_from=auto")))
                self.assertSameRun(straight, RunFolder(self.folder / f"stopped{ranks}" / "work"), ranks,
                                   last=f"iter_{self.total_iters}")


class Objects(FieldsCase):
    def sections(self):
        return {"model": {"type": "ObjectNet"}, "data": self.data("Objects", OBJECTS),
                "loss": {"type": "MSELoss", "mapping": {"output": "prediction", "target": "truth"}}}

    def test_one_rank_and_two_train_alike(self):
        self.check_world_sizes()

    def test_a_run_goes_on_in_the_middle_of_an_epoch(self):
        self.check_resume()

    def test_what_lies_on_an_image_is_where_its_pixels_are(self):
        dumped = self.folder / "dumped"
        dumped.mkdir()
        self.straight(1, hooks={"dump": {"type": "DumpObjects", "folder": str(dumped)}})
        checked = {"boxes": 0, "dropped": 0, "points": 0, "lost": 0, "mask": 0, "empty": 0}
        for epoch in range(5):
            for sample in range(40):
                self.check_sample(lambda field: self.read(dumped / f"{epoch}.{sample}.{field}"), sample, checked)
        self.assertGreater(checked["boxes"], 150)
        self.assertGreater(checked["dropped"], 3)
        self.assertGreater(checked["points"], 300)
        self.assertGreater(checked["lost"], 20)
        self.assertGreater(checked["mask"], 200 * 500)
        self.assertGreaterEqual(checked["empty"], 50)

    def check_sample(self, moved, sample, checked):
        """By numpy alone: the pixels say where they were, which gives the map, and that the rest."""
        where = moved("image")
        height, width = where.shape[1:]
        inner = numpy.zeros((height, width), bool)
        inner[2:-2, 2:-2] = where[2, 2:-2, 2:-2] == 1  # neither mixed with what was filled in, nor at the border
        rows, columns = numpy.nonzero(inner)
        new = numpy.stack([columns + 0.5, rows + 0.5, numpy.ones(len(rows))], 1)
        back, residual, rank, _ = numpy.linalg.lstsq(new, where[:2, rows, columns].T, rcond=None)
        self.assertEqual(rank, 3)
        self.assertLess(numpy.abs(new @ back - where[:2, rows, columns].T).max(), 1e-2)
        there = numpy.linalg.inv(numpy.column_stack([back, [0, 0, 1]]))[:, :2]  # from old places to new ones
        mirrored = numpy.linalg.det(there[:2]) < 0
        self.assertMaskMoved(moved("mask"), back, sample, checked)

        boxes, keypoints = self.objects(sample)
        corners = boxes[:, [[0, 1], [2, 1], [0, 3], [2, 3]]] @ there[:2] + there[2]
        expected = numpy.concatenate([corners.min(1), corners.max(1)], 1)
        expected = expected.clip(0, [width, height, width, height])
        extent = (expected[:, 2:] - expected[:, :2]).min(1)
        kept = moved("labels").astype(int) - 10 * sample
        for n in range(len(boxes)):  # what is left of it may be less than the map is exact to
            if abs(extent[n]) > 0.05:
                self.assertEqual(n in kept, extent[n] > 0, (sample, n))
        self.assertEqual(moved("boxes").shape, (len(kept), 4))
        numpy.testing.assert_allclose(moved("boxes"), expected[kept], atol=0.02)

        points = keypoints[kept][:, :, :2] @ there[:2] + there[2]
        visible = keypoints[kept][:, :, 2]
        if mirrored:
            points, visible = points[:, [1, 0, 2]], visible[:, [1, 0, 2]]
        found = moved("keypoints")
        distance = numpy.minimum(points, [width, height] - points).min(2)  # to the border
        inside, outside = distance > 0.02, distance < -0.02
        numpy.testing.assert_allclose(found[inside][:, :2], points[inside], atol=0.02)
        numpy.testing.assert_array_equal(found[inside][:, 2], visible[inside])
        numpy.testing.assert_array_equal(found[outside], 0)
        checked["boxes"] += len(kept)
        checked["dropped"] += len(boxes) - len(kept)
        checked["points"] += int(inside.sum())
        checked["lost"] += int(outside.sum())
        checked["empty"] += len(boxes) == 0

    def assertMaskMoved(self, mask, back, sample, checked):
        """The nearest pixel is taken twice: by the resizing (as torch, the one above and left), then by the map."""
        height, width = 44 + sample % 5 * 3, 42 + sample % 7 * 4
        numbers = (numpy.arange(height * width) % 251).reshape(height, width)
        rows, columns = (numpy.floor(numpy.arange(new) * old / new) for new, old in ((50, 38), (60, 40)))
        x, y = numpy.meshgrid((columns + 0.5) * 60 / 40, (rows + 0.5) * 50 / 38)
        old = numpy.stack([x, y, numpy.ones_like(x)], 2) @ back
        clear = (numpy.abs(old - old.round()) > 0.01).all(2)  # not between two pixels
        inside = clear & (old > 0).all(2) & (old < [width, height]).all(2)
        pixels = old[inside].astype(int)
        numpy.testing.assert_array_equal(mask[inside], numbers[pixels[:, 1], pixels[:, 0]])
        numpy.testing.assert_array_equal(mask[clear & ~inside], 0)
        checked["mask"] += len(pixels)

    @staticmethod
    def read(path):
        shape, numbers = path.read_bytes().split(b"\n", 1)
        return numpy.frombuffer(numbers, numpy.float64).reshape([int(n) for n in shape.split()])

    _objects = None

    def objects(self, sample):
        """The boxes and keypoints as the data set gives them."""
        if self._objects is None:
            plain = self.folder / "plain"
            plain.mkdir()
            data = self.data("Objects", batch=1)
            data["train_dataloader"]["shuffle"] = False
            self.run_straight("plain-run", 1, data=data, total_iters=40,
                              hooks={"dump": {"type": "DumpObjects", "folder": str(plain)}})
            self._objects = [tuple(self.read(plain / f"0.{i}.{field}") for field in ("boxes", "keypoints"))
                             for i in range(40)]
        return self._objects[sample]

    def test_fields_that_cannot_be_mixed_are_refused_by_name(self):
        for transform, message in (
                ({"type": "AugMix"}, 'there is no boxes for them'),
                ({"type": "Mixup"}, 'mixing images has no meaning for the field "boxes"')):
            with self.subTest(transform):
                config = self.config(self.folder / transform["type"], total_iters=1, runtime={"threads": 1},
                                     data=self.data("Objects", [{"type": "CenterCrop", "size": 40}, transform]))
                result = mpirun(1, self.words(config))
                self.assertNotEqual(result.status, 0)
                self.assertIn(message, result.err)


class Sentences(FieldsCase):
    SAMPLER = {"type": "LengthGroupedSampler", "field": "tokens", "chunk_batches": 2}

    def sections(self):
        return {"model": {"type": "LengthTagger"}, "data": self.data("Sentences", sampler=self.SAMPLER, size=37),
                "loss": {"type": "CrossEntropyLoss", "ignore_index": -100, "mapping": {"target": "tags"}}}

    @staticmethod
    def padding(run, ranks, batch=8):
        """By step, the share of what is filled in: each rank pads its slice to a multiple of 8."""
        shares = []
        for ids in run.samples(ranks):
            filled = there = 0
            for rank in range(ranks):
                mine = ids[len(ids) * rank // ranks:len(ids) * (rank + 1) // ranks]
                lengths = [3 + i * 7 % 40 for i in mine]
                if lengths:
                    there += sum(lengths)
                    filled += len(lengths) * ((max(lengths) + 7) // 8 * 8)
            shares.append(1 - there / filled)
        return shares

    def test_one_rank_and_two_train_alike(self):
        self.check_world_sizes()

    def test_a_run_goes_on_in_the_middle_of_an_epoch(self):
        self.check_resume()

    def test_so_with_accumulation(self):
        self.check_resume(accumulative_counts=2)

    def test_the_share_of_padding_is_logged_and_smaller_than_without_grouping(self):
        means = {}
        grouped = {**self.SAMPLER, "chunk_batches": 50}
        for name, sampler in (("grouped", grouped), ("random", {"type": "DefaultSampler"})):
            for ranks in self.ranks:
                run = self.run_straight(f"{name}{ranks}", ranks,
                                        data=self.data("Sentences", sampler=sampler, size=37))
                logged = [line["tokens_padding"] for line in run.lines("train")]
                numpy.testing.assert_allclose(logged, self.padding(run, ranks), atol=1e-6)
                self.assertEqual(logged, [line["tags_padding"] for line in run.lines("train")])
                means[name, ranks] = numpy.mean(logged)
        for ranks in self.ranks:
            self.assertLess(means["grouped", ranks], 0.75 * means["random", ranks])

    def test_each_epoch_deals_every_sample_once_in_batches_of_its_own(self):
        run = self.straight(1)
        batches = run.samples(1)
        self.assertEqual([len(batch) for batch in batches[:5]], [8, 8, 8, 8, 5])
        for epoch in range(5):
            self.assertEqual(sorted(sum(batches[5 * epoch:5 * epoch + 5], [])), list(range(37)))
        self.assertNotEqual(batches[:5], batches[5:10])

    def test_a_resumed_run_keeps_the_batches_on_another_number_of_ranks(self):
        straight = self.straight(1)
        config = self.config(self.folder / "moved")
        result = mpirun(1, self.words(config, "hooks.signal.at=7"))
        self.assertEqual(result.status, 143, str(result))
        self.assertDone(mpirun(2, self.words(config, "resume_from=auto")))
        moved = RunFolder(self.folder / "moved" / "work")
        numpy.testing.assert_allclose(moved.losses(), straight.losses(), rtol=1e-9)

    def test_a_field_without_lengths_is_refused_at_the_sampler(self):
        for field, message in (
                ("tones", 'LengthGroupedSampler needs a data set that knows the length of "tones"'),
                (None, "LengthGroupedSampler: the data set pads tokens, tags; set field")):
            with self.subTest(field):
                sampler = {**self.SAMPLER, "field": field}
                sampler = {key: value for key, value in sampler.items() if value is not None}
                config = self.config(self.folder / str(field), data=self.data("Sentences", sampler=sampler, size=37))
                result = mpirun(1, self.words(config))
                self.assertEqual(result.status, 2, str(result))
                self.assertRegex(result.err, r"\.yaml:\d+:\d+: " + re.escape(message))

    def test_another_global_batch_or_another_kind_of_sampler_is_refused(self):
        config = self.config(self.folder / "stopped")
        result = mpirun(1, self.words(config, "hooks.signal.at=7"))
        self.assertEqual(result.status, 143, str(result))
        for override, message in (
                ("data.train_dataloader.global_batch_size=4", "a step takes 4 samples over all ranks, and took 8"),
                ("data.train_dataloader.sampler={type: DefaultSampler}", "sampler")):
            with self.subTest(override):
                result = mpirun(1, self.words(config, "resume_from=auto", override))
                self.assertNotEqual(result.status, 0)
                self.assertIn(message, result.err)

    def test_a_validation_is_grouped_too_and_does_not_depend_on_the_ranks(self):
        values = []
        for ranks in self.ranks:
            data = self.data("Sentences", sampler=self.SAMPLER, size=37)
            data["val"] = {"type": "Sentences", "size": 29}
            data["val_dataloader"] = {"batch_size": 4, "sampler": {**self.SAMPLER, "shuffle": False}}
            run = self.run_straight(f"val{ranks}", ranks, data=data, workflow=[["train", 1], ["val", 1]],
                                    total_iters=None, total_epochs=2)
            values.append([line["loss"] for line in run.lines("val")])
        self.assertEqual(len(values[0]), 2)
        numpy.testing.assert_allclose(values[1], values[0], rtol=1e-9)


class Rings(FieldsCase):
    def sections(self):
        return {"model": {"type": "RingNet"}, "data": self.data("Rings", size=37), "loss": {"type": "MSELoss"}}

    def test_one_rank_and_two_train_alike(self):
        self.check_world_sizes()

    def test_a_run_goes_on_in_the_middle_of_an_epoch(self):
        self.check_resume()


if __name__ == "__main__":
    unittest.main()

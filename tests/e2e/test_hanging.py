"""A rank that keeps the others waiting ends the job after dist.timeout, and one message names it and the step that it is
in; what ends the process by exit() has failed; a run that is complete keeps its status."""
import json
import signal
import subprocess

from harness import (FASHION_MNIST, TestCase, call, command, environment, mlp_config, mpirun,
                     ranks_by_variables)

TIMEOUT = 2  # seconds


class HangingCase(TestCase):
    def config(self, hook=None, **sections):
        data = {"type": "IDX", "root": str(FASHION_MNIST), "limit": 300}
        settings = {"data": {"train": {**data, "train": True}, "val": {**data, "train": False},
                             "train_dataloader": {"global_batch_size": 30}, "val_dataloader": {"batch_size": 30}},
                    "runtime": {"threads": 1},
                    "hooks": {"checkpoint": {"type": "CheckpointHook"}, "logger": {"type": "LoggerHook"}}}
        settings.update(sections)
        if hook:
            settings["hooks"] = {**settings["hooks"], "mine": {"type": "HangingHook", **hook}}
        return mlp_config(self.folder, **settings)

    def words(self, config, *overrides):
        return command(config, overrides, plugins=["hanging", "mlp"])

    def messages(self, text):
        return [line for line in text.splitlines() if line.startswith(("ailab: ", "ailab-run:"))]

    def assertNames(self, results, rank, where, what=r"it has not (answered|gone on) for [0-9.]+ s \(dist\.timeout is 2 s\)"):
        text = "".join(result.err for result in results)
        for result in results:
            self.assertLess(result.seconds, TIMEOUT + 15, text)
        self.assertNotEqual(results[0].status, 0, text)
        messages = self.messages(text)
        self.assertEqual(len(messages), 1, text)
        self.assertRegex(messages[0], rf"^ailab: \[rank {rank}, [^]]*\] .*: {what}", text)
        # What a process did in its last quarter of a second before it was stopped nobody knows.
        if "it has not answered" in messages[0]:
            where = r"\] last heard of at (start|train|val)\b"
        self.assertRegex(messages[0], where, text)


class Hanging(HangingCase):
    def test_a_rank_that_stops_or_loops_at_the_end(self):
        for how in ("stop", "loop"):
            for rank in (0, 1):
                for backend in ("shm", "gloo", "mpi"):
                    with self.subTest(how=how, rank=rank, backend=backend):
                        config = self.config({"how": how, "rank": rank, "point": "after_run"},
                                             dist={"backend": backend, "timeout": TIMEOUT})
                        self.assertNames([mpirun(2, self.words(config), timeout=60)], rank,
                                         r'train, epoch 0, iter \d+, step 10, hook "mine", after_run: ')

    def test_at_other_points_of_a_run(self):
        for point, where in (("after_train_iter", 'train, epoch 0, iter 0, step 0, hook "mine", after_train_iter'),
                             ("before_save_checkpoint", 'hook "mine", before_save_checkpoint'),
                             ("before_val_iter", 'val, epoch 0, iter 0, step 10, hook "mine", before iteration'),
                             ("destructor", "the destructors of the modules")):
            for how in ("stop", "loop"):
                with self.subTest(point=point, how=how):
                    config = self.config({"how": how, "rank": 1, "point": point},
                                         dist={"backend": "shm", "timeout": TIMEOUT})
                    self.assertNames([mpirun(3, self.words(config), timeout=60)], 1, where)

    def test_in_the_middle_of_a_step(self):
        for backend in ("shm", "gloo", "mpi"):
            for how in ("stop", "loop"):
                with self.subTest(backend=backend, how=how):
                    config = self.config(model={"type": "PrintingModel", "how": how, "rank": 1},
                                         dist={"backend": backend, "timeout": TIMEOUT})
                    self.assertNames([mpirun(2, self.words(config), timeout=60)], 1,
                                     "train, epoch 0, iter [0-9], step [0-9], forward and backward")

    def test_a_rank_0_that_wakes_again_says_nothing_more(self):
        config = self.config({"how": "stop", "rank": 0, "point": "after_run"},
                             dist={"backend": "gloo", "timeout": TIMEOUT, "init_method": f"file://{self.folder}/meet"})
        ranks = [subprocess.Popen(self.words(config), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  env=environment(RANK=rank, WORLD_SIZE=3, LOCAL_RANK=rank, LOCAL_WORLD_SIZE=3))
                 for rank in range(3)]
        errors = [ranks[rank].communicate(timeout=60)[1] for rank in (1, 2)]
        ranks[0].send_signal(signal.SIGCONT)
        errors.append(ranks[0].communicate(timeout=10)[1])
        self.assertEqual([rank.returncode for rank in ranks], [1, 1, 1], errors)
        messages = self.messages("".join(errors))
        self.assertEqual(len(messages), 1, errors)
        self.assertRegex(messages[0], r"\[rank 0, .*: it has not answered")

    def test_a_rank_that_dies_while_plugins_load_is_named(self):
        for how, by_us, by_mpirun in (("kill", "rank 0, .*these did not join in time: 1\\.", "rank 1 .*signal 9"),
                                      ("stop", "rank 0, .*these did not join in time: 1\\.", None)):
            with self.subTest(how=how):
                config = self.config(dist={"timeout": TIMEOUT, "init_method": f"file://{self.folder}/meet"})
                result = mpirun(2, self.words(config), timeout=60, AILAB_TEST_LOAD=f"1:{how}")
                self.assertNotEqual(result.status, 0)
                self.assertLess(result.seconds, 20)
                self.assertRegex(result.err, f"{by_us}|{by_mpirun}" if by_mpirun else by_us)

    def test_a_rank_that_exits_while_plugins_load_says_so(self):
        config = self.config(dist={"timeout": TIMEOUT, "init_method": f"file://{self.folder}/meet"})
        first, second = ranks_by_variables(2, self.words(config), timeout=60, AILAB_TEST_LOAD="1:exit")
        self.assertEqual((first.status, second.status), (1, 2), f"{first}\n{second}")
        self.assertRegex(first.err, "rank 0, .*these did not join in time: 1\\.")
        self.assertRegex(second.err, r"rank 1: .* cannot be loaded: .* called exit\(0\)")


class Exits(HangingCase):
    """exit(0) in the middle of a run would count as success."""

    def test_of_a_hook(self):
        for how in ("exit", "quick_exit", "exit_thread"):
            for ranks in (1, 2):
                with self.subTest(how=how, ranks=ranks):
                    config = self.config({"how": how, "rank": ranks - 1, "point": "after_train_iter", "at": 5})
                    result = mpirun(ranks, self.words(config), timeout=60)
                    call_of = "quick_exit\\(\\)" if how == "quick_exit" else "exit\\(0\\)"
                    self.assertNames([result], ranks - 1, "train, epoch 0, iter 4, step 4",
                                     rf'hook "mine", after_train_iter: {call_of} was called in the middle of the work')

    def test_of_a_model(self):
        result = call(self.words(self.config(model={"type": "PrintingModel", "how": "exit"})))
        self.assertEqual(result.status, 1, str(result))
        self.assertRegex(result.err, r"ailab: \[rank 0, .*forward and backward: exit\(0\) was called")

    def test_of_a_static_object(self):
        for words in (self.words(self.config()), command("--list-modules", plugins=["hanging"])):
            result = call(words, AILAB_TEST_LOAD="0:exit")
            self.assertNotEqual(result.status, 0, str(result))
            self.assertIn("exit(0)", result.err)

    def test_after_the_run_is_the_runs_own_affair(self):
        result = call(self.words(self.config()))
        self.assertDone(result)
        self.assertNotIn("was called", result.err)


class Signals(HangingCase):
    """One that comes when a run is complete changes its status no more."""

    def test_in_the_last_moments_of_a_complete_run(self):
        for ranks in (1, 2):
            for point, at in (("after_run", 0), ("destructor", 0), ("after_val_epoch", 0)):
                with self.subTest(ranks=ranks, point=point):
                    config = self.config({"how": "term", "rank": ranks - 1, "point": point, "at": at})
                    result = mpirun(ranks, self.words(config), timeout=60)
                    self.assertDone(result)
                    self.assertEqual(self.run_folder().lines("summary")[0]["exit"], "done", str(result))

    def test_in_the_last_step(self):
        hooks = {"checkpoint": {"type": "CheckpointHook"},
                 "signal": {"type": "SignalHook", "point": "before_train_iter", "at": 9}}
        result = call(command(self.config(workflow=[["train", 1]], hooks=hooks), plugins=["faults", "mlp"]))
        self.assertDone(result)
        self.assertIn("SIGTERM: nothing of the run is left, so it ends as it is, complete", result.err)
        self.assertTrue((self.run_folder().path / "checkpoints" / "epoch_1").is_dir())

    def test_before_that_it_stops_the_run(self):
        for point, at in (("after_train_iter", 9), ("after_train_iter", 10), ("after_val_epoch", 0)):
            config = self.config({"how": "term", "rank": 0, "point": point, "at": at}, total_epochs=2)
            self.assertEqual(call(self.words(config)).status, 143, (point, at))
        config = self.config({"how": "term", "rank": 0, "point": "after_train_iter", "at": 10})  # val is left
        self.assertEqual(call(self.words(config)).status, 143)


class Prints(HangingCase):
    """What a model prints is not a result."""

    def test_lines_of_infer_stay_json(self):
        self.assertDone(call(self.words(self.config(model={"type": "PrintingModel"}))))
        import struct
        header = json.dumps({"x": {"dtype": "F32", "shape": [2, 1, 28, 28], "data_offsets": [0, 6272]}}).encode()
        (self.folder / "x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(6272))
        words = self.words("CONFIG")
        words[words.index("CONFIG"):] = [str(self.folder / "config.yaml"), "latest", str(self.folder / "x.safetensors")]
        words.insert(1, "infer")
        result = call(words)
        self.assertDone(result)
        self.assertEqual([json.loads(line)["file"][-3:] for line in result.out.splitlines()], ["[0]", "[1]"])
        self.assertIn("printed by the model", result.err)
        self.assertIn("and by its streams", result.err)

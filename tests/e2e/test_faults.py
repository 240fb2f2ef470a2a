"""A failure on one rank ends the whole job within 10 seconds, with one message that says where."""
import re
import subprocess
import time

from harness import TestCase, call, command, environment, mlp_config, mpirun, ranks_by_variables

DATA = {"train": {"type": "FaultyDataset"}, "train_dataloader": {"global_batch_size": 8, "shuffle": False}}


class Faults(TestCase):
    def start(self, how, backend, launcher, **sections):
        settings = dict(model={"type": "FaultyModel"}, data=DATA, loss={"type": "MSELoss"},
                        workflow=[["train", 1]], total_epochs=None, total_iters=100000,
                        dist={"backend": backend}, hooks={"logger": {"type": "LoggerHook", "interval": 1000}})
        settings.update(sections)
        words = command(mlp_config(self.folder, **settings), plugins=["faults"])
        if launcher == "mpirun":
            results = [mpirun(2, words, timeout=60)]
        else:
            results = ranks_by_variables(2, words, timeout=60)
        errors = "".join(r.err for r in results)
        for result in results:
            self.assertNotEqual(result.status, 0, str(result))
            self.assertLess(result.seconds, 20, str(result))
        return errors

    def everywhere(self, how, text, logged=True, **sections):
        """One message, with which rank 0's log ends."""
        for backend, launcher in (("shm", "mpirun"), ("gloo", "mpirun"), ("mpi", "mpirun"),
                                  ("shm", "variables"), ("gloo", "variables")):
            with self.subTest(how=how, backend=backend, launcher=launcher):
                errors = self.start(how, backend, launcher, **sections)
                self.assertEqual(len(self.messages(errors)), 1, errors)
                self.assertRegex(self.messages(errors)[0], text, errors)
                if logged:
                    last = (self.run_folder().path / "train.log").read_text().splitlines()[-1]
                    self.assertRegex(last, rf"^\d{{4}}-.* - ailab - ERROR - {re.escape(self.messages(errors)[0])}$")

    @staticmethod
    def messages(errors):
        return [line for line in errors.splitlines() if "ailab: [rank" in line]

    def test_an_exception_in_a_dataset_names_the_sample(self):
        # Rank 1 takes the second half of each batch of 8: sample 165 comes in step 20.
        self.everywhere("dataset", r"\[rank 1.*train.*step 20.*data\.train, sample 165: cannot read this sample",
                        data={**DATA, "train": {"type": "FaultyDataset", "bad_sample": 165}})

    def test_an_exception_in_a_model(self):
        self.everywhere("model", r"\[rank 1.*train.*step 19.*model \"FaultyModel\": the model has had enough",
                        model={"type": "FaultyModel", "how": "throw"})

    def test_an_exception_that_is_no_std_exception(self):
        self.everywhere("int", r"\[rank 1.*step 19.*an exception of unknown type",
                        model={"type": "FaultyModel", "how": "throw_int"})

    def test_an_exception_in_a_hook(self):
        self.everywhere("hook", r"\[rank 1.*train.*step (19|20).*hook \"bad\", after_train_iter: the hook gives up",
                        hooks={"bad": {"type": "FaultyHook"}, "logger": {"type": "LoggerHook"}})

    def test_a_killed_rank(self):
        self.everywhere("kill", r"\[rank 1.*last heartbeat.*train.*step \d+",
                        model={"type": "FaultyModel", "how": "kill", "seconds": 3})

    def test_rank_0_killed(self):
        self.everywhere("kill 0", r"\[rank 0.*last heartbeat", logged=False,
                        model={"type": "FaultyModel", "how": "kill", "rank": 0, "seconds": 3})

    def test_a_rank_that_does_not_come(self):
        for backend in ("shm", "gloo", "mpi"):
            with self.subTest(backend=backend):
                errors = self.start("stay", backend, "mpirun", dist={"backend": backend, "timeout": 3},
                                    model={"type": "FaultyModel", "how": "stay"})
                self.assertEqual(len(self.messages(errors)), 1, errors)
                self.assertRegex(self.messages(errors)[0], r"\[rank 1.*train.*step 19, forward and backward: it has not "
                                                           r"gone on for .* s \(dist\.timeout is 3 s\), and rank 0 waits")

    def test_a_killed_mpirun_leaves_no_rank_behind(self):
        for backend in ("shm", "gloo", "mpi"):
            with self.subTest(backend=backend):
                (self.folder / backend).mkdir()
                config = mlp_config(self.folder / backend, model={"type": "FaultyModel"}, data=DATA,
                                    loss={"type": "MSELoss"}, workflow=[["train", 1]], total_epochs=None,
                                    total_iters=100000000, dist={"backend": backend},
                                    hooks={"logger": {"type": "LoggerHook", "interval": 1000}})
                launcher = subprocess.Popen(["mpirun", "--oversubscribe", "-np", "2",
                                             *command(config, plugins=["faults"])], start_new_session=True,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
                ranks = lambda: subprocess.run(["pgrep", "-f", f"ailab-run .*{config}"], capture_output=True,
                                               text=True).stdout.split()
                self.until(lambda: len([p for p in ranks() if int(p) != launcher.pid]) >= 2)
                metrics = self.folder / backend / "work" / "latest" / "metrics.jsonl"
                self.until(lambda: metrics.exists() and metrics.stat().st_size > 0)
                launcher.kill()
                launcher.wait()
                self.until(lambda: not ranks())

    def until(self, condition):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_a_model_output_of_the_wrong_shape(self):
        self.everywhere("shape", r"\[rank 1.*train.*step 19.*loss \"MSELoss\".*\[3, 7\]",
                        model={"type": "FaultyModel", "how": "shape"})

    def test_a_hook_that_cannot_be_made(self):
        errors = self.start("make", "shm", "mpirun", hooks={"bad": {"type": "BrokenHook"}})
        self.assertEqual(errors.count("cannot be made"), 1, errors)

    def test_the_log_of_one_process_ends_with_the_error(self):
        config = mlp_config(self.folder, model={"type": "FaultyModel", "how": "throw", "rank": 0}, data=DATA,
                            loss={"type": "MSELoss"}, workflow=[["train", 1]], hooks={"logger": {"type": "LoggerHook"}})
        result = call(command(config, plugins=["faults"]))
        self.assertEqual(result.status, 1)
        last = (self.run_folder().path / "train.log").read_text().splitlines()[-1]
        self.assertRegex(last, r" - ERROR - ailab: \[rank 0, .*train.*step 19: .*the model has had enough$")

    def test_the_summary_tells_the_exit_state(self):
        self.start("model", "shm", "mpirun", model={"type": "FaultyModel", "how": "throw", "rank": 0})
        summary = self.run_folder().lines("summary")
        self.assertEqual(len(summary), 1)
        self.assertIn("the model has had enough", summary[0]["exit"])

"""Every way of starting the ranks, each at np 2."""
import subprocess
import time

from harness import (TestCase, call, collect, command, environment, free_port, mlp_config, mpirun,
                     ranks_by_variables)

SHORT = dict(workflow=[["train", 1]], total_epochs=None, total_iters=5,
             hooks={"logger": {"type": "LoggerHook", "interval": 5}})


class Launchers(TestCase):
    def config(self, **dist):
        return mlp_config(self.folder, dist=dist, **SHORT)

    def check(self, results):
        for result in results:
            self.assertDone(result)
        self.assertEqual(self.run_folder().lines("summary")[0]["exit"], "done")

    def test_mpirun_needs_no_variables(self):
        for backend in ("auto", "shm", "gloo", "mpi"):
            with self.subTest(backend=backend):
                self.check([mpirun(2, command(self.config(backend=backend), plugins=["mlp"]))])

    def test_torchrun_style_variables(self):
        for backend in ("auto", "shm", "gloo"):
            with self.subTest(backend=backend):
                self.check(ranks_by_variables(2, command(self.config(backend=backend), plugins=["mlp"])))

    def test_tcp(self):
        method = f"tcp://127.0.0.1:{free_port()}"
        self.check([mpirun(2, command(self.config(init_method=method), plugins=["mlp"]))])

    def test_file_twice_with_the_same_file(self):
        method = f"file://{self.folder}/meeting"
        for _ in range(2):
            self.check([mpirun(2, command(self.config(init_method=method), plugins=["mlp"]))])

    def test_slurm_variables(self):
        words = command(self.config(), plugins=["mlp"])
        begin = time.monotonic()
        job = str(free_port())
        processes = [
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             start_new_session=True,
                             env=environment(SLURM_PROCID=r, SLURM_NTASKS=2, SLURM_LOCALID=r,
                                             SLURM_JOB_ID=job, SLURM_NODELIST="localhost"))
            for r in range(2)]
        self.check(collect(processes, begin, 60))

    def test_alone_with_one_rank_of_variables(self):
        self.check(ranks_by_variables(1, command(self.config(), plugins=["mlp"])))

    def test_world_size_is_checked_against_the_launcher(self):
        result = mpirun(2, command(self.config(world_size=4), plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertEqual(result.err.count("dist.world_size is 4 and the launcher (mpirun) started 2 ranks"),
                         1, result.err)

    def test_mpi_without_mpirun_is_a_configuration_error(self):
        results = ranks_by_variables(2, command(self.config(backend="mpi"), plugins=["mlp"]))
        self.assertEqual([r.status for r in results], [2, 2], str(results[0]))
        errors = "".join(r.err for r in results)
        self.assertEqual(errors.count("mpirun -np"), 1, errors)
        self.assertFalse(self.work.exists())

    def test_nccl_without_a_gpu_says_which_line_to_change(self):
        result = call(command(self.config(backend="nccl"), plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertRegex(result.err, r"config\.yaml:\d+:\d+: .*nccl.*GPU.*dist\.backend")

    def test_a_batch_that_does_not_divide(self):
        config = mlp_config(self.folder, **SHORT)
        result = mpirun(3, command(config, plugins=["mlp"]))
        self.assertEqual(result.status, 2, str(result))
        self.assertEqual(result.err.count("global_batch_size 32 does not divide by the 3 ranks"), 1)

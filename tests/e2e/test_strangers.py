"""On one host the ranks listen to nobody else: no port is open to other hosts, and a local stranger who connects
to everything, at the start and in training, changes nothing."""
import random
import socket
import unittest

from harness import TestCase, call, command, mlp_config, mpirun, ranks_by_variables
from strangers import Listeners, Stranger

LOOPBACK = {"127.0.0.1"}
SHORT = dict(workflow=[["train", 1]], total_epochs=None, total_iters=300, runtime={"threads": 1},
             hooks={"logger": {"type": "LoggerHook", "interval": 1}})


def quiet_port():
    """One that the kernel gives to no connection of its own: somebody knocks there before rank 0 listens."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Strangers(TestCase):
    def run_ranks(self, backend, launcher, port=None):
        """The losses of a run of two ranks, and what it said."""
        config = mlp_config(self.folder, dist={"backend": backend, "timeout": 40}, **SHORT)
        words = command(config, plugins=["mlp"])
        results = [mpirun(2, words, timeout=60)] if launcher == "mpirun" else \
            ranks_by_variables(2, words, timeout=60, port=port)
        for result in results:
            self.assertDone(result)
        return self.run_folder().losses(), "".join(r.err for r in results)

    def config(self):
        return self.folder / "config.yaml"

    def test_nothing_listens_for_other_hosts(self):
        for backend, launcher in (("shm", "mpirun"), ("gloo", "mpirun"), ("mpi", "mpirun"),
                                  ("shm", "variables"), ("gloo", "variables")):
            with self.subTest(backend=backend, launcher=launcher):
                with Listeners(self.config()) as listeners:
                    self.run_ranks(backend, launcher)
                self.assertTrue(listeners.seen)
                self.assertEqual(listeners.hosts(), LOOPBACK, listeners.seen)

    def test_a_stranger_changes_nothing(self):
        for backend, launcher in (("shm", "variables"), ("gloo", "variables"), ("gloo", "mpirun"), ("mpi", "mpirun")):
            with self.subTest(backend=backend, launcher=launcher):
                undisturbed, _ = self.run_ranks(backend, launcher)
                port = quiet_port() if launcher == "variables" else None
                with Stranger(self.config(), port) as stranger:
                    losses, errors = self.run_ranks(backend, launcher, port)
                self.assertGreater(stranger.connections, 0)
                self.assertEqual(losses, undisturbed)
                self.assertNotIn("ERROR", errors)

    def test_require_secret_is_met_on_one_host(self):
        config = mlp_config(self.folder, dist={"require_secret": True}, **SHORT)
        for result in ranks_by_variables(2, command(config, plugins=["mlp"])):
            self.assertDone(result)
            self.assertNotIn("AILAB_SECRET", result.err)

    def test_without_a_secret_over_hosts_it_is_refused_where_one_is_required(self):
        """By variables that say that each rank is alone on its host."""
        words = command(mlp_config(self.folder, dist={"require_secret": True}, **SHORT), plugins=["mlp"])
        alone = {"LOCAL_WORLD_SIZE": 1, "LOCAL_RANK": 0}
        for result in ranks_by_variables(2, words, **alone):
            self.assertEqual(result.status, 2, str(result))
            self.assertIn("dist.require_secret: the ranks meet over the network", result.err)
            self.assertIn("AILAB_SECRET", result.err)
        words = command(mlp_config(self.folder, **SHORT), plugins=["mlp"])
        results = ranks_by_variables(2, words, **alone)
        for result in results:
            self.assertDone(result)
        errors = "".join(r.err for r in results)
        self.assertEqual(errors.count("WARNING"), 1, errors)
        self.assertIn("Set AILAB_SECRET", errors)
        for result in ranks_by_variables(2, words, AILAB_SECRET="4f2d9c81a5e07b36", **alone):
            self.assertDone(result)
            self.assertNotIn("WARNING", result.err)


    def test_ranks_with_other_secrets_say_what_may_be_wrong(self):
        words = command(mlp_config(self.folder, dist={"timeout": 6}, **SHORT), plugins=["mlp"])
        for result in ranks_by_variables(2, words, own=lambda rank: {"AILAB_SECRET": f"another text of rank {rank}"}):
            self.assertEqual(result.status, 1, str(result))
            error = [line for line in result.err.splitlines() if line.startswith("ailab: ")][-1]
            self.assertRegex(error, "is AILAB_SECRET the same for all ranks|AILAB_SECRET is not the same for all ranks|"
                                    "does not know the secret of this job")


class SlurmBatch(TestCase):
    """A batch script without srun."""

    def test_who_is_missing_is_said_within_seconds(self):
        words = command(mlp_config(self.folder, dist={"timeout": 7}, **SHORT), plugins=["mlp"])
        result = call(words, SLURM_JOB_ID=77, SLURM_PROCID=0, SLURM_NTASKS=4, SLURM_LOCALID=0,
                      SLURM_NODELIST="localhost", SLURM_NNODES=1)
        self.assertEqual(result.status, 1, str(result))
        self.assertIn("waiting for ranks 1, 2, 3 of 4. Slurm's variables tell of 4 tasks, which srun starts",
                      result.err)
        self.assertIn("--launcher single", result.err)


if __name__ == "__main__":
    unittest.main()

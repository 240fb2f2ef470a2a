"""One mpirun over two hosts: network namespaces of this machine, joined by a veth pair, each with a
host name and a shared-memory folder of its own. Needs root."""
import os
import shutil
import subprocess
import unittest

from harness import TestCase, call, command, mlp_config
from strangers import Listeners

NAMES = [f"ailab{os.getpid()}{side}" for side in "ab"]
ADDRESSES = ["10.199.77.1", "10.199.77.2"]
SHORT = dict(workflow=[["train", 1]], total_epochs=None, total_iters=5,
             hooks={"logger": {"type": "LoggerHook", "interval": 5}})
# On a host of its own: its network, its name, its /dev/shm.
INSIDE = 'ip netns exec {host} unshare --uts --mount sh -c \'hostname {host} && mount -t tmpfs tmpfs /dev/shm && exec "$@"\' sh'


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("ip"), "network namespaces need root and ip")
class Hosts(TestCase):
    def setUp(self):
        super().setUp()
        for name in NAMES:
            self.addCleanup(subprocess.run, ["ip", "netns", "delete", name], stderr=subprocess.DEVNULL)
            ip("netns", "add", name)
        ip("link", "add", NAMES[0][-15:], "netns", NAMES[0], "type", "veth",
           "peer", "name", NAMES[1][-15:], "netns", NAMES[1])
        for name, address in zip(NAMES, ADDRESSES):
            ip("-n", name, "address", "add", f"{address}/24", "dev", name[-15:])
            for device in (name[-15:], "lo"):
                ip("-n", name, "link", "set", device, "up")
        # What mpirun calls in place of ssh: agent HOST COMMAND…
        self.agent = self.folder / "agent"
        self.agent.write_text("#!/bin/sh\nshift\n" +
                              f"exec {INSIDE.format(host=NAMES[1])} sh -c \"$*\"\n")
        self.agent.chmod(0o755)

    def mpirun(self, words, *extra):
        return call(["sh", "-c", f'exec {INSIDE.format(host=NAMES[0])} "$@"', "sh",
                     "mpirun", "--mca", "plm_rsh_agent", str(self.agent), "-np", "2", "--host",
                     ",".join(ADDRESSES), *extra, *words], timeout=60)

    def test_no_variables_say_where_rank_0_is(self):
        for backend in ("auto", "gloo"):
            with self.subTest(backend=backend):
                result = self.mpirun(command(mlp_config(self.folder, dist={"backend": backend}, **SHORT),
                                             plugins=["mlp"]))
                self.assertDone(result)
                self.assertIn("ranks: 2 (mpirun), backend: " + ("mpi" if backend == "auto" else "gloo"),
                              result.err)
                self.assertEqual(self.run_folder().lines("summary")[0]["exit"], "done")

    def test_the_ranks_listen_on_the_network_that_joins_them(self):
        """MPI aside, which is not needed where a variable says where rank 0 is. mpirun's ranks share its secret."""
        config = mlp_config(self.folder, dist={"backend": "gloo", "require_secret": True},
                            **{**SHORT, "total_iters": 500})
        with Listeners(config) as listeners:
            result = self.mpirun(command(config, plugins=["mlp"]), "-x", f"MASTER_ADDR={ADDRESSES[0]}",
                                 "-x", "MASTER_PORT=29519")
        self.assertDone(result)
        self.assertNotIn("WARNING", result.err)
        self.assertTrue(listeners.seen)
        self.assertLessEqual(listeners.hosts(), {*ADDRESSES, "127.0.0.1"}, listeners.seen)

    def test_a_failure_on_the_other_host_ends_the_job(self):
        config = mlp_config(self.folder, model={"type": "FaultyModel", "how": "throw"},
                            data={"train": {"type": "FaultyDataset"}, "train_dataloader": {"batch_size": 4}},
                            loss={"type": "MSELoss"}, workflow=[["train", 1]], total_epochs=None,
                            total_iters=100000)
        result = self.mpirun(command(config, plugins=["faults"]))
        self.assertEqual(result.status, 1, str(result))
        self.assertLess(result.seconds, 15, str(result))
        self.assertRegex(result.err, rf"\[rank 1.*{NAMES[1]}.*step 19.*the model has had enough")

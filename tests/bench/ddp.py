#!/usr/bin/env python3
"""Samples/s of the MLP, batch 32 a rank: two ranks of one thread over one rank alone in the same run.
Alternating processes; of all their blocks of 500 iterations the quietest counts, for each alike."""
import sys

from bench import Folder, alternate, build, measured, mlp, say

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
TIMER = {"timer": {"type": "BenchTimer"}}

build()
with Folder() as folder:
    def rate(name, ranks, **sections):
        words = mlp(folder, name, TIMER, workflow=[["train", 1]], total_epochs=None, total_iters=3000,
                    **sections)
        if ranks > 1:
            words = ["mpirun", "-np", ranks, *words]
        return lambda: measured(words)["in_quietest_block"]

    rates = alternate({"alone": rate("alone", 1),
                       **{b: rate(b, 2, dist={"backend": b}) for b in ("shm", "gloo", "mpi")}}, BLOCKS)
say("ddp", "1 rank", max(rates["alone"]), "samples/s")
for backend in ("shm", "gloo", "mpi"):
    say("ddp", f"2 ranks, {backend}", max(rates[backend]), "samples/s",
        max(rates[backend]) / max(rates["alone"]), "1 rank")

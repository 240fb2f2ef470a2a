#!/usr/bin/env python3
"""Samples/s of the MLP, batch 32 a rank: two ranks of one thread over one rank alone in the same run.
Alternating processes; of all their blocks of 500 iterations the quietest counts, for each alike."""
import sys

from bench import Folder, alternate, build, mlp, say

BACKENDS = ("shm", "gloo", "mpi")


def runs(folder, short=False):
    def rate(name, ranks, **sections):
        return mlp(folder, name, {"timer": {"type": "BenchTimer"}}, number="in_quietest_block", ranks=ranks,
                   workflow=[["train", 1]], total_epochs=None, total_iters=1700 if short else 3000, **sections)

    return {"1 rank": rate("alone", 1),
            **{f"2 ranks, {b}": rate(b, 2, dist={"backend": b}) for b in BACKENDS}}


def main(blocks=10):
    build()
    with Folder() as folder:
        best = {case: max(rates) for case, rates in alternate(runs(folder), blocks).items()}
    for case, rate in best.items():
        ratio = () if case == "1 rank" else (rate / best["1 rank"], "1 rank")
        say("ddp", case, rate, "samples/s", *ratio)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

#!/usr/bin/env python3
"""Samples/s of two ranks of the MLP, batch 32 a rank, whose loss is divided by weights of its own, over the same run
without: class weights, over shm and over gloo (as between hosts), and three terms that each have some while four
iterations accumulate. Alternating processes; of all their blocks of 500 iterations the quietest counts, for each
alike."""
import sys

from bench import Folder, alternate, build, mlp, say

WEIGHTS = [1, 2, 1, 1, 3, 1, 1, 2, 1, 1]
THREE = {"type": "WeightedLoss", "losses": {
    "weighted": {"type": "CrossEntropyLoss", "weight": WEIGHTS},
    "some": {"type": "CrossEntropyLoss", "ignore_index": 3},
    "others": {"type": "CrossEntropyLoss", "ignore_index": 7, "weight": WEIGHTS[::-1]}}}
PLAIN = {"type": "WeightedLoss", "losses": {name: {"type": "CrossEntropyLoss"} for name in THREE["losses"]}}


def runs(folder, short=False):
    def rate(name, loss, accumulate=1, backend="shm"):
        return mlp(folder, name, {"timer": {"type": "BenchTimer"}}, number="in_quietest_block", ranks=2,
                   workflow=[["train", 1]], total_epochs=None, accumulative_counts=accumulate,
                   total_iters=(1700 if short else 3000) * accumulate, loss=loss, dist={"backend": backend})

    classes = {"type": "CrossEntropyLoss", "weight": WEIGHTS}
    return {"plain": rate("plain", {"type": "CrossEntropyLoss"}),
            "class weights": rate("class_weights", classes),
            "gloo, plain": rate("gloo_plain", {"type": "CrossEntropyLoss"}, backend="gloo"),
            "gloo, class weights": rate("gloo_class_weights", classes, backend="gloo"),
            "three terms, plain": rate("three_plain", PLAIN, accumulate=4),
            "three terms": rate("three_terms", THREE, accumulate=4)}


def main(blocks=10):
    build()
    with Folder() as folder:
        best = {case: max(rates) for case, rates in alternate(runs(folder), blocks).items()}
    for case, plain in (("class weights", "plain"), ("gloo, class weights", "gloo, plain"),
                        ("three terms", "three terms, plain")):
        say("weighted", case, best[case], "samples/s", best[case] / best[plain], plain)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

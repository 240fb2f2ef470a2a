"""Every file of a run with a bit changed, or cut: what is damaged is never taken for good, and nothing crashes or
hangs."""
import json
import pathlib
import random
import select
import shutil
import subprocess
import unittest

from campaign import BUILD, PLUGINS, SEED, Campaign, Job, RunFolder, checkpoints, environment, share, small_run

FLIPS, CUTS = share(2000, 30), share(200, 8)  # a file
STARTS = share(1000, 25)
ENOUGH = 3  # failures of a file


def damaged(data, draw):
    """(what was done, the bytes) for each variant of a file; of a short one every bit."""
    bits = draw.sample(range(8 * len(data)), min(FLIPS, 8 * len(data)))
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit % 8} of byte {bit // 8}", bytes(changed)
    for length in draw.sample(range(len(data)), min(CUTS, len(data))):
        yield f"cut to {length} of {len(data)} bytes", data[:length]


class Server:
    """A process that answers a line with a line. One that crashes or hangs is started anew."""

    def __init__(self, *words):
        self.words, self.process = words, None

    def ask(self, *question, patience=40):
        if self.process is None:
            self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL, text=True, errors="replace",
                                            env=environment(OMP_NUM_THREADS=1))
        self.process.stdin.write("\t".join(map(str, question)) + "\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else ""
        if line.endswith("\n"):
            return line[:-1]
        self.process.kill()
        status = self.process.wait()
        self.close()
        return f"crash\tstatus {status}" if ready else "hang\t"

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        self.process = None


class Corruption(Campaign):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "home"
        self.config = small_run(self.home)
        self.work = self.home / "work"
        self.finish(self.home, self.config)
        self.other = RunFolder(self.work).path
        broken_off = Job(self.home, self.config, "hooks.fault.point=middle", "hooks.fault.step=70")
        self.assertEqual(broken_off.wait(60), 1, broken_off.tell())
        self.run_dir = RunFolder(self.work).path
        there = checkpoints(self.work)
        self.newest = there[max(there)]

    def files(self):
        """Of the newer run, and what lies beside it."""
        older = [path for path in (self.run_dir / "checkpoints").iterdir() if path != self.newest]
        found = [self.work / "last_checkpoint", *(self.work / "tf_logs" / self.run_dir.name).iterdir()]
        found += [path for path in self.run_dir.rglob("*") if path.is_file()
                  and not any(path.is_relative_to(other) for other in older)]
        return sorted(found)

    def each_variant(self, name, look):
        """look(path) for every variant of every file, which gives what is wrong, or nothing."""
        print(f"\n{name}: {FLIPS} flips, {CUTS} cuts a file, AILAB_SEED={SEED}", flush=True)
        wrong = []
        for path in self.files():
            data, found = path.read_bytes(), 0
            where = str(path.relative_to(self.work))
            for done, variant in damaged(data, random.Random(f"{SEED}/{path.name}")):
                path.write_bytes(variant)
                if problem := look(path):
                    wrong.append(f"{where}: {done}: {problem}")
                    found += 1
                    if found == ENOUGH:
                        break
            path.write_bytes(data)
        self.assertEqual(wrong, [], f"AILAB_SEED={SEED}\n" + "\n".join(wrong))

    def test_what_reads_a_run(self):
        server = Server(BUILD / "bin" / "reading_server")
        self.addCleanup(server.close)
        newest = str(self.newest)
        whole = {verb: server.ask(verb, path) for verb, path in
                 (("auto", self.work), ("inspect", newest), ("test", newest), ("load_from", newest),
                  ("runs", self.work))}
        self.assertEqual(whole["auto"], f"ok\t{newest}")
        for verb, text in whole.items():
            self.assertTrue(text.startswith("ok\t"), f"{verb}: {text}")
        self.assertIn('"valid": "yes', whole["inspect"])

        def look(path):
            answers = {"auto": server.ask("auto", self.work), "inspect": server.ask("inspect", newest)}
            if path.parent == self.newest:
                answers.update({verb: server.ask(verb, newest) for verb in ("test", "load_from")})
                good = answers["auto"].startswith(f"ok\t{self.run_dir}") and answers["auto"] != whole["auto"] and \
                    (answers["inspect"].startswith("refused") or '"valid": "no' in answers["inspect"]) and \
                    answers["test"].startswith("refused") and answers["load_from"].startswith("refused")
            else:
                answers["runs"] = server.ask("runs", self.work)
                good = answers["auto"] == whole["auto"] and answers["inspect"] == whole["inspect"] and \
                    answers["runs"].startswith("ok\t") and self.other.name in answers["runs"]
            return None if good else str({verb: text[:400] for verb, text in answers.items()})

        self.each_variant("what reads a run", look)

    def test_a_run_that_goes_on(self):
        """All of its files damaged at once, but those of the checkpoint; in every tenth start that one too. Logs have
        no checksums: what is lost there is theirs alone."""
        straight = RunFolder(self.work)
        straight.path = self.other
        server = Server(BUILD / "bin" / "starting_server", PLUGINS / "libfault_points.so")
        self.addCleanup(server.close)
        whole = {path: path.read_bytes() for path in self.files()}
        out = self.folder / "out"
        original = self.folder / "original"
        self.work.rename(original)

        def case(draw, _, __):
            # In the place where it was, since its checkpoints know it.
            shutil.rmtree(self.work, ignore_errors=True)
            shutil.copytree(original, self.work, symlinks=True)
            with_checkpoint = draw.random() < 0.1
            story = []
            for path, data in whole.items():
                if data and (path.parent != self.newest or with_checkpoint):
                    bit, length = draw.randrange(8 * len(data)), draw.randrange(len(data))
                    changed = bytearray(data)
                    changed[bit // 8] ^= 1 << bit % 8
                    cut = draw.random() < 0.2
                    path.write_bytes(data[:length] if cut else changed)
                    story.append(f"{path.relative_to(self.work)}: " +
                                 (f"cut to {length}" if cut else f"bit {bit % 8} of byte {bit // 8}"))
            status = server.ask(out, self.config, "resume_from=auto")
            said = out.read_text(errors="replace")
            context = f"status {status}\n" + "\n".join(story) + f"\n{said[-5000:]}"
            self.assertEqual(status, "0", context)
            self.assertEqual(f"resumed from {self.newest} " in said, not with_checkpoint, context)
            end = RunFolder(self.work)
            self.assertSameEnd(end, straight, context, sinks=False)

        self.try_cases("starts", STARTS, case)


if __name__ == "__main__":
    unittest.main()

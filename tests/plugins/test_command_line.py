"""The command line: what it prints, what it refuses, with which status."""
import json
import unittest

from running import BUILD, InFolder, fixture, run

HELP = " See ailab-run --help."
KINDS = ("dataset, transform, sampler, model, loss, optimizer, lr_scheduler, metric, hook, task, "
         "exporter, backend, device, image_decoder")


class Refused(InFolder):
    def test_table(self):
        config = self.write("train.yaml", "")
        table = [
            (["--plugin", "a.so"], "unknown option --plugin. Did you mean --plugins?" + HELP),
            (["--workdir=x", config], "unknown option --workdir. Did you mean --work-dir?" + HELP),
            (["-q"], "unknown option -q." + HELP),
            (["--plugins"], "option --plugins needs a value." + HELP),
            (["--json=yes"], "option --json takes no value." + HELP),
            (["--work-dir", "a", "--work-dir", "b", config],
             "option --work-dir is given more than once." + HELP),
            ([], "no configuration file is given: ailab-run [train|browse] CONFIG [key=value ...]." + HELP),
            (["train"],
             "no configuration file is given: ailab-run [train|browse] CONFIG [key=value ...]." + HELP),
            (["optimizer.lr=0.1"],
             "no configuration file is given: ailab-run [train|browse] CONFIG [key=value ...]." + HELP),
            (["trian", config],
             'unknown command or missing file "trian". Did you mean train? Commands: train, test, infer, export, browse, runs, compare, inspect, average, sign.' + HELP),
            ([config, "lr"],
             '"lr" is no override: write key=value, for example optimizer.lr=0.01.' + HELP),
            ([config, "=3"],
             '"=3" is no override: write key=value, for example optimizer.lr=0.01.' + HELP),
            ([config, "--json"], "--json goes with --list-modules, runs and inspect." + HELP),
            (["--json-schema", config],
             f'--json-schema takes no configuration: "{config}" is too much.' + HELP),
            (["--describe", "a.so", config],
             f'--describe takes no configuration: "{config}" is too much.' + HELP),
            (["--list-modules", "modle"],
             f'there is no kind "modle" of modules. Did you mean model? Kinds: {KINDS}.'),
            (["--list-modules", "model", "loss"],
             '--list-modules takes one kind and no more: "loss" is too much.' + HELP),
            ([config, "--launcher", "slrum"],
             "--launcher slrum is unknown. Did you mean slurm? It takes: single, mpirun, slurm, env."),
            ([config, "--progress=bra"],
             "--progress bra is unknown. Did you mean bar? It takes: auto, bar, plain, off."),
            ([config, "--progress="],
             "option --progress needs a value." + HELP),
            (["--plugins", "", config], "option --plugins needs a value." + HELP),
            (["--work-dir", "", config], "option --work-dir needs a value." + HELP),
            (["-o", "", "export", config], "option --output needs a value." + HELP),
            (["test", config, "latest", "--tta", ""], "option --tta needs a value." + HELP),
            (["--plugins", "a.so,", config],
             "option --plugins a.so, has a comma with nothing before or behind it." + HELP),
            (["--plugins", "a.so,,b.so", config],
             "option --plugins a.so,,b.so has a comma with nothing before or behind it." + HELP),
        ]
        for arguments, text in table:
            with self.subTest(arguments=arguments):
                self.assert_refused(run(*arguments, cwd=self.folder), "ailab-run: " + text)

    def test_an_override_may_be_longer_than_a_file_s_name(self):
        config = self.write("train.yaml", "")
        result = run(config, "data.train.classes=[" + ", ".join(f"class{i}" for i in range(200)) + "]")
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is nothing in this file", result.stderr)

    def test_only_the_first_rank_says_so(self):
        for variable in ("OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "RANK"):
            second = run("--nonsense", env={variable: "1"})
            self.assertEqual((second.stderr, second.returncode), ("", 2))
            first = run("--nonsense", env={variable: "0"})
            self.assertEqual(first.stderr, "ailab-run: unknown option --nonsense." + HELP + "\n")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            import subprocess
            from running import AILAB_RUN
            result = subprocess.run([AILAB_RUN, "--help"], stdout=full, stderr=subprocess.PIPE,
                                    text=True, timeout=60)
        self.assertEqual(result.stderr,
                         "ailab-run: cannot write to standard output: No space left on device\n")
        self.assertEqual(result.returncode, 1)


class Printed(InFolder):
    def run_well(self, *arguments):
        result = run(*arguments)
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.returncode, 0)
        return result.stdout

    def test_help(self):
        text = self.run_well("--help")
        self.assertEqual(text, self.run_well("-h"))
        self.assertIn("mpirun -np 4 ailab-run --plugins libmy.so train.yaml", text)
        for word in ("--plugins", "--work-dir", "--list-modules", "--describe", "--json-schema", "--version",
                     "--launcher", "single, mpirun, slurm, env", "--progress", "--json",
                     "Exit status: 0 done, 1 the run failed, 2 ", "130 SIGINT"):
            self.assertIn(word, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 110)

    def test_version(self):
        self.assertRegex(self.run_well("--version"),
                         r"^ailab [0-9.]+ \(LibTorch 2[0-9.]+, SDK [0-9a-f]{12}, "
                         r"(release|debug), compiler .+\)\n$")

    def test_table_of_modules(self):
        lines = self.run_well("--list-modules", "sampler", "--plugins",
                              fixture("good")).splitlines()
        self.assertEqual(lines[0].split(), ["kind", "name", "plugin", "what", "it", "is"])
        rows = [line.split(maxsplit=3) for line in lines[1:]]
        self.assertIn(["sampler", "InOrder", "good", "One after the other"], rows)
        self.assertIn(["sampler", "OutOfOrder", "good", "In no order"], rows)
        self.assertEqual([row[1] for row in rows], sorted(row[1] for row in rows))

    def test_modules_as_json(self):
        text = self.run_well("--list-modules", "--json", "--plugins", fixture("good"))
        modules = json.loads(text)
        self.assertIn({"kind": "sampler", "name": "InOrder", "doc": "One after the other",
                       "plugin": "good", "origin": "libfixture_good.so (good.cpp:47)"}, modules)
        only = json.loads(self.run_well("--list-modules", "sampler", "--json", "--plugins",
                                        fixture("good")))
        self.assertEqual(only, [module for module in modules if module["kind"] == "sampler"])

    def test_describe(self):
        described = json.loads(self.run_well("--describe", fixture("good")))
        self.assertEqual(described["plugin"], "good")
        self.assertEqual(described["version"], "1.2")
        self.assertEqual(described["doc"], "Fixtures that work")
        self.assertEqual(described["file"], "libfixture_good.so")
        self.assertEqual([module["name"] for module in described["modules"]],
                         ["InOrder", "OutOfOrder"])
        module = described["modules"][0]
        self.assertEqual((module["kind"], module["doc"], module["source"], module["line"]),
                         ("sampler", "One after the other", "good.cpp", 47))
        options = {option["name"]: option for option in module["options"]}
        self.assertEqual(list(options),
                         ["file", "stride", "part", "mode", "loud", "skip", "limit", "inner"])
        self.assertEqual(options["file"], {"name": "file", "type": "string",
                                           "doc": "where the order lies", "required": True,
                                           "schema": {"type": ["string", "number", "boolean"]}})
        self.assertEqual(options["stride"],
                         {"name": "stride", "type": "integer", "doc": "step between samples",
                          "bounds": "at least 1", "required": False, "default": 1,
                          "schema": {"type": ["integer", "string"], "pattern": r"\$\{", "minimum": 1}})
        self.assertEqual(options["mode"]["bounds"], "one of up, down")
        self.assertEqual(options["skip"]["default"], [3, 4])
        self.assertEqual(options["loud"]["default"], False)
        self.assertIsNone(options["limit"]["default"])
        self.assertEqual(options["inner"]["type"], "module (sampler)")
        self.assertEqual(described["modules"][1]["options"], [])

    def test_describe_marks_the_keys_that_a_kind_has_in_common(self):
        for kind, names in (("hook", ["enable", "enabled", "priority"]),
                            ("metric", ["mapping", "phases"]), ("loss", ["mapping", "phases"]),
                            ("dataset", ["transforms"]), ("optimizer", [])):
            with self.subTest(kind):
                plugin = {"hook": "hooks", "metric": "metrics", "loss": "losses", "dataset": "data",
                          "optimizer": "optim"}[kind]
                described = json.loads(self.run_well(
                    "--describe", f"{BUILD}/lib/ailab/plugins/libailab_{plugin}.so"))
                module = next(m for m in described["modules"] if m["kind"] == kind)
                common = module["common_options"]
                self.assertEqual([option["name"] for option in common], names)
                self.assertTrue(all(option["doc"] for option in common))
                own = [option["name"] for option in module["options"]]
                self.assertFalse(set(own) & set(names))


if __name__ == "__main__":
    unittest.main()

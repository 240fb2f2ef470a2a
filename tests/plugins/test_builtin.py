"""The built-in plugins and their indexes."""
import collections
import glob
import json
import os
import unittest

from running import BUILD, run

FOLDER = os.path.join(BUILD, "lib/ailab/plugins")


def indexes():
    found = {}
    for path in sorted(glob.glob(FOLDER + "/*.json")):
        with open(path) as file:
            found[os.path.basename(path)[:-len(".json")]] = json.load(file)
    return found


class BuiltIn(unittest.TestCase):
    def test_each_plugin_has_an_index_of_its_name(self):
        plugins = set()
        for path in glob.glob(FOLDER + "/lib*.so"):
            with open(path, "rb") as file:  # a library that a plugin brings along is none itself
                if b"ailab_plugin_descriptor" in file.read():
                    plugins.add(os.path.basename(path)[len("lib"):-len(".so")])
        self.assertEqual(set(indexes()), plugins)
        self.assertTrue(plugins)

    def test_each_index_is_what_describe_says(self):
        for name, index in indexes().items():
            with self.subTest(plugin=name):
                described = run("--describe", f"{FOLDER}/lib{name}.so")
                self.assertEqual(described.stderr, "")
                self.assertEqual(json.loads(described.stdout), index)
                self.assertEqual(index["file"], f"lib{name}.so")

    def test_a_plugin_is_named_as_its_file(self):
        for name, index in indexes().items():
            self.assertEqual(index["plugin"], name)

    def test_no_name_is_in_two_of_them(self):
        owners = collections.defaultdict(list)
        for name, index in indexes().items():
            for module in index["modules"]:
                owners[module["kind"], module["name"]].append(name)
        self.assertEqual([key for key, plugins in owners.items() if len(plugins) > 1], [])

    def test_each_role_has_one_module(self):
        roles = [(module["role"], module["kind"], module["name"])
                 for index in indexes().values() for module in index["modules"] if "role" in module]
        self.assertEqual(sorted(roles), [
            ("classification", "task", "Classification"), ("labels", "task", "MultiLabel"),
            ("logger", "hook", "LoggerHook"), ("metrics", "hook", "MetricHook"),
            ("predictions", "hook", "PredictionsHook"), ("progress", "hook", "ProgressHook"),
            ("regression", "task", "Regression"), ("report", "hook", "ReportHook"),
            ("sequential", "sampler", "SequentialSampler"), ("shuffled", "sampler", "DefaultSampler")])

    def test_every_module_and_option_says_what_it_is(self):
        for index in indexes().values():
            self.assertTrue(index["doc"])
            for module in index["modules"]:
                with self.subTest(module=module["name"]):
                    self.assertTrue(module["doc"])
                    for option in module["options"]:
                        self.assertTrue(option["doc"], option)

    def test_listing_shows_all_of_them(self):
        listed = json.loads(run("--list-modules", "--json").stdout)
        expected = sum(len(index["modules"]) for index in indexes().values())
        self.assertEqual(len(listed), expected)


if __name__ == "__main__":
    unittest.main()

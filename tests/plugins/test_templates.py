"""The plugin templates as their READMEs say: built by their own CMake projects with
find_package(ailab), described, and trained, against the build tree and an installed ailab. The projects
share one precompiled header, in a cache folder of the tests' own."""
import glob
import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

from running import BUILD, SOURCE, InFolder, run

AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def write_idx(path, shape, values):
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    with gzip.open(path, "wb") as file:
        file.write(head + bytes(values))


def write_images(folder, name, count):
    """Pictures that show their class: a bright band at the class's height."""
    labels = [i % 10 for i in range(count)]
    pixels = bytearray()
    for label in labels:
        rows = [[255 if row // 3 == label else 0] * 28 for row in range(28)]
        pixels += bytes(sum(rows, []))
    write_idx(f"{folder}/{name}-images-idx3-ubyte.gz", [count, 28, 28], pixels)
    write_idx(f"{folder}/{name}-labels-idx1-ubyte.gz", [count], labels)


def write_png(path, rows):
    """A grey picture."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(row) for row in rows)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


class Templates:
    """Both trees: `templates` are the sources, `package` what -Dailab_DIR names, `program`."""

    @classmethod
    def setUpClass(cls):
        cls.cache = tempfile.mkdtemp(prefix="ailab-test-")
        cls.addClassCleanup(shutil.rmtree, cls.cache)

    def check(self, *command, **options):
        result = subprocess.run(command, capture_output=True, text=True, timeout=600,
                                env=dict(os.environ, XDG_CACHE_HOME=self.cache, **AS_ROOT), **options)
        self.assertEqual(result.returncode, 0, f"{command}\n{result.stdout}\n{result.stderr}")
        return result.stdout + result.stderr

    def build(self, name):
        source = os.path.join(self.folder, name)
        shutil.copytree(os.path.join(self.templates, name), source)
        self.check("cmake", "-G", "Ninja", "-S", source, "-B", source + "/build",
                   f"-Dailab_DIR={self.package}", f"-DCMAKE_CXX_COMPILER={os.environ['CXX']}")
        steps = self.check("cmake", "--build", source + "/build")
        self.assertNotIn("ailab: ", steps)
        return f"{source}/build/lib{name}.so"

    def precompiled_headers(self):
        return glob.glob(self.cache + "/ailab/pch/*/pch")

    def described(self, plugin):
        modules = json.loads(run("--describe", plugin, program=self.program).stdout)["modules"]
        return [(module["kind"], module["name"]) for module in modules]

    def validation(self, work_dir):
        path, = glob.glob(f"{work_dir}/latest/**/metrics.jsonl", recursive=True)
        with open(path) as file:
            lines = [json.loads(line) for line in file]
        return [line for line in lines if line["mode"] == "val"]

    def band_config(self, model, epochs, images, hooks):
        """A training on pictures that show their class."""
        write_images(self.folder, "train", images)
        write_images(self.folder, "t10k", 100)
        return self.write("train.yaml", f"""
seed: 1
work_dir: {self.folder}/runs
model: {{type: {model}, num_classes: 10}}
data:
  train: {{type: IDX, root: {self.folder}, train: true}}
  val: {{type: IDX, root: {self.folder}, train: false}}
  train_dataloader: {{global_batch_size: 20}}
loss: {{type: CrossEntropyLoss}}
optimizer: {{type: Adam, lr: 0.001}}
total_epochs: {epochs}
hooks:{hooks}
""")

    def test_minimal(self):
        plugin = self.build("minimal")
        self.assertEqual(self.described(plugin), [("model", "SmallCNN")])
        config = self.band_config("SmallCNN", epochs=2, images=600, hooks="""
  metrics: {type: MetricHook}
  logger: {type: LoggerHook, interval: 10}""")
        self.check("mpirun", "-np", "2", "--oversubscribe", self.program, "--plugins", plugin, config)
        self.assertEqual(self.validation(self.folder + "/runs")[-1]["top1"], 100)

        # Another project, in another folder, takes the same precompiled header.
        header, = self.precompiled_headers()
        made = os.stat(header)
        shutil.rmtree(self.folder + "/minimal/build")
        os.rename(self.folder + "/minimal", self.folder + "/first")
        plugin = self.build("minimal")
        self.assertEqual((self.precompiled_headers(), os.stat(header).st_mtime_ns), ([header], made.st_mtime_ns))

        # A changed source: only it is built again.
        source = self.folder + "/minimal/small_cnn.cpp"
        with open(source) as file:
            text = file.read()
        with open(source, "w") as file:
            file.write(text.replace("Two convolutions", "2 convolutions"))
        steps = self.check("cmake", "--build", self.folder + "/minimal/build")
        self.assertIn("[2/2] Linking CXX shared module libminimal.so", steps)
        self.assertIn("2 convolutions", run("--describe", plugin, program=self.program).stdout)

        # A forward() that overrides nothing.
        with open(source, "w") as file:
            file.write(text.replace("Tensor forward(const Tensor& images) override", "Tensor forward(Tensor images)"))
        steps = self.check("cmake", "--build", self.folder + "/minimal/build")
        if "clang" in os.environ["CXX"]:
            self.assertIn("'SmallCNN::forward' hides overloaded virtual function", steps)

    def test_predict(self):
        config = self.band_config("lenet5", epochs=5, images=200,
                                  hooks=" {checkpoint: {type: CheckpointHook, interval: 5}}")
        model = self.folder + "/model.ailab"
        self.check(self.program, config)
        self.check(self.program, "export", config, "latest", "--to", "artifact", "-o", model)
        self.build("predict")
        image = self.folder + "/band.png"
        write_png(image, [[255 if row // 3 == 4 else 0] * 28 for row in range(28)])
        output = self.check(self.folder + "/predict/build/predict", model, image, config)
        self.assertEqual(output.splitlines()[0].split(": ")[1].split()[0], "4", output)
        self.assertIn("train.yaml is no image of a known format", output)
        # The C header is C.
        includes = SOURCE + "/sdk/include" if self.package == BUILD else self.prefix + "/include"
        self.check(os.environ["CXX"], "-x", "c", "-std=c99", "-Wall", "-Werror", "-pedantic", "-fsyntax-only", "-I", includes,
                   self.write("use.c", '#include <ailab/predictor.h>\nint main(void) { ailab_close(0); return 0; }\n'))
        with open(self.templates + "/predict/main.cpp") as file:
            self.assertLess(len(file.readlines()), 40)

    def test_complete(self):
        plugin = self.build("complete")
        self.assertEqual(sorted(self.described(plugin)),
                         [("dataset", "Spirals"), ("hook", "StopAtHook"), ("loss", "MyFocalLoss"),
                          ("metric", "MeanRecall"), ("model", "SpiralNet")])
        # As its README says, in its own folder.
        folder = self.folder + "/complete"
        output = self.check(self.program, "--plugins", "build/libcomplete.so", "train.yaml",
                            cwd=folder)
        last = self.validation(folder + "/work_dir")[-1]
        self.assertGreaterEqual(last["recall"], 97)
        self.assertLess(last["epoch"], 30)
        self.assertRegex(output, "recall reached 9[7-9]")
        for form in ("safetensors", "pth", "torchscript", "onnx", "artifact"):
            told = self.check(self.program, "--plugins", "build/libcomplete.so", "export", "train.yaml", "latest",
                              "--to", form, "-o", "model." + form, cwd=folder)
            self.assertIn("over 8 real samples", told)


class BuildTree(Templates, InFolder):
    templates = SOURCE + "/sdk/templates"
    package = BUILD
    program = BUILD + "/bin/ailab-run"


class Installed(Templates, InFolder):
    """An empty prefix that holds all there is to know: nothing of the build tree is used."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prefix = tempfile.mkdtemp(prefix="ailab-test-")
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.templates = cls.prefix + "/share/ailab/templates"
        cls.package = cls.prefix + "/lib/cmake/ailab"
        cls.program = cls.prefix + "/bin/ailab-run"

    def test_nothing_points_to_the_build_tree(self):
        for path in [self.program, *glob.glob(self.prefix + "/lib/**/*.so", recursive=True)]:
            dynamic = self.check("readelf", "-d", path)
            self.assertNotIn(BUILD, dynamic, path)
        for path in glob.glob(self.prefix + "/lib/cmake/ailab/*"):
            with open(path) as file:
                self.assertNotIn(BUILD, file.read(), path)

    def test_the_installed_program_has_the_built_in_modules(self):
        def names(program):
            listed = run("--list-modules", "--json", program=program)
            return [(module["kind"], module["name"]) for module in json.loads(listed.stdout)]

        self.assertEqual(names(self.program), names(BUILD + "/bin/ailab-run"))
        self.assertIn(("loss", "CrossEntropyLoss"), names(self.program))

    def test_a_missing_plugin_is_looked_for_in_the_prefix(self):
        result = run("--list-modules", "--plugins", "libmy.so", program=self.program,
                     cwd=self.folder)
        self.assertIn(f"{self.prefix}/lib/ailab/plugins/libmy.so", result.stderr)

    def test_another_libtorch_is_refused_when_a_plugin_is_configured(self):
        torch = self.folder + "/torch"
        version = torch + "/include/torch/headeronly"
        os.makedirs(version)
        os.makedirs(torch + "/include/torch/csrc/api/include/torch")
        os.makedirs(torch + "/lib")
        for name in ("include/torch/csrc/api/include/torch/torch.h", "lib/libtorch_cpu.so",
                     "lib/libc10.so"):
            open(os.path.join(torch, name), "w").close()
        self.write("torch/include/torch/headeronly/version.h", "#define TORCH_VERSION_MAJOR 2\n"
                   "#define TORCH_VERSION_MINOR 99\n#define TORCH_VERSION_PATCH 0\n")
        result = subprocess.run(
            ["cmake", "-G", "Ninja", "-S", self.templates + "/minimal", "-B", self.folder + "/build",
             f"-Dailab_DIR={self.package}", f"-DTORCH_DIR={torch}",
             f"-DCMAKE_CXX_COMPILER={os.environ['CXX']}"], capture_output=True, text=True)
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(re.sub(r"\s+", " ", result.stderr),
                         r"This ailab was built with LibTorch 2\.\S+, and \S+/torch/lib is 2\.99\.0: a "
                         "plugin needs the same")


if __name__ == "__main__":
    unittest.main()

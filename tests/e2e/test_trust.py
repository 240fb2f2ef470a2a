"""Whose code runs: an artifact's plugins only when the user trusts it, by a word or by a key, and never those of
a checkpoint or a run's folder. The plugin canary leaves a line in a file when any code of it runs."""
import ctypes
import functools
import json
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import tempfile
import unittest

from PIL import Image

from harness import AILAB, BUILD, PLUGINS, TestCase, call, command, environment, mlp_config, read_fashion_mnist

CANARY = PLUGINS / "libcanary.so"
REFUSED = "that is code of whoever made the artifact, and it would run with your rights"


def openssl(*words, **options):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, **options)


def make_key(folder, name, *words):
    """The files of a new key's halves, as the documentation says to make them."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    openssl("genpkey", *(words or ("-algorithm", "ed25519")), "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


@functools.cache
def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


def crc32c(data):
    table, crc = crc32c_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def with_right_checksum(data):
    """As whoever forges an artifact would leave it."""
    key = b'"ailab.crc32c":"'
    at = data.index(key) + len(key)
    data = data[:at] + b"00000000" + data[at + 8:]
    return data[:at] + b"%08x" % crc32c(data) + data[at + 8:]


def with_plugin_file(data, file):
    """The artifact with another file for its plugin."""
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    spec = json.loads(header["__metadata__"]["ailab.spec"])
    for plugin in spec["plugins"]:
        if not plugin["builtin"]:
            plugin["file"] = file
    header["__metadata__"]["ailab.spec"] = json.dumps(spec)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return with_right_checksum(struct.pack("<Q", len(text)) + text + data[8 + length:])


class Made:
    """A model of the canary plugin: its run, and artifacts of it with the plugin in them and without."""

    @staticmethod
    @functools.cache
    def get():
        return Made()

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ailab-test-"))
        unittest.addModuleCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        base = json.loads(mlp_config(self.folder).read_text())
        base["data"]["train"]["limit"] = base["data"]["val"]["limit"] = 64
        self.config = mlp_config(self.folder, model={"type": "Canary"}, data=base["data"],
                                 hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
        self.run([*command(self.config), "--plugins", CANARY])
        self.inside, self.without = self.folder / "inside.ailab", self.folder / "without.ailab"
        for path, words in ((self.inside, ["--with-plugins"]), (self.without, [])):
            self.run([AILAB, "export", self.config, "latest", "--plugins", CANARY, "--to", "artifact", "-o", path,
                      *words])
        self.image = self.folder / "image.png"
        Image.fromarray(read_fashion_mnist("t10k-images-idx3-ubyte")[16:16 + 784].reshape(28, 28)).save(self.image)
        self.private, self.public = make_key(self.folder, "mine")
        self.other_private, self.other_public = make_key(self.folder, "other")

    @staticmethod
    def run(words):
        result = call([str(w) for w in words])
        if result.status != 0:
            raise AssertionError(str(result))


class Trust(TestCase):
    def setUp(self):
        super().setUp()
        self.made = Made.get()
        self.trace = self.folder / "trace"
        self.model = self.folder / "away" / "model.ailab"
        self.model.parent.mkdir()

    def put(self, artifact, beside=False):
        shutil.copy(artifact, self.model)
        if beside:
            shutil.copy(CANARY, self.model.parent)

    def call(self, *words, **options):
        """(result, whether the plugin's code ran)"""
        self.trace.unlink(missing_ok=True)
        result = call([str(w) for w in words], AILAB_CANARY=self.trace, **options)
        return result, self.trace.exists()

    def infer(self, *words, **options):
        return self.call(AILAB, "infer", self.model, self.made.image, *words, **options)

    def sign(self, *words, status=0):
        result, ran = self.call(AILAB, "sign", self.model, "--key", self.made.private, *words)
        self.assertEqual(result.status, status, str(result))
        self.assertFalse(ran)
        return result

    def assertRefused(self, text, *words, status=2, **options):
        result, ran = self.infer(*words, **options)
        self.assertFalse(ran, str(result))
        self.assertEqual(result.status, status, str(result))
        self.assertIn(text, result.err)
        self.assertEqual(len(result.err.splitlines()), 1, result.err)
        self.assertEqual(result.out, "")

    def assertRuns(self, *words, **options):
        result, ran = self.infer(*words, **options)
        self.assertDone(result)
        self.assertTrue(ran)
        self.assertEqual(len(json.loads(result.out)["top"]), 5)

    def test_plain_infer_runs_no_code_of_an_artifact(self):
        name = r'needs the plugin "test_canary" 1.0 (libcanary.so, build '
        for artifact, beside, place in ((self.made.inside, False, "the artifact itself"),
                                        (self.made.without, True, self.model.parent / CANARY.name),
                                        (self.made.inside, True, "the artifact itself")):
            with self.subTest(artifact=artifact.name, beside=beside):
                self.put(artifact, beside)
                for cwd in (None, self.model.parent):
                    for text in (name, f"and would load it from {place}: {REFUSED}", "--trust-plugins", "--public-key"):
                        self.assertRefused(text, cwd=cwd)

    def test_the_current_folder_is_no_place_of_an_artifact_s_plugins(self):
        self.put(self.made.without)
        shutil.copy(CANARY, self.folder)
        for words in ((), ("--trust-plugins",)):
            self.assertRefused("which cannot be loaded: it is not in the artifact, there is no "
                               f"{self.model.parent / CANARY.name}, and AILAB_PLUGIN_PATH does not have it", *words,
                               cwd=self.folder)

    def test_a_name_that_the_user_gives_is_not_looked_for_beside_the_artifact(self):
        self.put(self.made.without, beside=True)
        self.assertRefused("plugin canary was not found; looked for", "--plugins", "canary")

    def test_trust_is_a_word_of_the_user_s(self):
        self.put(self.made.inside)
        self.assertRuns("--trust-plugins")
        self.assertRuns("--plugins", CANARY)
        self.assertRuns(AILAB_PLUGIN_PATH=CANARY.parent)
        self.put(self.made.without, beside=True)
        self.assertRuns("--trust-plugins")
        self.assertRuns("--plugins", self.model.parent / CANARY.name)
        self.assertRuns("--plugins", CANARY.name, cwd=self.model.parent)

    def test_only_the_build_that_it_was_exported_with_runs(self):
        """Another plugin under the same file name: beside the artifact, or in the user's folder."""
        self.put(self.made.without, beside=True)
        shutil.copy(PLUGINS / "libmlp.so", self.model.parent / CANARY.name)
        self.assertRefused("is another build", "--trust-plugins")
        (self.model.parent / CANARY.name).unlink()
        self.assertRefused("which cannot be loaded", "--trust-plugins")
        mine = self.folder / "mine"
        mine.mkdir()
        shutil.copy(PLUGINS / "libmlp.so", mine / CANARY.name)
        self.assertRefused(f"and {mine / CANARY.name} is another build", "--trust-plugins", AILAB_PLUGIN_PATH=mine)
        self.put(self.made.inside)  # the one in it is the right one
        self.assertRuns("--trust-plugins", AILAB_PLUGIN_PATH=mine)

    def test_a_path_that_an_artifact_names_is_never_followed(self):
        data = self.made.without.read_bytes()
        for file in (str(CANARY), os.path.relpath(CANARY, self.model.parent), "../away/" + CANARY.name,
                     "./" + CANARY.name, "", ".."):
            with self.subTest(file=file):
                self.put(self.made.without, beside=True)
                self.model.write_bytes(with_plugin_file(data, file))
                for words in ((), ("--trust-plugins",)):
                    self.assertRefused("and must give a plain file name", *words, cwd=self.model.parent, status=1)
        self.put(self.made.without)
        (self.model.parent / CANARY.name).unlink()
        (self.model.parent / CANARY.name).symlink_to(CANARY)
        self.assertRefused("it is a symbolic link", "--trust-plugins")

    def test_a_signature_is_trust_in_whoever_has_the_key(self):
        self.put(self.made.inside)
        self.assertRefused("model.ailab is not signed, and only what the key in", "--public-key", self.made.public)
        self.assertIn("away/model.ailab: signed by the key ", self.sign().out)
        self.assertRuns("--public-key", self.made.public)
        self.assertRuns("--public-key", self.made.public, "--trust-plugins")
        self.assertRefused(REFUSED)  # a signature that nobody checks is none
        self.assertRefused("is signed by another key", "--public-key", self.made.other_public)
        self.assertRefused("is signed by another key", "--public-key", self.made.other_public, "--trust-plugins",
                           "--plugins", CANARY)
        self.assertRefused("holds a private key, which signs", "--public-key", self.made.private)
        self.assertRefused("No such file", "--public-key", self.folder / "none.pem", status=1)
        # The file is still what other programs read, and says who signed it.
        result, ran = self.call(AILAB, "inspect", self.model)
        self.assertIn("signed: it says so, by the key ", result.out)
        result, ran = self.call(AILAB, "inspect", self.model, "--public-key", self.made.public)
        self.assertDone(result)
        self.assertRegex(result.out, "signed: yes, by the key [0-9a-f]{64} of ")
        self.assertFalse(ran)
        result, ran = self.call(AILAB, "inspect", self.model, "--public-key", self.made.other_public)
        self.assertEqual((result.status, ran), (1, False))

    def test_the_key_is_the_one_that_openssl_shows(self):
        self.put(self.made.inside)
        self.sign()
        der = subprocess.run(["openssl", "pkey", "-pubin", "-in", str(self.made.public), "-outform", "DER"], check=True,
                             capture_output=True).stdout
        result, _ = self.call(AILAB, "inspect", self.model)
        self.assertIn(f"by the key {der[-32:].hex()};", result.out)

    def test_signing_in_place_or_into_another_file(self):
        self.put(self.made.inside)
        before = self.model.read_bytes()
        other = self.folder / "signed.ailab"
        self.sign("-o", other)
        self.assertEqual(self.model.read_bytes(), before)
        self.assertIn("signed.ailab exists; give another -o, or --force", self.sign("-o", other, status=2).err)
        self.sign("-o", other, "--force")
        link = self.folder / "link.ailab"
        link.symlink_to(self.model)
        result, _ = self.call(AILAB, "sign", link, "--key", self.made.private)
        self.assertDone(result)
        self.assertTrue(link.is_symlink())
        self.assertEqual(self.model.read_bytes(), other.read_bytes())  # Ed25519 has no chance in it
        self.assertEqual(sorted(p.name for p in self.model.parent.iterdir()), ["model.ailab"])

    def test_what_cannot_be_signed(self):
        self.put(self.made.inside)
        text = self.folder / "text.ailab"
        text.write_text("hello")
        cut = self.folder / "cut.ailab"
        cut.write_bytes(self.model.read_bytes()[:-1])
        for words, status, told in (
                ([self.model], 2, "--key FILE is missing"),
                ([], 2, "no artifact is given: ailab-run sign"),
                ([self.model, self.model, "--key", self.made.private], 2, "sign takes one artifact"),
                ([self.model, "--key", self.made.public], 2, "holds a public key, which checks signatures"),
                ([self.model, "--key", make_key(self.folder, "rsa", "-algorithm", "rsa")[0]], 2, "must hold an Ed25519"),
                ([text, "--key", self.made.private], 1, "is no artifact"),
                ([cut, "--key", self.made.private], 1, "is damaged"),
                ([self.folder / "none.ailab", "--key", self.made.private], 1, "No such file"),
                ([self.made.config, "--key", self.made.private], 1, "is no artifact")):
            with self.subTest(told=told):
                result, _ = self.call(AILAB, "sign", *words)
                self.assertEqual(result.status, status, str(result))
                self.assertIn(told, result.err)

    def test_an_encrypted_key_asks_for_its_pass_phrase(self):
        self.put(self.made.inside)
        key = self.folder / "secret.pem"
        openssl("pkey", "-in", self.made.private, "-aes256", "-passout", "pass:open sesame", "-out", key)
        words = [str(w) for w in (AILAB, "sign", self.model, "--key", key)]
        blind = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment())
        self.assertEqual(blind.returncode, 2)
        self.assertIn("secret.pem is encrypted, and there is no terminal to ask for its pass phrase in", blind.stderr)
        for phrase, status, told in (("open sesame", 0, "signed by the key"), ("wrong", 2, "the pass phrase is wrong")):
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(words[0], words, environment())
            shown = b""
            while b"pass phrase:" not in shown:
                shown += os.read(terminal, 1000)
            os.write(terminal, phrase.encode() + b"\n")
            try:
                while chunk := os.read(terminal, 1000):
                    shown += chunk
            except OSError:  # a terminal that nobody holds any more
                pass
            os.close(terminal)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), status, shown)
            self.assertIn(told, shown.decode())
        self.assertRuns("--public-key", self.made.public)

    def test_a_plugin_beside_a_signed_artifact_is_the_signed_one(self):
        self.put(self.made.without, beside=True)
        self.sign()
        self.assertRuns("--public-key", self.made.public)
        beside = self.model.parent / CANARY.name
        beside.write_bytes(CANARY.read_bytes() + b"\0")  # the same build, by its build-id
        self.assertRefused("is not the file that the signature is of", "--public-key", self.made.public)
        self.assertRuns("--trust-plugins")
        beside.unlink()
        self.assertRefused("which cannot be loaded: it is not in the artifact", "--public-key", self.made.public)
        self.assertRuns("--public-key", self.made.public, "--plugins", CANARY)

    def open_in_c(self, way, key, paths):
        self.trace.unlink(missing_ok=True)
        result = call([str(PLUGINS / "open_artifact"), way, str(key), str(self.made.image), *map(str, paths)],
                      AILAB_CANARY=self.trace)
        self.assertDone(result)
        return result.out.splitlines(), self.trace.exists()

    def test_any_flipped_bit_of_a_signed_artifact_is_refused(self):
        """In a real one, all over the file: in its header, its weights and its plugin, as it is and with a checksum
        that fits. tests/unit/core/serve flips every bit of a small one."""
        self.put(self.made.inside)
        self.sign()
        whole = self.model.read_bytes()
        length = 8 + struct.unpack("<Q", whole[:8])[0]
        places = [*range(0, length, 97), *(length + (len(whole) - length) * i // 60 for i in range(60)), len(whole) - 1]
        paths = []
        for i, place in enumerate(places):
            data = bytearray(whole)
            data[place] ^= 1 << i % 8
            paths.append(self.model.parent / f"{place}.ailab")
            paths[-1].write_bytes(bytes(data))
        for place in places[::7]:
            data = bytearray(whole)
            data[place] ^= 4
            if b'"ailab.crc32c":"' in data:
                paths.append(self.model.parent / f"forged-{place}.ailab")
                paths[-1].write_bytes(with_right_checksum(bytes(data)))
        lines, ran = self.open_in_c("signed", self.made.public, paths)
        self.assertFalse(ran)
        self.assertEqual(len(lines), len(paths))
        for path, line in zip(paths, lines):
            self.assertIn(path.name, line)
            self.assertRegex(line, "is damaged|is no artifact|is not what was signed|twice|no JSON|safetensors")

    def test_c_opens_what_it_may(self):
        self.put(self.made.inside)
        self.sign()
        for way, key, ran in (("plain", "-", False), ("signed", self.made.other_public, False),
                              ("signed", "", False), ("signed", self.made.public, True), ("trusted", "-", True)):
            with self.subTest(way=way, key=key):
                (line,), loaded = self.open_in_c(way, key, [self.model])
                self.assertEqual(loaded, ran, line)
                if ran:
                    self.assertEqual(len(json.loads(line)["top"]), 5)
                elif way == "plain":
                    self.assertIn(REFUSED, line)
                    self.assertIn("ailab_open_trusted()", line)

    def test_what_was_loaded_once_is_not_loaded_again(self):
        """One process opens artifacts one after another: trust in one is none in the next."""
        library = ctypes.CDLL(str(BUILD / "lib" / "libailab_core.so"))
        for function in (library.ailab_open, library.ailab_open_trusted, library.ailab_open_signed):
            function.restype = ctypes.c_void_p
        library.ailab_last_error.restype = ctypes.c_char_p
        self.put(self.made.inside)
        path = os.fsencode(self.model)
        os.environ["AILAB_CANARY"] = str(self.trace)  # CPython's setenv(), for the plugin
        self.addCleanup(os.environ.pop, "AILAB_CANARY", None)
        self.assertFalse(library.ailab_open(path))
        self.assertIn(REFUSED.encode(), library.ailab_last_error())
        self.assertFalse(library.ailab_open_signed(path, os.fsencode(self.made.public)))
        self.assertFalse(self.trace.exists())
        for _ in range(3):
            model = library.ailab_open_trusted(path)
            self.assertTrue(model, library.ailab_last_error())
            library.ailab_close(ctypes.c_void_p(model))
        self.assertEqual(self.trace.read_text(), "loaded\n")
        other = with_plugin_file(self.made.without.read_bytes(), "libother.so").replace(b"test_canary", b"test_finch0")
        (self.model.parent / "libother.so").write_bytes(b"")
        self.model.write_bytes(with_right_checksum(other))
        self.assertFalse(library.ailab_open(path))
        self.assertIn(REFUSED.encode(), library.ailab_last_error())

    def test_trust_is_for_artifacts(self):
        self.put(self.made.inside)
        for words in (["--trust-plugins"], ["--public-key", self.made.public]):
            result, ran = self.call(AILAB, "infer", self.made.config, "latest", self.made.image, *words)
            self.assertEqual((result.status, ran), (2, False))
            self.assertIn("config.yaml is no artifact; --trust-plugins and --public-key are for those", result.err)
            result, ran = self.call(AILAB, "test", self.made.config, "latest", *words)
            self.assertIn("goes with ailab-run infer", result.err)

    def test_nothing_else_runs_what_an_artifact_or_a_run_brings(self):
        """A run that had the plugin too, though its model does not need it: its folder, its checkpoint and an artifact
        of it name the plugin, and it lies beside them; the user's configuration does not."""
        work = self.folder / "work"
        config = mlp_config(self.folder, hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}})
        plain = command(config, plugins=["mlp"])
        result, ran = self.call(*plain, "--plugins", CANARY)
        self.assertDone(result)
        self.assertTrue(ran)
        run = (work / "latest").resolve()
        self.assertIn("canary", (run / "config.yaml").read_text())
        checkpoint = run / "checkpoints/epoch_1"
        artifact = self.folder / "all.ailab"
        mlp = ["--plugins", PLUGINS / "libmlp.so"]
        self.assertDone(self.call(AILAB, "export", config, checkpoint, *mlp, "--plugins", CANARY, "--to", "artifact", "-o",
                                  artifact, "--with-plugins")[0])
        for folder in (self.folder, run, checkpoint):
            shutil.copy(CANARY, folder)
        weights = self.folder / "weights.safetensors"
        table = [
            (0, [*plain, f"resume_from={run}", "total_epochs=2"]),
            (0, [*plain, f"resume_from={checkpoint}", "total_epochs=2", f"work_dir={self.folder / 'b'}"]),
            (0, [*plain, f"load_from={checkpoint}", f"work_dir={self.folder / 'c'}"]),
            (0, [AILAB, "test", config, checkpoint, *mlp, "-o", self.folder / "tested"]),
            (0, [AILAB, "infer", config, checkpoint, self.made.image, *mlp]),
            (0, [AILAB, "export", config, checkpoint, *mlp, "--to", "safetensors", "-o", weights]),
            (0, [AILAB, "export", config, checkpoint, *mlp, "--to", "artifact", "-o", self.folder / "x.ailab",
                 "--with-plugins"]),
            (0, [AILAB, "average", checkpoint, checkpoint, "-o", self.folder / "mean.safetensors"]),
            (0, [AILAB, "average", artifact, artifact, "-o", self.folder / "means.safetensors"]),
            (0, [AILAB, "inspect", checkpoint]),
            (0, [AILAB, "inspect", artifact]),
            (0, [AILAB, "runs", work]),
            (0, [AILAB, "compare", run, run, "-o", self.folder / "page.html"]),
            (0, [AILAB, "browse", config, *mlp, "-o", self.folder / "page.png"]),
            (0, [AILAB, "sign", artifact, "--key", self.made.private, "-o", self.folder / "signed.ailab"]),
            (None, [AILAB, "test", config, artifact, *mlp, "-o", self.folder / "tested_b"]),
            (None, [AILAB, "infer", config, artifact, self.made.image, *mlp]),
            (None, [AILAB, "export", config, artifact, *mlp, "--to", "safetensors", "-o", self.folder / "y.safetensors"]),
            (None, [*plain, f"load_from={artifact}", f"work_dir={self.folder / 'd'}"]),
            (2, [AILAB, artifact, *mlp]),
        ]
        for status, words in table:
            with self.subTest(words=words[1:]):
                result, ran = self.call(*words, cwd=self.folder)
                self.assertFalse(ran, str(result))
                if status is not None:
                    self.assertEqual(result.status, status, str(result))

    def test_a_configuration_is_the_user_s_word(self):
        """The saved one of a run too, when it is the one that is named."""
        result, ran = self.call(AILAB, "infer", self.made.folder / "work/latest/config.yaml", "latest", self.made.image)
        self.assertDone(result)
        self.assertTrue(ran)


if __name__ == "__main__":
    unittest.main()

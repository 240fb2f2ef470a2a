"""Plugins that must be refused: what ailab-run says about each."""
import os
import signal
import socket
import struct
import unittest

from running import BUILD, FIXTURES, InFolder, fixture, run

E_MACHINE = 18  # offset in the ELF header
EM_AARCH64 = 183
STAMP_MAGIC = b"AILABPLG"
STAMP_TORCH = 8 + 4 * 4 + 72  # offset of Stamp::torch
STAMP_CXX11ABI = 8 + 2 * 4
STAMP_BUILD = STAMP_TORCH + 32 + 32 + 96

REBUILD = (f"Rebuild it: cmake -B build -Dailab_DIR={BUILD}/lib/cmake/ailab && "
           "cmake --build build")


def good_bytes():
    with open(fixture("good"), "rb") as file:
        return bytearray(file.read())


def stamp_offset(content):
    """The stamp in the file: the magic that its own size follows (code may hold the bare word)."""
    at = content.find(STAMP_MAGIC)
    while content[at + 8:at + 10] != struct.pack("<H", 304):
        at = content.index(STAMP_MAGIC, at + 1)
    return at


def patched_stamp(offset, value):
    content = good_bytes()
    at = stamp_offset(content) + offset
    content[at:at + len(value)] = value
    return bytes(content)


class BadPlugins(InFolder):
    def refuse(self, path, text, cwd=None):
        result = run("--list-modules", "sampler", "--plugins", path, cwd=cwd)
        self.assert_refused(result, "ailab-run: " + text.replace("<file>", path))

    def test_good_one_is_accepted(self):
        path = self.write("libmy.so", bytes(good_bytes()))
        result = run("--list-modules", "sampler", "--plugins", path)
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.returncode, 0)

    def test_missing_file(self):
        self.refuse("libmy.so",
                    "plugin libmy.so was not found; looked for ./libmy.so, $AILAB_PLUGIN_PATH "
                    f"(unset), {BUILD}/lib/ailab/plugins/libmy.so. Give the path of the file, or "
                    "add its folder to AILAB_PLUGIN_PATH.", cwd=self.folder)
        self.refuse(self.folder + "/libmy.so",
                    "plugin <file> was not found. Check the path, and that its build has finished.")

    def test_text_file(self):
        path = self.write("libmy.so", "#include <ailab/ailab.hpp>\n")
        self.refuse(path, '<file> is not a shared library: it begins with "#include <ailab/ailab.hp". '
                          "Give --plugins the lib….so that the plugin's build made.")

    def test_empty_file(self):
        self.refuse(self.write("libmy.so", ""),
                    "<file> is empty; it should be a shared library. Build or copy it again.")

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_unreadable_file(self):
        path = self.write("libmy.so", bytes(good_bytes()))
        os.chmod(path, 0)
        self.refuse(path, "<file> cannot be read: Permission denied.")

    def test_other_architecture(self):
        content = good_bytes()
        struct.pack_into("<H", content, E_MACHINE, EM_AARCH64)
        self.refuse(self.write("libmy.so", bytes(content)),
                    "<file> was built for AArch64; this machine is x86-64. Build it on this machine.")

    def test_truncated_file(self):
        content = bytes(good_bytes())
        half = content[:len(content) // 2]
        self.refuse(self.write("libmy.so", half),
                    f"<file> is truncated: it has {len(half)} bytes, and its headers speak of "
                    f"{len(content)}. Build or copy it again.")

    def test_no_stamp(self):
        self.refuse(fixture("no_stamp"),
                    "<file> is not an ailab plugin: it has no ailab stamp. Put AILAB_PLUGIN(...) in "
                    "exactly one .cpp, or check that --plugins names the right file.")

    def test_other_libtorch(self):
        path = self.write("libmy.so", patched_stamp(STAMP_TORCH, b"2.4.0\0"))
        result = run("--list-modules", "sampler", "--plugins", path)
        self.assertRegex(result.stderr, "this ailab-run uses LibTorch 2[.][0-9.]+[.] Rebuild")
        ours = result.stderr.split("uses LibTorch ")[1].split(". Rebuild")[0]
        self.refuse(path, f"<file> was built for LibTorch 2.4.0; this ailab-run uses LibTorch {ours}. "
                          + REBUILD)

    def test_other_string_abi(self):
        path = self.write("libmy.so", patched_stamp(STAMP_CXX11ABI, b"\0"))
        self.refuse(path, "<file> was built for _GLIBCXX_USE_CXX11_ABI=0; this ailab-run uses "
                          "_GLIBCXX_USE_CXX11_ABI=1. " + REBUILD)

    def test_other_build_type_is_a_warning(self):
        ours = run("--version").stdout.split(", ")[2]
        other = {"release": b"debug\0\0\0", "debug": b"release\0"}[ours]
        path = self.write("libmy.so", patched_stamp(STAMP_BUILD, other))
        result = run("--list-modules", "sampler", "--plugins", path)
        self.assertIn(f"{path} is a {other.strip(bytes(1)).decode()} build and this ailab-run a "
                      f"{ours} build: it works, but speed and checks differ.", result.stderr)
        self.assertEqual(result.returncode, 0)

    def test_unresolved_symbol(self):
        path = fixture("nobody_defines_it")
        self.refuse(path, "<file> cannot be loaded: <file>: undefined symbol: "
                          "_ZN9elsewhere7missingEi. Nothing defines elsewhere::missing(int): add the "
                          "source or the library that does to the plugin's build.")

    def test_static_constructor_that_throws(self):
        path = fixture("static_throw")
        self.assert_refused(run("--list-modules", "--plugins", path),
                            f"ailab-run: {path} cannot be loaded: a constructor of one of its static "
                            'objects threw "no such table". Move that work into the module\'s '
                            "constructor.")

    def test_static_constructor_that_ends_the_process(self):
        """Whatever ends the process while a plugin is loaded is told in the plugin's name."""
        for name, status, what in [("static_exit", 2, "called exit(0)"),
                                   ("static_throw_int", 2, "threw something that is no std::exception"),
                                   ("static_abort", -signal.SIGABRT, "crashed (SIGABRT)")]:
            with self.subTest(name):
                path = fixture(name)
                result = run("--list-modules", "--plugins", path)
                self.assertEqual(result.stderr,
                                 f"ailab-run: {path} cannot be loaded: a constructor of one of its static "
                                 f"objects {what}. Move that work into the module's constructor.\n")
                self.assertEqual(result.stdout, "")
                self.assertEqual(result.returncode, status)

    def test_what_is_no_file(self):
        for path, kind in self.no_files():
            with self.subTest(kind):
                self.refuse(path, f"<file> is {kind}; it should be a shared library.")

    def no_files(self):
        """A path of each kind that is no regular file. None of them may be waited for."""
        pipe = os.path.join(self.folder, "libpipe.so")
        os.mkfifo(pipe)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(os.path.join(self.folder, "libsocket.so"))
        return [(pipe, "a named pipe"), (os.path.join(self.folder, "libsocket.so"), "a socket"),
                ("/dev/zero", "a device"), (self.folder, "a folder")]

    def test_duplicate_name(self):
        self.refuse(fixture("duplicate"),
                    '<file> registers sampler "Twice" twice: libfixture_duplicate.so '
                    "(duplicate.cpp:18) and libfixture_duplicate.so (duplicate.cpp:19). Rename one, "
                    "or drop one of the two lines.")

    def test_same_file_twice_is_no_error(self):
        link = os.path.join(self.folder, "link.so")
        os.symlink(fixture("good"), link)
        once = run("--list-modules", "sampler", "--plugins", fixture("good"))
        twice = run("--list-modules", "sampler", "--plugins", f"{fixture('good')},{link}",
                    "--plugins", fixture("good"))
        self.assertEqual(twice.stderr, "")
        self.assertEqual(twice.stdout, once.stdout)

    def test_copy_of_a_loaded_plugin(self):
        path = self.write("libmy.so", bytes(good_bytes()))
        result = run("--list-modules", "--plugins", fixture("good"), "--plugins", path)
        self.assert_refused(result, f'ailab-run: {path} calls itself "good", and so does '
                                    f"{FIXTURES}/libfixture_good.so. Rename one in its "
                                    "AILAB_PLUGIN(...), or drop one from --plugins.")


if __name__ == "__main__":
    unittest.main()

"""Photographs in every kind of file, decoded by us and by Pillow: the same pixels, bit for bit.

    python test_images.py <image_tool>
"""
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zlib

import numpy as np
from PIL import Image, ImageFile, ImageOps, PngImagePlugin

TOOL = sys.argv.pop(1)
PHOTOGRAPHS = sorted(pathlib.Path("/usr/share/backgrounds").glob("*.jpg"))
DTYPES = {"Byte": np.uint8, "Int": np.int32}
SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]  # that Pillow writes


class Decoder:
    """The tool, running."""

    def __init__(self, folder):
        self.file = folder / "image.jpg"  # whatever is in it: that is told by the content
        self.out = folder / "pixels"
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def decode_file(self, path, color="rgb", mode="strict"):
        self.process.stdin.write(f"{color} {mode} {path} {self.out}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if answer[0] != "ok":
            raise ValueError(" ".join(answer[1:]))
        shape = tuple(int(n) for n in answer[2:])
        return np.fromfile(self.out, DTYPES[answer[1]]).reshape(shape)

    def decode(self, data, color="rgb", mode="strict"):
        self.file.write_bytes(data)
        return self.decode_file(self.file, color, mode)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


def rows(image):
    """[height, width, channels] of a Pillow image."""
    array = np.asarray(image)
    return array.reshape(array.shape[0], array.shape[1], -1)


class TestImages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.decoder = Decoder(pathlib.Path(cls.temporary.name))
        cls.photographs = [Image.open(path).convert("RGB") for path in PHOTOGRAPHS[:4]]
        for photograph in cls.photographs:
            photograph.thumbnail((501, 375))

    @classmethod
    def tearDownClass(cls):
        cls.decoder.close()
        cls.temporary.cleanup()

    def same(self, ours, theirs, what):
        self.assertEqual(ours.shape, theirs.shape, what)
        self.assertTrue((ours == theirs).all(),
                        f"{what}: {(ours != theirs).sum()} of {ours.size} numbers differ")

    def near(self, ours, theirs, what):
        self.assertEqual(ours.shape, theirs.shape, what)
        difference = np.abs(ours.astype(int) - theirs.astype(int))
        self.assertLess(difference.mean(), 1, what)
        self.assertLess(difference.max(), 50, what)

    def check(self, data, what):
        decode = self.decoder.decode
        self.same(decode(data), rows(opened(data).convert("RGB")), f"{what}, rgb")
        self.same(decode(data, "gray"), rows(opened(data).convert("L")), f"{what}, gray")
        self.same(decode(data, "unchanged"), rows(opened(data)), f"{what}, unchanged")

    def test_photographs_as_they_are(self):
        self.assertGreater(len(PHOTOGRAPHS), 10)
        for path in PHOTOGRAPHS:
            theirs = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            self.same(self.decoder.decode_file(path), rows(theirs), path)

    def test_jpeg(self):
        for i, photograph in enumerate(self.photographs):
            for subsampling in SUBSAMPLINGS:
                for progressive in (False, True):
                    for quality in (30, 75, 95):
                        data = encoded(photograph, "JPEG", subsampling=subsampling,
                                       quality=quality, progressive=progressive)
                        self.check(data, f"{i}: {subsampling} of quality {quality}, "
                                         f"progressive {progressive}")

    def test_jpeg_of_every_small_size(self):
        photograph = self.photographs[0]
        for subsampling in SUBSAMPLINGS:
            for width in range(1, 36, 3):
                for height in (1, 2, 7, 8, 9, 16, 17, 33):
                    part = photograph.crop((40, 50, 40 + width, 50 + height))
                    data = encoded(part, "JPEG", subsampling=subsampling)
                    self.check(data, f"{subsampling}, {width} x {height}")

    def test_kinds_that_pillow_reads_but_does_not_write(self):
        folder = pathlib.Path(self.temporary.name) / "kinds"
        folder.mkdir()
        subprocess.run([TOOL, str(folder)], check=True, stdin=subprocess.DEVNULL)
        files = sorted(folder.iterdir())
        self.assertGreater(len(files), 60)
        for file in files:
            data = file.read_bytes()
            what = file.name
            if "16" in what and file.suffix == ".png":
                # Pillow keeps 16 bits of grey alone, and cuts them off at 255: see below.
                if not what.startswith("gray16"):
                    self.same(self.decoder.decode(data), rows(opened(data).convert("RGB")), what)
            elif "first_scan" in what:  # smoothed, by each version of libjpeg in its own way
                self.near(self.decoder.decode(data), rows(opened(data).convert("RGB")), what)
            else:
                self.check(data, what)

    def test_jpeg_gray_and_cmyk(self):
        for photograph in self.photographs:
            self.check(encoded(photograph.convert("L"), "JPEG"), "gray")
            for subsampling in ("4:4:4", "4:2:0"):
                for progressive in (False, True):
                    self.check(encoded(photograph.convert("CMYK"), "JPEG", progressive=progressive,
                                       subsampling=subsampling), "cmyk")

    def test_jpeg_with_rgb_kept(self):
        self.check(encoded(self.photographs[0], "JPEG", keep_rgb=True, subsampling="4:4:4"), "rgb")

    def test_orientation(self):
        for orientation in range(1, 9):
            exif = Image.Exif()
            exif[0x0112] = orientation
            for kind in ("JPEG", "PNG", "WEBP"):
                options = {"lossless": True} if kind == "WEBP" else {}
                data = encoded(self.photographs[0], kind, exif=exif.tobytes(), **options)
                theirs = ImageOps.exif_transpose(opened(data)).convert("RGB")
                self.same(self.decoder.decode(data), rows(theirs), f"{kind} {orientation}")

    def test_orientation_of_any_type_of_number(self):
        sizes = {1: 1, 3: 2, 4: 4, 8: 2, 9: 4}  # BYTE, SHORT, LONG, SSHORT, SLONG
        for order, begin in (("little", b"II"), ("big", b"MM")):
            for number_type, size in sizes.items():
                def number(value, size):
                    return value.to_bytes(size, order)
                exif = (begin + number(42, 2) + number(8, 4) + number(1, 2) + number(0x0112, 2) +
                        number(number_type, 2) + number(1, 4) + number(6, size).ljust(4, b"\0") + number(0, 4))
                for kind in ("JPEG", "PNG"):
                    data = encoded(self.photographs[0], kind, exif=exif)
                    theirs = ImageOps.exif_transpose(opened(data)).convert("RGB")
                    self.same(self.decoder.decode(data), rows(theirs), f"{kind} {order} {number_type}")

    def test_orientation_in_a_raw_profile(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        digits = exif.tobytes().hex()
        lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
        for zipped in (False, True):
            info = PngImagePlugin.PngInfo()
            info.add_text("Raw profile type exif", f"\nexif\n{len(digits) // 2:8}\n{lines}\n", zip=zipped)
            data = encoded(self.photographs[0], "PNG", pnginfo=info)
            theirs = ImageOps.exif_transpose(opened(data)).convert("RGB")
            self.assertNotEqual(theirs.size, opened(data).size)
            self.same(self.decoder.decode(data), rows(theirs), f"zipped {zipped}")

    def test_orientation_that_stands_only_in_xmp(self):
        def packet(form, orientation):
            return (f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>{form.format(orientation)}</rdf:RDF></x:xmpmeta>"
                    ).encode()
        attribute = '<rdf:Description tiff:Orientation="{}"/>'
        element = "<rdf:Description><tiff:Orientation>{}</tiff:Orientation></rdf:Description>"
        other = "<rdf:Description tiff:Orientation='{}'/>"  # which Pillow does not know
        written = {"upright": Image.Exif(), "turned": Image.Exif(), "nonsense": Image.Exif(), "camera": Image.Exif()}
        written["upright"][0x0112], written["turned"][0x0112], written["nonsense"][0x0112] = 1, 3, 77
        written["camera"][0x010F] = "its maker"  # and no orientation
        turned = set()
        for kind in ("JPEG", "PNG", "WEBP"):
            options = {"lossless": True} if kind == "WEBP" else {}
            files = {f"{form} {n}": encoded(self.photographs[0], kind, **self.with_xmp(kind, packet(form, n)), **options)
                     for form in (attribute, element, other) for n in range(10)}
            files |= {f"exif {name}": encoded(self.photographs[0], kind, exif=exif.tobytes(),
                                              **self.with_xmp(kind, packet(attribute, 6)), **options)
                      for name, exif in written.items()}
            files["two in one"] = encoded(self.photographs[0], kind, **options, **self.with_xmp(
                kind, packet(attribute, 8) + packet(attribute, 3)))
            files["a thumbnail's, of another kind of segment"] = encoded(
                self.photographs[0], kind, **options, **self.with_xmp(kind, packet("", 0)))
            for name, data in files.items():
                theirs = ImageOps.exif_transpose(opened(data)).convert("RGB")
                self.same(self.decoder.decode(data), rows(theirs), f"{kind} {name}")
                if theirs.size != opened(data).size:
                    turned.add((kind, name))
        for kind in ("JPEG", "PNG", "WEBP"):
            for name in (f"{attribute} 6", f"{element} 8", "exif camera", "two in one"):
                self.assertIn((kind, name), turned)
            self.assertNotIn((kind, "exif upright"), turned)

    def test_orientation_in_xmp_in_every_text_of_a_png(self):
        packet = '<rdf:Description tiff:Orientation="6"/>'
        key, other = "XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="5"/>'
        plain = encoded(self.photographs[0], "PNG")

        def chunk(name, data):
            return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

        def international(text, packed=False, method=0, language=b"", translated=b""):
            data = zlib.compress(text) if packed else text
            return chunk(b"iTXt", key.encode() + bytes([0, packed, method]) + language + b"\0" + translated + b"\0" + data)
        text = packet.encode()
        chunks = {
            "iTXt": international(text), "packed iTXt": international(text, True),
            "in a language": international(text, language=b"de", translated=b"Beschreibung"),
            "of an unknown method": international(text, True, 1), "no packed text": chunk(
                b"iTXt", key.encode() + b"\0\1\0\0\0" + text),
            "no UTF-8": international(text + b"\xff"), "cut": chunk(b"iTXt", key.encode() + b"\0\0\0en"),
            "tEXt": chunk(b"tEXt", key.encode() + b"\0" + text),
            "zTXt": chunk(b"zTXt", key.encode() + b"\0\0" + zlib.compress(text)),
            "no packed zTXt": chunk(b"zTXt", key.encode() + b"\0\0" + text),
            "another key": chunk(b"tEXt", b"Comment\0" + text),
            "the last of two": international(text) + international(other.encode()),
            "an empty one behind it": international(text) + international(b""),
        }
        first, end = plain.index(b"IDAT") - 4, plain.rindex(b"IEND") - 4
        for name, data in chunks.items():
            for where, at in (("before", first), ("behind", end)):
                file = plain[:at] + data + plain[at:]
                theirs = ImageOps.exif_transpose(opened(file)).convert("RGB")
                self.same(self.decoder.decode(file), rows(theirs), f"{name} {where} the pixels")
                if name in ("iTXt", "packed iTXt", "tEXt", "zTXt", "in a language", "the last of two"):
                    self.assertNotEqual(theirs.size, opened(file).size, f"{name} {where} the pixels")

    @staticmethod
    def with_xmp(kind, packet):
        if kind != "PNG":
            return {"xmp": packet}
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return {"pnginfo": info}

    def test_cut_jpeg_as_with_load_truncated_images(self):
        for progressive in (False, True):
            data = encoded(self.photographs[1], "JPEG", progressive=progressive)
            for percent in (20, 50, 90, 99):
                begin = data[:len(data) * percent // 100]
                with self.assertRaisesRegex(ValueError, "is damaged"):
                    self.decoder.decode(begin)
                ImageFile.LOAD_TRUNCATED_IMAGES = True
                try:
                    theirs = rows(opened(begin).convert("RGB"))
                finally:
                    ImageFile.LOAD_TRUNCATED_IMAGES = False
                ours = self.decoder.decode(begin, "rgb", "tolerant")
                what = f"{percent} %, progressive {progressive}"
                if progressive:  # smoothed where scans are missing
                    self.near(ours, theirs, what)
                else:
                    self.same(ours, theirs, what)

    def test_png(self):
        for photograph in self.photographs:
            palette = photograph.quantize(200)
            for mode in ("RGB", "RGBA", "L", "LA", "1"):
                self.check(encoded(photograph.convert(mode), "PNG"), mode)
            self.check(encoded(palette, "PNG"), "palette")
            self.check(encoded(palette, "PNG", transparency=3), "palette with alpha")
            for bits in (1, 2, 4):
                self.check(encoded(photograph.quantize(1 << bits), "PNG", bits=bits),
                           f"palette of {bits} bits")
            self.check(encoded(photograph, "PNG", transparency=(1, 2, 3)), "a transparent colour")

    def test_png_of_16_bits(self):
        numbers = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        data = encoded(Image.fromarray(numbers), "PNG")
        self.same(self.decoder.decode(data, "unchanged"), numbers[..., None], "16 bits")
        # Pillow's convert("L") cuts these off at 255; its own 16-bit colour is shifted, as ours.
        self.same(self.decoder.decode(data, "gray"), (numbers >> 8)[..., None], "to 8 bits")

    def test_webp(self):
        for photograph in self.photographs:
            with_alpha = photograph.copy()
            with_alpha.putalpha(photograph.convert("L"))
            for image in (photograph, with_alpha):
                self.check(encoded(image, "WEBP", lossless=True, exact=True), "lossless")
                for quality in (20, 90):
                    self.check(encoded(image, "WEBP", quality=quality), f"quality {quality}")

    def test_bmp(self):
        for photograph in self.photographs:
            for image in (photograph, photograph.convert("L"), photograph.convert("1"),
                          photograph.convert("RGBA"), photograph.quantize(200),
                          photograph.quantize(16), photograph.quantize(2)):
                self.check(encoded(image, "BMP"), image.mode)


if __name__ == "__main__":
    unittest.main()

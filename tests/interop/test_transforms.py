"""Transforms against torchvision's, with the same parameters on the same photographs.

    python test_transforms.py <transforms_tool>

Equal to the bit where torchvision computes in integers, within one level elsewhere.
"""
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import torch
from PIL import Image
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

TOOL = sys.argv.pop(1)
PHOTOGRAPHS = pathlib.Path("/usr/share/backgrounds")
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
MODES = {"nearest": v2.InterpolationMode.NEAREST, "bilinear": v2.InterpolationMode.BILINEAR,
         "bicubic": v2.InterpolationMode.BICUBIC}


def photograph(name, width=500, height=375):
    """uint8 [3, H, W] with the memory order H, W, C, as a decoder gives it."""
    with Image.open(PHOTOGRAPHS / name) as image:
        pixels = np.array(image.convert("RGB").resize((width, height)))
    return torch.from_numpy(pixels).permute(2, 0, 1)


class Tool:
    def __init__(self):
        self.process = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.folder = tempfile.TemporaryDirectory()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.folder.cleanup()

    def __call__(self, function, image=None, **parameters):
        request = {"function": function, "output": f"{self.folder.name}/out", **parameters}
        if image is not None:
            by_row = image.dim() == 3 and image.stride(0) == 1
            path = pathlib.Path(self.folder.name, "in")
            path.write_bytes((image.permute(1, 2, 0) if by_row else image).contiguous().numpy().tobytes())
            request["image"] = {"path": str(path), "shape": list(image.shape),
                                "dtype": str(image.dtype).removeprefix("torch."),
                                "order": "hwc" if by_row else "chw"}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        data = bytearray(pathlib.Path(request["output"]).read_bytes())
        return torch.frombuffer(data, dtype=getattr(torch, answer["dtype"])).reshape(answer["shape"])


class TransformTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls.tool = Tool()
        cls.images = {name: photograph(name) for name in
                      ("Wine_by_Jakkub_Mede.jpg", "Dragonfly_by_Bolly.jpg",
                       "umang_by_Abhishek_Mudgal.jpg")}
        cls.images["small, gray"] = F.rgb_to_grayscale(photograph("Dragonfly_by_Bolly.jpg", 37, 29))
        cls.images["tiny"] = photograph("Wine_by_Jakkub_Mede.jpg", 4, 3)

    @classmethod
    def tearDownClass(cls):
        cls.tool.close()

    def setUp(self):
        self.case = None

    def compare(self, ours, theirs, level, share):
        """At most `level` apart, and no more than `share` of the values at all."""
        self.assertEqual((ours.dtype, ours.shape), (theirs.dtype, theirs.shape), self.case)
        difference = (ours.double() - theirs.double()).abs()
        differ = int((difference > 0).sum())
        if float(difference.max()) > level or differ > share * difference.numel():
            self.fail(f"{self.case}: {differ} of {difference.numel()} values differ, by "
                      f"{difference.max()} at most")

    def equal(self, ours, theirs):
        self.compare(ours, theirs, level=0, share=0)

    def close(self, ours, theirs, level=1):
        """Within one level, in one of a thousand values; floats within their rounding."""
        self.compare(ours, theirs, level, share=1e-3 if ours.dtype == torch.uint8 else 1)

    def each(self, *cases, large=False):
        """Each image with each case, which a failure names."""
        for name, image in self.images.items():
            if large and min(image.shape[1:]) < 24:
                continue
            for case in cases or [None]:
                self.case = (name, case)
                yield (image, case) if cases else image


class Geometry(TransformTest):
    SIZES = [[224, 224], [375, 300], [200, 500], [64, 1], [1, 7], [400, 640], [374, 499]]

    def test_resize(self):
        for image, (size, mode, antialias) in self.each(*itertools.product(
                self.SIZES, MODES, [True, False])):
            self.equal(self.tool("resize", image, size=size, interpolation=mode, antialias=antialias),
                       F.resize(image, size, MODES[mode], antialias=antialias))

    def test_resize_of_float_images(self):
        for image, (size, mode) in self.each(*itertools.product(self.SIZES, MODES)):
            image = F.to_dtype(image, torch.float32, scale=True)
            # Contiguous: for a width of 1 ATen 2.11 reads channels_last floats wrongly.
            self.close(self.tool("resize", image, size=size, interpolation=mode),
                       F.resize(image.contiguous(), size, MODES[mode]), level=1e-5)

    def test_resize_of_masks(self):
        for image, size in self.each(*self.SIZES):
            mask = image[:1].long() * 1000
            self.equal(self.tool("resize_mask", mask, size=size), F.resize_mask(mask, size))

    def test_size_by_the_shorter_side(self):
        for height, width, shorter, longest in itertools.product(
                [375, 500, 37], [333, 500, 1000], [224, 256, 7], [None, 300, 512]):
            if longest is not None and longest <= shorter:
                continue
            parameters = {} if longest is None else {"longest": longest}
            ours = self.tool("resized", height=height, width=width, shorter=shorter, **parameters)
            theirs = F.resize(torch.empty(3, height, width, dtype=torch.uint8), [shorter],
                              max_size=longest).shape[1:]
            self.assertEqual(tuple(ours.tolist()), tuple(theirs))

    def test_resized_crop(self):
        crops = [(0, 0, 375, 500), (10, 20, 300, 300), (30, 40, 150, 180), (374, 499, 1, 1),
                 (371, 490, 4, 10), (0, 300, 375, 200), (100, 0, 3, 500)]
        for name in list(self.images)[:3]:
            image = self.images[name]
            for crop, size in itertools.product(crops, [[224, 224], [96, 128]]):
                with self.subTest(name, crop=crop, size=size):
                    top, left, height, width = crop
                    self.equal(self.tool("resized_crop", image, top=top, left=left, height=height,
                                         width=width, size=size),
                               F.resized_crop(image, top, left, height, width, size))

    def test_pad(self):
        for image, (padding, mode) in self.each(*itertools.product(
                [[1, 2, 2, 1], [2, 0, 1, 0], [0, 0, 0, 0]],
                ["constant", "edge", "reflect", "symmetric"])):
            self.equal(self.tool("pad", image, padding=padding, padding_mode=mode, fill=[7]),
                       F.pad(image, padding, 7, mode))
        image = self.images["Dragonfly_by_Bolly.jpg"]
        self.equal(self.tool("pad", image, padding=[4, 4, 4, 4], padding_mode="constant",
                             fill=[1, 2, 200]), F.pad(image, [4, 4, 4, 4], [1, 2, 200]))

    def test_flips(self):
        for image in self.each():
            for image in (image, F.to_dtype(image, torch.float32, scale=True)):
                self.equal(self.tool("horizontal_flip", image), F.horizontal_flip(image))
                self.equal(self.tool("vertical_flip", image), F.vertical_flip(image))
        for width in range(1, 24):
            image = self.images["Dragonfly_by_Bolly.jpg"][:, :3, :width]
            self.equal(self.tool("horizontal_flip", image), F.horizontal_flip(image))

    def test_rotate(self):
        for image, (angle, mode, expand, fill, center) in self.each(*itertools.product(
                [0, 13.7, 90, 180, 270, -45, 359.9], ["nearest", "bilinear"], [False, True],
                [None, [0], [127]], [None, [10, 20]])):
            parameters = {}
            if fill is not None:
                parameters["fill"] = fill
            if center is not None:
                parameters["center"] = center
            self.equal(self.tool("rotate", image, angle=angle, interpolation=mode, expand=expand,
                                 **parameters),
                       F.rotate(image, angle, MODES[mode], expand, center, fill))

    def test_affine(self):
        for image, (angle, translate, scale, shear, mode, fill) in self.each(*itertools.product(
                [0, 30.5], [[0, 0], [20, -7]], [1, 0.7], [[0, 0], [12, -5]],
                ["nearest", "bilinear"], [None, [127]])):
            parameters = {} if fill is None else {"fill": fill}
            self.equal(self.tool("affine", image, angle=angle, translate=translate, scale=scale,
                                 shear=shear, interpolation=mode, **parameters),
                       F.affine(image, angle, translate, scale, shear, MODES[mode], fill))

    BOXES = torch.tensor([[0, 0, 30, 20], [10.5, 3.25, 17, 29], [100, 50, 499, 374], [0, 0, 500, 375],
                          [480, 360, 490, 370], [250, 100, 251, 350]], dtype=torch.float32)

    def boxes_as_theirs(self, theirs, within=1e-3, **parameters):
        """The boxes that torchvision keeps within the image; what it makes of others is empty."""
        ours = self.tool("boxes", self.BOXES, **{"from": [375, 500], **parameters})
        difference = (ours - theirs.as_subclass(torch.Tensor)).abs().max()
        self.assertLessEqual(float(difference), within, (parameters, ours, theirs))

    def test_boxes_move_with_the_image(self):
        boxes = tv_tensors.BoundingBoxes(self.BOXES, format="XYXY", canvas_size=(375, 500))
        self.boxes_as_theirs(F.horizontal_flip(boxes), move="horizontal_flip")
        self.boxes_as_theirs(F.vertical_flip(boxes), move="vertical_flip")
        for size in self.SIZES:
            self.boxes_as_theirs(F.resize(boxes, size), move="resize", size=size)
        for top, left, height, width in ((0, 0, 375, 500), (10, 20, 100, 200), (-5, -7, 400, 520), (300, 0, 75, 500)):
            self.boxes_as_theirs(F.crop(boxes, top, left, height, width), move="crop", top=top, left=left,
                                 height=height, width=width)
        for angle, center in itertools.product([0, 13.7, 90, 180, 270, -45, 359.9], [None, [10, 20]]):
            parameters = {} if center is None else {"center": center}
            self.boxes_as_theirs(F.rotate(boxes, angle, center=center), move="rotate", angle=angle, **parameters)
        for angle in (0, 90, 180, 270, 13.7, -45):
            # Of other angles torchvision puts boxes beside the pixels, by less than one.
            self.boxes_as_theirs(F.rotate(boxes, angle, expand=True), within=1e-3 if angle % 90 == 0 else 1,
                                 move="rotate", angle=angle, expand=True)
        for angle, translate, scale, shear in itertools.product(
                [0, 30.5], [[0, 0], [20, -7]], [1, 0.7], [[0, 0], [12, -5]]):
            self.boxes_as_theirs(F.affine(boxes, angle, translate, scale, shear), move="affine", angle=angle,
                                 translate=translate, scale=scale, shear=shear)

    def test_masks_turn_with_the_image(self):
        for image in self.each():
            mask = image[:1].long()
            self.equal(self.tool("rotate", mask, angle=20, interpolation="nearest", fill=[255]),
                       F.rotate_mask(mask, 20, fill=[255]))


class Color(TransformTest):
    FACTORS = [0.0, 0.3, 0.9, 1.0, 1.7, 3.0]

    def test_factors(self):
        for image, (name, factor) in self.each(*itertools.product(
                ["brightness", "contrast", "saturation"], self.FACTORS)):
            theirs = getattr(F, f"adjust_{name}")
            self.close(self.tool(f"adjust_{name}", image, factor=factor), theirs(image, factor))
            image = F.to_dtype(image, torch.float32, scale=True)
            self.close(self.tool(f"adjust_{name}", image, factor=factor), theirs(image, factor),
                       level=1e-5)

    def test_brightness_and_saturation_to_the_bit(self):
        for image, factor in self.each(*self.FACTORS):
            self.equal(self.tool("adjust_brightness", image, factor=factor),
                       F.adjust_brightness(image, factor))
            self.equal(self.tool("adjust_saturation", image, factor=factor),
                       F.adjust_saturation(image, factor))

    def test_hue(self):
        for image, factor in self.each(-0.5, -0.2, 0, 0.1, 0.5):
            self.close(self.tool("adjust_hue", image, factor=factor), F.adjust_hue(image, factor))
            image = F.to_dtype(image, torch.float32, scale=True)
            self.close(self.tool("adjust_hue", image, factor=factor), F.adjust_hue(image, factor),
                       level=1e-5)

    def test_grayscale(self):
        for image, channels in self.each(1, 3):
            self.equal(self.tool("grayscale", image, channels=channels),
                       F.rgb_to_grayscale(image, channels))
            image = F.to_dtype(image, torch.float32, scale=True)
            self.equal(self.tool("grayscale", image, channels=channels),
                       F.rgb_to_grayscale(image, channels))

    def test_every_byte_in_every_channel(self):
        ramp = torch.arange(256, dtype=torch.uint8)
        image = torch.stack([ramp.repeat(256), ramp.repeat_interleave(256),
                             ramp.flip(0).repeat(256)]).reshape(3, 256, 256)
        self.equal(self.tool("grayscale", image, channels=1), F.rgb_to_grayscale(image))
        self.close(self.tool("adjust_hue", image, factor=0.3), F.adjust_hue(image, 0.3))
        self.equal(self.tool("adjust_saturation", image, factor=1.4),
                   F.adjust_saturation(image, 1.4))

    def test_sharpness(self):
        for image, factor in self.each(*self.FACTORS):
            self.equal(self.tool("adjust_sharpness", image, factor=factor),
                       F.adjust_sharpness(image, factor))

    def test_integer_operations(self):
        for image in self.each():
            for bits in range(9):
                self.equal(self.tool("posterize", image, bits=bits), F.posterize(image, bits))
            for threshold in (0, 99.5, 128, 255):
                self.equal(self.tool("solarize", image, threshold=threshold),
                           F.solarize(image, threshold))
            self.equal(self.tool("autocontrast", image), F.autocontrast(image))
            self.equal(self.tool("autocontrast", image // 3 + 20), F.autocontrast(image // 3 + 20))
            self.equal(self.tool("equalize", image), F.equalize(image))
            self.equal(self.tool("invert", image), F.invert(image))
        flat = torch.full((3, 9, 9), 17, dtype=torch.uint8)
        self.equal(self.tool("equalize", flat), F.equalize(flat))
        self.equal(self.tool("autocontrast", flat), F.autocontrast(flat))

    def test_blur(self):
        for image, (kernel, sigma) in self.each(*itertools.product(
                [[3, 3], [23, 5], [1, 9]], [0.1, 1.0, 2.5]), large=True):
            self.close(self.tool("gaussian_blur", image, kernel=kernel, sigma=sigma),
                       F.gaussian_blur(image, kernel, sigma))
            image = F.to_dtype(image, torch.float32, scale=True)
            self.close(self.tool("gaussian_blur", image, kernel=kernel, sigma=sigma),
                       F.gaussian_blur(image, kernel, sigma), level=1e-5)


class Augmentation(TransformTest):
    FAMILIES = {"AutoAugment": v2.AutoAugment(), "RandAugment": v2.RandAugment(),
                "TrivialAugmentWide": v2.TrivialAugmentWide(), "AugMix": v2.AugMix()}

    def test_magnitudes(self):
        for family, theirs in self.FAMILIES.items():
            for operation, (magnitudes, signed) in theirs._AUGMENTATION_SPACE.items():
                for steps in (10, 31):
                    expected = magnitudes(steps, 375, 500)
                    if expected is None:
                        expected = torch.zeros(steps)
                    ours = torch.stack([
                        self.tool("magnitude", family=family, operation=operation, step=step,
                                  steps=steps, height=375, width=500) for step in range(steps)])
                    with self.subTest(family, operation=operation, steps=steps):
                        self.close(ours[:, 0], expected.float(), level=1e-4)
                        self.assertEqual(bool(ours[0, 1]), signed)

    def test_operations(self):
        family = self.FAMILIES["AutoAugment"]
        operations = {"Identity": [0], "ShearX": [0.3, -0.99], "ShearY": [-0.3, 0.1],
                      "TranslateX": [31.9, -40], "TranslateY": [-7.2, 3], "Rotate": [30, -135],
                      "Brightness": [0.9, -0.4], "Color": [0.9, -0.9], "Contrast": [0.5, -0.9],
                      "Sharpness": [0.9, -0.9], "Posterize": [4, 8], "Solarize": [0.3, 1],
                      "AutoContrast": [0], "Equalize": [0], "Invert": [0]}
        for image, (operation, mode, fill) in self.each(*itertools.product(
                operations, ["nearest", "bilinear"], [None, [127]])):
            for magnitude in operations[operation]:
                parameters = {} if fill is None else {"fill": fill}
                ours = self.tool("augment", image, operation=operation, magnitude=magnitude,
                                 interpolation=mode, **parameters)
                theirs = family._apply_image_or_video_transform(
                    image, operation, magnitude, MODES[mode], {torch.Tensor: fill})
                (self.close if operation == "Contrast" else self.equal)(ours, theirs)

    def test_weighted_sum(self):
        weights = torch.tensor([0.2, 0.5, 0.3])
        for image in self.each():
            images = [image, F.horizontal_flip(image), F.invert(image)]
            theirs = weights[0] * image
            for weight, other in zip(weights[1:], images[1:]):
                theirs.add_(weight * other)
            self.equal(self.tool("weighted_sum", image, weights=weights.tolist()),
                       theirs.to(torch.uint8))

    def test_erase(self):
        for image in self.each():
            part = dict(top=1, left=0, height=2, width=3)
            for image, value in ((image, 30), (F.to_dtype(image, torch.float32, scale=True), 0.3)):
                theirs = F.erase(image, 1, 0, 2, 3, torch.tensor([value])[:, None, None])
                self.equal(self.tool("erase", image, value=[value], **part), theirs)


class Batches(TransformTest):
    def test_mixup_and_cutmix(self):
        batch = torch.rand(4, 3, 20, 30)
        for share in (0, 0.3, 1):
            self.equal(self.tool("mixup", batch, share=share),
                       batch.roll(1, 0).mul_(1.0 - share).add_(batch.mul(share)))
        theirs = batch.clone()
        theirs[..., 3:10, 5:30] = batch.roll(1, 0)[..., 3:10, 5:30]
        self.equal(self.tool("cutmix", batch, top=3, left=5, height=7, width=25), theirs)
        self.equal(self.tool("cutmix", batch, top=3, left=5, height=0, width=25), batch)


class Floats(TransformTest):
    def test_normalize_bytes_as_totensor_and_normalize(self):
        theirs = v1.Compose([v1.ToTensor(), v1.Normalize(MEAN, STD)])
        for name, image in self.images.items():
            if image.shape[0] == 3:
                self.equal(self.tool("normalize", image, mean=MEAN, std=STD),
                           theirs(Image.fromarray(image.permute(1, 2, 0).numpy())))

    def test_normalize_floats(self):
        for image in self.each():
            mean, std = MEAN[:image.shape[0]], STD[:image.shape[0]]
            image = F.to_dtype(image, torch.float32, scale=True)
            self.equal(self.tool("normalize", image, mean=mean, std=std),
                       F.normalize(image, mean, std))


if __name__ == "__main__":
    unittest.main()

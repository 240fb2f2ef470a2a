"""Real photographs of one size, cut from Debian's wallpapers (package lomiri-wallpapers-16.04): a class a
wallpaper, written once into a folder of the caller's. Needs Pillow."""
import pathlib
import random
import sys

from PIL import Image

WALLPAPERS = pathlib.Path("/usr/share/backgrounds")
SIZE = (500, 375)


def write(folder, count, seed=1):
    """`count` JPEG files of 500 x 375 (quality 90, 4:2:0) as folder/<wallpaper>/<n>.jpg."""
    sources = sorted(WALLPAPERS.glob("*_by_*.jpg"))
    if not sources:
        raise SystemExit(f"no wallpapers in {WALLPAPERS}: apt-get install lomiri-wallpapers-16.04")
    draw = random.Random(seed)
    for number, source in enumerate(sources):
        image = Image.open(source).convert("RGB")
        target = pathlib.Path(folder) / source.stem
        target.mkdir(parents=True, exist_ok=True)
        for i in range(number, count, len(sources)):
            scale = draw.uniform(1, min(image.width / SIZE[0], image.height / SIZE[1]))
            width, height = int(SIZE[0] * scale), int(SIZE[1] * scale)
            left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
            part = image.resize(SIZE, Image.BICUBIC, (left, top, left + width, top + height))
            part.save(target / f"{i:05}.jpg", quality=90, subsampling="4:2:0")


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]))

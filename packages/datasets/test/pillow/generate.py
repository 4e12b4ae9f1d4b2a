"""Writes cases.json: small pictures encoded by Pillow, with the pixels that Pillow decodes, and pictures that it resized.

python -m pip install pillow && python generate.py
"""

import base64
import io
import json
import random

import PIL
from PIL import Image, ImageOps

rng = random.Random(7)


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def picture(mode, width, height):
    """Smooth enough for JPEG, but with an edge; each mode's channels differ."""
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            edge = 60 if (x // 4 + y // 5) % 2 else 0
            image.putpixel((x, y), (x * 180 // width + edge, y * 180 // height + edge, (x + y) * 170 // (width + height) + edge))
    return image.convert(mode)


def on_white(image):
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        values = list(image.get_flattened_data())
        return Image.frombytes("L", image.size, bytes((v * 255 + 32767) // 65535 for v in values)).convert("RGB")
    if image.mode == "P" or "transparency" in image.info or image.mode in ("LA", "RGBA"):
        rgba = image.convert("RGBA")
        out = Image.new("RGB", image.size)
        out.putdata([tuple((c * a + 255 * (255 - a) + 127) // 255 for c in (r, g, b)) for r, g, b, a in rgba.get_flattened_data()])
        return out
    return image.convert("RGB")


decode = []


def case(name, image, within, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    expected = on_white(Image.open(io.BytesIO(stream.getvalue())))
    decode.append({"name": name, "within": within, "width": expected.width, "height": expected.height, "file": b64(stream.getvalue()), "pixels": b64(expected.tobytes())})


# JPEG. Two decoders may round the inverse transform and the colour transform differently: within 4.
rgb = picture("RGB", 19, 13)
case("jpeg 4:4:4", rgb, 4, format="JPEG", quality=90, subsampling=0)
# Chroma is the same everywhere, so that interpolating it or repeating it (as jpeg-js does) is all one.
luma = picture("L", 37, 22).point(lambda value: 70 + value * 120 // 255)  # far enough from 0 and 255 that no channel is clipped
tinted = Image.merge("YCbCr", (luma, Image.new("L", (37, 22), 100), Image.new("L", (37, 22), 160))).convert("RGB")
case("jpeg 4:2:0", tinted, 5, format="JPEG", quality=95, subsampling=2)
case("jpeg 4:2:2", tinted, 5, format="JPEG", quality=95, subsampling=1)
case("jpeg progressive", rgb, 4, format="JPEG", quality=90, subsampling=0, progressive=True)
case("jpeg grey", picture("L", 19, 13), 2, format="JPEG", quality=90)
case("jpeg grey, restart markers", picture("L", 40, 24), 2, format="JPEG", quality=90, restart_marker_blocks=4)
case("jpeg restart markers", rgb, 4, format="JPEG", quality=90, subsampling=0, restart_marker_blocks=2)
case("jpeg stored as RGB", rgb, 2, format="JPEG", quality=95, keep_rgb=True)
case("jpeg CMYK", picture("CMYK", 19, 13), 6, format="JPEG", quality=95)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    case(f"jpeg orientation {orientation}", picture("RGB", 16, 8), 4, format="JPEG", quality=95, subsampling=0, exif=exif)

# PNG: exact.
case("png RGB", rgb, 0, format="PNG")
case("png grey", picture("L", 19, 13), 0, format="PNG")
case("png 1 bit", picture("1", 19, 13), 0, format="PNG")
case("png grey 16 bits", Image.frombytes("I;16", (7, 5), bytes(rng.randrange(256) for _ in range(70))), 0, format="PNG")
alpha = Image.frombytes("L", (19, 13), bytes(rng.randrange(256) for _ in range(19 * 13)))
case("png RGB with alpha", Image.merge("RGBA", (*rgb.split(), alpha)), 0, format="PNG")
case("png grey with alpha", Image.merge("LA", (picture("L", 19, 13), alpha)), 0, format="PNG")
for bits in (1, 2, 4, 8):
    case(f"png palette {bits} bits", rgb.quantize(2**bits if bits < 8 else 200), 0, format="PNG", bits=bits)
palette = rgb.quantize(16)
case("png palette with alpha", palette, 0, format="PNG", transparency=bytes(range(0, 160, 10)))
case("png RGB with one clear colour", rgb, 0, format="PNG", transparency=rgb.getpixel((3, 3)))
case("png grey with one clear value", picture("L", 19, 13), 0, format="PNG", transparency=picture("L", 19, 13).getpixel((5, 5)))

resize = []
source = Image.frombytes("RGB", (37, 29), bytes(rng.randrange(256) for _ in range(37 * 29 * 3)))
for width, height in ((37, 29), (16, 16), (24, 20), (5, 3), (1, 1), (64, 50), (20, 45)):
    resize.append({"name": f"{source.width} x {source.height} to {width} x {height}", "width": width, "height": height, "pixels": b64(source.resize((width, height), Image.BICUBIC).tobytes())})

with open("cases.json", "w") as file:
    json.dump({"generator": f"generate.py, Pillow {PIL.__version__}", "decode": decode, "resize": {"width": source.width, "height": source.height, "pixels": b64(source.tobytes()), "cases": resize}}, file, indent=1)
    file.write("\n")

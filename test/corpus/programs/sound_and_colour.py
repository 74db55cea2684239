"""Synthesises a sound file, computes colours and draws a bitmap by hand."""
import colorsys
import hashlib
import io
import math
import struct
import wave
import zlib


def tone(frequency, seconds, rate=8000):
    return b"".join(struct.pack("<h", round(20000 * math.sin(2 * math.pi * frequency * n / rate))) for n in range(int(seconds * rate)))


def png(width, height, pixel):
    rows = b"".join(b"\0" + bytes(c for x in range(width) for c in pixel(x, y)) for y in range(height))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def main(args, context):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(8000)
        w.writeframes(tone(440, 0.05))
    buffer.seek(0)
    with wave.open(buffer) as w:
        read = [list(w.getparams())[:5], hashlib.md5(w.readframes(100)).hexdigest(), w.tell()]
    image = png(8, 4, lambda x, y: [int(255 * c) for c in colorsys.hsv_to_rgb(x / 8, 1, y / 4)])
    bmp = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54 + 16, 0, 0, 54, 40, 2, 2, 1, 24, 0, 16, 2835, 2835, 0, 0) + bytes(16)
    try:
        wave.open(io.BytesIO(b"RIFFxxxxWAVE"))
    except (wave.Error, EOFError) as error:
        bad = [type(error).__name__, str(error)]
    return {"wave": read, "bad": bad, "colours": [colorsys.rgb_to_hls(0.2, 0.4, 0.4), colorsys.hls_to_rgb(0.5, 0.3, 0.7), colorsys.rgb_to_yiq(1, 0.5, 0.25), colorsys.rgb_to_hsv(0.1, 0.2, 0.3)], "png": [len(image), hashlib.sha1(image).hexdigest()], "bmp": [len(bmp), bmp[:20].hex()], "mandelbrot": ["".join(" .:-=+*#%@"[min(9, escape(complex(x / 20 - 2, y / 6 - 1)) // 3)] for x in range(50)) for y in range(12)]}


def escape(c):
    z, n = 0j, 0
    while abs(z) < 2 and n < 29:
        z, n = z * z + c, n + 1
    return n

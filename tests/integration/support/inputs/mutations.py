"""Images in every format, damaged as by a careless or hostile client; reproducible in every run."""

import io
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
PHOTO_SIDE = 64  # a photo of 16 megapixels would be the decoder's work, not the fuzzer's
EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
LONGEST_HEADER = 64

Mutation = Callable[[random.Random, bytes, bytes], bytes]


def corpus(samples: Sequence[Path]) -> list[bytes]:
    """Returns each sample unchanged, unless it is large, and in each of FORMATS."""
    bodies = []
    for sample in samples:
        picture = Image.open(sample)
        picture.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        for name in FORMATS:
            file = io.BytesIO()
            picture.save(file, format=name)
            bodies.append(file.getvalue())
    return bodies


def mutants(bodies: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yields bodies with one to three mutations, spliced with others of the corpus."""
    chance = random.Random(seed)
    for _ in range(count):
        body = chance.choice(bodies)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            body = chance.choice(MUTATIONS)(chance, body, chance.choice(bodies))
        yield body


def flip_bits(chance: random.Random, body: bytes, other: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.choice((1, 2, 8, 64)) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(chance: random.Random, body: bytes, other: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def keep_the_header(chance: random.Random, body: bytes, other: bytes) -> bytes:
    return body[: chance.randrange(LONGEST_HEADER)]


def splice(chance: random.Random, body: bytes, other: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)] + other[chance.randrange(len(other) + 1) :]


def change_a_length(chance: random.Random, body: bytes, other: bytes) -> bytes:
    """Sizes and offsets are near the start in most formats."""
    value, size, order = chance.choice(EXTREMES), chance.choice((1, 2, 4)), chance.choice(("big", "little"))
    start = chance.randrange(min(LONGEST_HEADER, len(body)) + 1)
    field = (value & ((1 << 8 * size) - 1)).to_bytes(size, "big" if order == "big" else "little")
    return body[:start] + field + body[start + size :]


def repeat_a_part(chance: random.Random, body: bytes, other: bytes) -> bytes:
    start = chance.randrange(len(body) + 1)
    part = body[start : start + chance.choice((1, 4, 64, 1024))]
    return body[:start] + part * chance.choice((2, 16)) + body[start:]


def make_noise(chance: random.Random, body: bytes, other: bytes) -> bytes:
    return chance.randbytes(chance.choice((0, 1, 16, 784, 4096)))


MUTATIONS: Sequence[Mutation] = (
    flip_bits,
    truncate,
    keep_the_header,
    splice,
    change_a_length,
    repeat_a_part,
    make_noise,
)


def smallest(body: bytes, still_fails: Callable[[bytes], bool]) -> bytes:
    """Cuts pieces out, halves first, as long as what is left still fails."""
    size = len(body) // 2
    while size:
        start = 0
        while start < len(body):
            shorter = body[:start] + body[start + size :]
            if still_fails(shorter):
                body = shorter
            else:
                start += size
        size //= 2
    return body

#!/usr/bin/env python3
"""Golden bytes of the block formats: what the gguf package reads from random blocks, and what it makes of numbers.

    python make.py           writes, beside this file,

    NAME.bin                 random blocks (finite scales of all sizes and both signs), then the numbers in them as f32
    x.f32                    numbers to be packed: normal ones, zeros, ties, outliers, a constant
    NAME.packed              x as blocks of Q8_0, Q5_0 and Q4_0
"""
import os

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
BLOCKS = 12

# Where the f16 fields of a block lie.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

for name, fields in SCALES.items():
    kind = GGMLQuantizationType[name]
    block, size = GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in fields:
        scale = (rng.standard_normal(BLOCKS) * 10.0 ** rng.integers(-6, 3, BLOCKS)).astype(np.float16)
        data[:, at:at + 2] = scale.view(np.uint8).reshape(BLOCKS, 2)
    values = dequantize(data, kind)
    assert values.shape == (BLOCKS, block) and np.isfinite(values).all()
    with open(os.path.join(HERE, name + ".bin"), "wb") as f:
        f.write(data.tobytes() + values.astype("<f4").tobytes())

x = rng.standard_normal((24, 32)).astype(np.float32)
x[1] = 0
x[2] = 0.75
x[3] = -0.75
x[4, 5] = 40  # one outlier flattens its block
x[5] *= 1e-3
x[6] *= 1e4
x[7] = np.arange(32) - 16  # steps of the code: ties and both ends
x[8] = (np.arange(32) - 15) * 0.5
x[9] = np.where(np.arange(32) % 2, 127, 0.5)
x[10, 3], x[10, 9] = 5, -5  # the first of two equal ones counts
x[11, 3], x[11, 9] = -5, 5
x[12, 7] = -0.0
x.astype("<f4").tofile(os.path.join(HERE, "x.f32"))
for name in "Q8_0", "Q5_0", "Q4_0":
    quantize(x, GGMLQuantizationType[name]).tofile(os.path.join(HERE, name + ".packed"))

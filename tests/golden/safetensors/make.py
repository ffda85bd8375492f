"""Writes python.safetensors, and the two shards with their index, with the safetensors package.

    python make.py            write the files beside this script
    python make.py FILE       check that FILE, written by tailor, holds the same tensors
"""
import json
import os
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

here = os.path.dirname(os.path.abspath(__file__))
tensors = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
    "half": np.array([1, -2, 65504, 2.0**-24], dtype=np.float16),
    "ids": np.array([[-1, 2**40]], dtype=np.int64),
    "scalar": np.array(7, dtype=np.uint8),
    "empty": np.zeros((0, 4), dtype=np.float32),
}

if len(sys.argv) > 1:
    found = load_file(sys.argv[1])
    assert sorted(found) == sorted(tensors), sorted(found)
    for name, want in tensors.items():
        assert found[name].dtype == want.dtype and found[name].shape == want.shape, name
        assert (found[name] == want).all(), name
    with safe_open(sys.argv[1], "numpy") as f:
        assert f.metadata() == {"format": "pt"}, f.metadata()
    print("same tensors, same metadata")
else:
    save_file(tensors, os.path.join(here, "python.safetensors"), {"format": "pt"})
    os.makedirs(os.path.join(here, "sharded"), exist_ok=True)
    shards = {"model-00001-of-00002.safetensors": ["w", "half"], "model-00002-of-00002.safetensors": ["ids"]}
    for name, names in shards.items():
        save_file({n: tensors[n] for n in names}, os.path.join(here, "sharded", name), {"format": "pt"})
    weight_map = {n: name for name, names in shards.items() for n in names}
    with open(os.path.join(here, "sharded", "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": 48}, "weight_map": weight_map}, f, indent=2)

#!/usr/bin/env python3
"""sample.gguf: one value of each type and three tensors, written by the gguf package."""
import os

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import quantize

HERE = os.path.dirname(os.path.abspath(__file__))
w = GGUFWriter(os.path.join(HERE, "sample.gguf"), "sample")
w.add_uint8("u8", 255)
w.add_int8("i8", -128)
w.add_uint16("u16", 65535)
w.add_int16("i16", -32768)
w.add_uint32("u32", 2**32 - 1)
w.add_int32("i32", -2**31)
w.add_uint64("u64", 2**63 - 1)
w.add_key_value("i64", -2**63, GGUFValueType.INT64)
w.add_float32("f32", 0.25)
w.add_float64("f64", 0.1)
w.add_bool("bool", True)
w.add_string("string", "text")
w.add_array("strings", ["one", "", "caf\u00e9"])
w.add_array("numbers", [7, -7])
w.add_tensor("w", (np.arange(6, dtype=np.float32) / 4).reshape(2, 3))
w.add_tensor("half", np.arange(5, dtype=np.float16))
blocks = np.tile(np.arange(64, dtype=np.float32) - 31, (2, 1))
w.add_tensor("blocks", quantize(blocks, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()

"""peer_tokenizers.py DIR text|lines - the rows of encoding by the package `tokenizers`, one thread.

DIR has tokenizer.json, or Qwen2's vocab.json and merges.txt.  Prints {"peak_gb"} when it has encoded once, then {"value":
megabytes a second} for each line on standard input.
"""
import os

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import glob
import json
import resource
import sys
import time

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
folder, kind = sys.argv[1:3]


def opened():
    path = os.path.join(folder, "tokenizer.json")
    if os.path.exists(path):
        return Tokenizer.from_file(path)
    t = Tokenizer(models.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")))
    t.normalizer, t.decoder = normalizers.NFC(), decoders.ByteLevel()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return t


def text():
    for pattern in ("src/*/*.c", "src/*/*.h", "docs/*.md"):
        for path in sorted(glob.glob(pattern)):
            with open(path, encoding="utf-8", newline="") as f:
                yield f.read()


tokenizer, whole = opened(), "".join(text())
size, lines = len(whole.encode()) / 1e6, whole.splitlines(True)


def rate():
    start = time.perf_counter()
    if kind == "lines":
        tokenizer.encode_batch_fast(lines, add_special_tokens=False)
    else:
        tokenizer.encode(whole, add_special_tokens=False)
    return size / (time.perf_counter() - start)


rate()
print(json.dumps({"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"value": rate()}), flush=True)

"""peer_llm_c.py TRAIN_GPT2 THREADS - a training step of GPT-2 124M by llm.c's train_gpt2, 4 x 64 tokens, as it is built.

It reads its weights and tokens by fixed names: a folder with random ones is made for it, and gone afterwards.  Prints
{"peak_gb": 0} when that is there, then for each line on standard input {"value": tokens a second}, the median of a few
steps of a run.
"""
import array
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

program, threads = os.path.abspath(sys.argv[1]), sys.argv[2]
T, V, L, H, C, VP = 1024, 50257, 12, 12, 768, 50304
B, LENGTH, STEPS = 4, 64, 4  # what train_gpt2.c has; a run is ended after so many steps


def header(*numbers):
    return array.array("i", list(numbers) + [0] * (256 - len(numbers)))


def weights(out):
    rng = random.Random(1)
    some = array.array("f", [rng.uniform(-0.035, 0.035) for _ in range(C * C)])
    ones, zeros = array.array("f", [1.0]), array.array("f", [0.0])

    def put(numbers, n):
        for at in range(0, n, len(numbers)):
            out.write(numbers[:min(len(numbers), n - at)].tobytes())

    out.write(header(20240326, 3, T, V, L, H, C, VP).tobytes())
    ones, zeros = ones * (L * C), zeros * (L * 4 * C)
    put(some, VP * C + T * C)
    for one, n in ((ones, C), (zeros, C), (some, 3 * C * C), (zeros, 3 * C), (some, C * C), (zeros, C), (ones, C),
                   (zeros, C), (some, 4 * C * C), (zeros, 4 * C), (some, 4 * C * C), (zeros, C)):
        put(one, L * n)
    put(ones, C)
    put(zeros, C)


def run(folder):
    times = []
    process = subprocess.Popen([program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=dict(os.environ, OMP_NUM_THREADS=threads))
    for line in process.stdout:
        if line.startswith("step ") and "took" in line:
            times.append(float(line.split("took")[1].split()[0]) / 1000)
        if len(times) > STEPS:
            break
    process.kill()
    process.wait()
    if len(times) <= STEPS:
        sys.exit(f"{program}: it made {len(times)} steps")
    return B * LENGTH / statistics.median(times[1:])


with tempfile.TemporaryDirectory() as folder:
    data = f"{folder}/dev/data/tinyshakespeare"
    os.makedirs(data)
    with open(f"{folder}/gpt2_124M.bin", "wb") as out:
        weights(out)
    rng = random.Random(2)
    ids = array.array("H", [rng.randrange(V) for _ in range(B * LENGTH * 40 + 1)])
    for name in ("train", "val"):
        with open(f"{data}/tiny_shakespeare_{name}.bin", "wb") as out:
            out.write(header(20240520, 1, len(ids)).tobytes())
            out.write(ids.tobytes())
    print(json.dumps({"peak_gb": 0}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"value": run(folder)}), flush=True)

"""peer_llm_c.py TRAIN_GPT2 THREADS - a training step of GPT-2 124M by llm.c's train_gpt2, 4 x 64 tokens, as it is built.

It reads its weights and tokens by fixed names: a folder with random ones is made for it, and gone afterwards.  It makes 40
steps and is held up between turns.  Prints {"peak_gb": 0} after the first step, then for each line on standard input
{"value": tokens a second} by its own clock, of a step that was not held up.
"""
import array
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import tempfile

program, threads = os.path.abspath(sys.argv[1]), sys.argv[2]
T, V, L, H, C, VP = 1024, 50257, 12, 12, 768, 50304
B, LENGTH = 4, 64  # what train_gpt2.c has


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


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a signal that reaches one that is held up


def start(folder):
    # stdbuf: a line comes when it is printed.
    process = subprocess.Popen(["stdbuf", "-oL", program], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               env=dict(os.environ, OMP_NUM_THREADS=threads), preexec_fn=end_with_parent)
    step(process)
    process.send_signal(signal.SIGSTOP)
    return process


def step(process):
    """Seconds of the step that ends next."""
    for line in process.stdout:
        if line.startswith("step ") and "took" in line:
            return float(line.split("took")[1].split()[0]) / 1000
    sys.exit(f"{program}: it ended")


def turn(process):
    process.send_signal(signal.SIGCONT)
    step(process)  # was held up in the middle
    seconds = step(process)
    process.send_signal(signal.SIGSTOP)
    return B * LENGTH / seconds


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
    process = start(folder)
    try:
        print(json.dumps({"peak_gb": 0}), flush=True)
        for _ in sys.stdin:
            print(json.dumps({"value": turn(process)}), flush=True)
    finally:
        process.kill()
        process.wait()

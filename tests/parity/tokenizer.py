"""Our ids held live against those of the Python package `tokenizers`, on many texts.

    python tests/parity/tokenizer.py [--texts N] [--seed N] [--characters] [DATA]

Run from the root of the source after `make`; BUILD names the build folder.  Compares the golden tokenizers of
tests/golden/tokenizer and, where DATA holds gpt2/ and qwen2/ (vocab.json, merges.txt), those.  Ends with 1 where an id
or a decoded text differs.
"""
import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time

GOLDEN = "tests/golden/tokenizer"


def build(folder):
    """The driver, linked with the library as built."""
    program = os.path.join(folder, "tokenizer_ids")
    library = os.path.join(os.environ.get("BUILD", "build"), "libtailor.a")
    packages = ["jansson", "libcyaml", "libpcre2-8", "libutf8proc", "libcrypto"]
    libs = subprocess.run(["pkg-config", "--libs"] + packages, check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-Isrc", "-o", program, "tests/parity/tokenizer_ids.c", library] + libs +
                   ["-lm", "-fopenmp"], check=True)
    return program


def ours(program, directory, flags, texts):
    sent = b"".join(b"%d\n%s" % (len(b), b) for b in (t.encode() for t in texts))
    start = time.time()
    got = subprocess.run([program, directory, str(flags)], input=sent, check=True, capture_output=True).stdout
    seconds = time.time() - start
    answers, at = [], 0
    while at < len(got):
        end = got.index(b"\n", at)
        line, at = got[at:end], end + 1
        if line.startswith(b"!"):
            answers.append((line.decode(), None))
            continue
        ids, size = line.split(b"|")
        answers.append(([int(i) for i in ids.split()], got[at:at + int(size)]))
        at += int(size) + 1
    return answers, seconds


# Characters that Unicode 14 and 15 added or reordered among marks: the package's tables for NFC are older, ours for
# \p{N} and \p{L} (PCRE2 10.42) too.
NEWER = {0x0c3c, 0x1df6, 0x1e4ec, 0x1e4ed} | set(range(0x1d2c0, 0x1d2d4))


def random_texts(rng, n, specials):
    ranges = [(0x20, 0x7e), (0x20, 0x7e), (0x00, 0x24f), (0x250, 0x6ff), (0x900, 0xdff), (0x1e00, 0x20cf), (0x2100, 0x27bf),
              (0x3000, 0x30ff), (0x4e00, 0x4fff), (0xac00, 0xacff), (0x1f300, 0x1f6ff), (0x300, 0x36f)]
    bits = [" ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "'Re", "123", "9", "\u00a0", "\u3000", "e\u0301", "word"] + specials
    for _ in range(n):
        out = []
        low, high = rng.choice(ranges)
        for _ in range(rng.randint(0, 60)):
            kind = rng.random()
            if kind < 0.3:
                out.append(rng.choice(bits))
            elif kind < 0.4:
                low, high = rng.choice(ranges)
            elif kind < 0.5:
                out.append(rng.choice("etaoin shrdlu") * rng.randint(1, 5))
            else:
                out.append(chr(rng.randint(low, high)))
        yield "".join(c for c in "".join(out) if ord(c) not in NEWER)


def every_character():
    """Each character beside letters, digits, marks and spaces."""
    for c in range(0x110000):
        if not 0xd800 <= c < 0xe000 and c not in NEWER:
            yield "a%cb %c1%c'%c \n%c\u0301" % (c, c, c, c, c)


def compare(name, program, directory, reference, texts):
    """Decoded texts are not compared where an added token holds a letter that is not ASCII: the package reads that
    letter as GPT-2's spelling of a byte, we give the token's own text."""
    bad = 0
    letters = {i for i, t in reference.get_added_tokens_decoder().items() if not t.content.isascii()}
    for flags, special, as_text in ((1, True, False), (0, False, False), (3, True, True)):
        reference.encode_special_tokens = as_text
        answers, seconds = ours(program, directory, flags, texts)
        start = time.time()
        wanted = [e.ids for e in reference.encode_batch(texts, add_special_tokens=special)]
        peer = time.time() - start
        if len(answers) != len(texts):
            sys.exit("%s: %d answers for %d texts" % (name, len(answers), len(texts)))
        for text, (ids, back), want in zip(texts, answers, wanted):
            same = ids == want
            if same and (letters & set(ids) or reference.decode(ids) == back.decode("utf-8", "replace")):
                continue
            bad += 1
            if bad <= 10:
                print("%s flags %d: %r\n  ours   %s\n  wanted %s" % (name, flags, text, ids if not same else back,
                                                                   want if not same else reference.decode(ids)))
        print("%-8s flags %d: %d texts, %d different so far; %.2f s with start and decoding, the package %.2f s" %
              (name, flags, len(texts), bad, seconds, peer))
    return bad


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--texts", type=int, default=20000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--characters", action="store_true", help="also every character there is (minutes)")
    p.add_argument("data", nargs="?", default="../shared/data/tokenizers")
    a = p.parse_args()
    from tokenizers import Tokenizer
    spec = importlib.util.spec_from_file_location("make", os.path.join(GOLDEN, "make.py"))
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    bad = 0
    with open(os.path.join(GOLDEN, "strings.json"), encoding="ascii") as f:
        fixed = json.load(f)
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder)
        for name in ("tiny", "styled", "gpt2", "qwen2"):
            directory = os.path.join(GOLDEN, name)
            if name in ("gpt2", "qwen2"):
                directory = os.path.join(a.data, name)
                if not os.path.exists(os.path.join(directory, "merges.txt")):
                    print("%s: not there, left out" % directory)
                    continue
                reference = make.legacy(directory, name)
            else:
                reference = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
            specials = [t.content for t in reference.get_added_tokens_decoder().values()]
            texts = fixed + list(random_texts(random.Random(a.seed), a.texts, specials))
            if a.characters and name in ("tiny", "qwen2"):
                texts += every_character()
            bad += compare(name, program, directory, reference, texts)
    sys.exit(1 if bad else 0)


main()

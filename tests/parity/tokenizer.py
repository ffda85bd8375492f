"""Our ids held live against those of the packages `tokenizers`, `sentencepiece` and `tiktoken`, on many texts.

    python tests/parity/tokenizer.py [--texts N] [--seed N] [--only NAME,...] [--quick] [DATA]

Run from the root of the source after `make`; BUILD names the build folder.  Compared are the golden tokenizers of
tests/golden/tokenizer and, where DATA holds them, GPT-2's and Qwen2's vocab.json and merges.txt, SentencePiece models
(Mistral's two, a Unigram), and what can be made of these: a rank file, GGUF files, tokenizer.json by transformers.  The
texts: fixed ones, random ones by a seed that is printed, every assigned character alone and between others, a megabyte
without a space, bytes that are no UTF-8, and every file under DATA/.. (left out with --quick).  Each text is decoded
again, whole and token by token.  Ends with 1 where an id or a decoded text differs.
"""
import argparse
import base64
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

GOLDEN = "tests/golden/tokenizer"
SPECIAL, AS_TEXT, REPLACE = 1, 2, 4


def module(name):
    spec = importlib.util.spec_from_file_location(name, os.path.join(GOLDEN, name + ".py"))
    m = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(m)
    return m


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
    """[(ids, decoded bytes) or (refusal, None)] for texts of bytes, and the seconds that took."""
    sent = b"".join(b"%d\n%s" % (len(b), b) for b in texts)
    start = time.time()
    done = subprocess.run([program, directory, str(flags)], input=sent, capture_output=True)
    if done.returncode:
        sys.exit("%s: %s" % (directory, done.stderr.decode(errors="replace")))
    got, seconds = done.stdout, time.time() - start
    answers, at = [], 0
    while at < len(got):
        end = got.index(b"\n", at)
        line, at = got[at:end], end + 1
        if line.startswith(b"!"):
            answers.append((line.decode(), None))
            continue
        ids, size = line.split(b"|")
        answers.append((list(map(int, ids.split())), got[at:at + int(size)]))
        at += int(size) + 1
    if len(answers) != len(texts):
        sys.exit("%s: %d answers for %d texts" % (directory, len(answers), len(texts)))
    return answers, seconds


# ---- the packages, each with encode(texts, flags) -> [ids] and decode(ids) -> text or None where it is not compared ----

class Tokenizers:
    name = "tokenizers"

    def __init__(self, t):
        self.t = t
        self.added = [a.content for a in t.get_added_tokens_decoder().values()]
        # The package reads a letter beyond ASCII of an added token as GPT-2's spelling of a byte, we give the text.
        self.letters = {i for i, a in t.get_added_tokens_decoder().items() if not a.content.isascii()}

    def encode(self, texts, flags):
        self.t.encode_special_tokens = bool(flags & AS_TEXT)
        return [e.ids for e in self.t.encode_batch(texts, add_special_tokens=bool(flags & SPECIAL))]

    def decode(self, ids):
        return None if self.letters & set(ids) else self.t.decode(ids)


class SentencePiece:
    """Control symbols are never found in a text: AS_TEXT.  A NUL ends the package's texts, and an unknown piece is spelt
    by it and left out by us."""
    name = "sentencepiece"
    added = []

    def __init__(self, path):
        import sentencepiece
        self.p = sentencepiece.SentencePieceProcessor(model_file=path)

    def tie(self, ids, want):
        """Two cuts of one text whose scores add up to the same: which is taken is a matter of rounding."""
        def total(x):
            return sum(self.p.get_score(i) for i in x)
        return self.decode(ids) == self.decode(want) and abs(total(ids) - total(want)) < 0.05

    def encode(self, texts, flags):
        before = [self.p.bos_id()] if flags & SPECIAL else []
        return [before + ids for ids in self.p.encode(texts)]

    def decode(self, ids):
        return None if self.p.unk_id() in ids else self.p.decode([i for i in ids if not self.p.is_control(i)])


class Tiktoken:
    name = "tiktoken"

    def __init__(self, e, normal):
        self.e, self.normal = e, normal
        self.added = list(e.special_tokens_set)

    def encode(self, texts, flags):
        texts = [self.normal(t) for t in texts]
        if flags & AS_TEXT:
            return self.e.encode_ordinary_batch(texts, num_threads=1)
        return self.e.encode_batch(texts, num_threads=1, allowed_special="all")

    def decode(self, ids):
        special = set(self.e._special_tokens.values())
        return self.e.decode_bytes([i for i in ids if i not in special]).decode("utf-8", "replace")


# ---- the texts ----

# Characters that Unicode 14 and 15 added or reordered among marks: the packages' tables for NFC are older.
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


def characters():
    """Those that the older of the two tables of Unicode at hand, Python's, knows."""
    return [chr(c) for c in range(0x110000) if not 0xd800 <= c < 0xe000 and c not in NEWER and
            unicodedata.category(chr(c)) not in ("Cn", "Co")]


def among_others(rng, known):
    """Each character between letters, digits, marks and spaces, and all of them in random order."""
    for c in known:
        yield "a%sb %s1%s'%s \n%s\u0301" % (c, c, c, c, c)
    mixed = list(known)
    rng.shuffle(mixed)
    for i in range(0, len(mixed), 40):
        yield "".join(mixed[i:i + 40])


def long_texts(rng):
    """A megabyte each, without a space."""
    n = 1 << 20
    return ["a" * n, "ab" * (n // 2), "".join(rng.choice("etaoinshrdlu") for _ in range(n)), "\u4e2d\u6587" * (n // 6),
            "".join(chr(rng.randint(0x4e00, 0x9fff)) for _ in range(n // 3)), "-=" * (n // 2), "\n" * n, "7" * n]


def broken(rng, n):
    """Bytes that are no UTF-8, most of them."""
    good = ["a", " word", "\u00e9", "\u4e2d", "\U0001f600", "\n"]
    for _ in range(n):
        out = b""
        for _ in range(rng.randint(1, 12)):
            piece = rng.choice(good).encode()
            kind = rng.random()
            if kind < 0.3:
                piece = piece[:rng.randint(0, len(piece))]
            elif kind < 0.6:
                piece = bytes(rng.randint(0x80, 0xff) for _ in range(rng.randint(1, 4)))
            out += piece
        yield out


def files(data):
    for folder, _, names in sorted(os.walk(data)):
        for name in sorted(names):
            with open(os.path.join(folder, name), "rb") as f:
                yield f.read()


# ---- comparing ----

class Comparison:
    def __init__(self, program, texts):
        self.program, self.texts, self.bad = program, texts, 0

    def report(self, name, what, text, got, want):
        self.bad += 1
        self.here += 1
        if self.here <= 5:
            got, want = str(got), str(want)
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), 0)
            at = max(0, at - 60)
            print("%s, %s: %.200r\n  ours   %s\n  wanted %s" % (name, what, text, got[at:at + 200], want[at:at + 200]))

    def run(self, name, directory, peer, flags, kind, texts, exact=False, short=False):
        self.here, ties = 0, 0
        if peer.name == "sentencepiece":
            texts = [t for t in texts if (b"\0" if isinstance(t, bytes) else "\0") not in t]
        sent = [t if isinstance(t, bytes) else t.encode() for t in texts]
        answers, seconds = ours(self.program, directory, flags, sent)
        asked = [t.decode("utf-8", "replace") if isinstance(t, bytes) else t for t in texts]
        start = time.time()
        wanted = peer.encode(asked, flags)
        theirs = time.time() - start
        for text, (ids, back), want in zip(asked, answers, wanted):
            if ids != want and short and peer.tie(ids, want):
                ties += 1
                continue
            if ids != want:
                self.report(name, "flags %d, %s" % (flags, kind), text, ids, want)
                continue
            decoded = peer.decode(ids)
            if decoded is not None and decoded != back.decode("utf-8", "replace"):
                self.report(name, "flags %d, %s, decoded" % (flags, kind), text, back, decoded)
            elif exact and unicodedata.is_normalized("NFC", text) and back != text.encode():
                self.report(name, "flags %d, %s, there and back" % (flags, kind), text, back, text)
        print("%-16s %-13s flags %d  %-10s %7d texts, %d different%s; %.1f s with decoding, the package %.1f s" %
              (name, peer.name, flags, kind, len(texts), self.here, ", %d ties" % ties if ties else "", seconds, theirs),
              flush=True)

    def all(self, name, directory, peer, flags, exact=False, also=(), short=False):
        """also: more flags, for the fixed and random texts."""
        t = self.texts
        texts = t["fixed"] + list(random_texts(random.Random(t["seed"]), t["n"], peer.added))
        for f in (flags,) + tuple(also):
            self.run(name, directory, peer, f, "texts", texts, exact and f & AS_TEXT, short)
        for kind in ("single", "among", "long", "files"):
            self.run(name, directory, peer, flags, kind, list(self.short(t[kind])) if short else t[kind], exact, short)
        self.run(name, directory, peer, flags | REPLACE, "broken", t["broken"], short=short)
        self.here = 0
        for text, (said, _) in zip(t["broken"], ours(self.program, directory, flags, t["broken"])[0]):
            try:
                text.decode()
            except UnicodeDecodeError as e:
                if "byte %d " % e.start not in str(said):
                    self.report(name, "refused", text, said, "byte %d" % e.start)

    def short(self, texts):
        """Sums of single precision beyond 100,000 leave ties to rounding that is the package's own: pieces of 8 KB."""
        for t in texts:
            for line in (t.decode("utf-8", "replace") if isinstance(t, bytes) else t).splitlines() or [""]:
                for i in range(0, len(line), 8192):
                    yield line[i:i + 8192]

    def some(self, name, directory, peer, flags):
        t = self.texts
        texts = t["fixed"] + list(random_texts(random.Random(t["seed"]), t["n"], peer.added))
        self.run(name, directory, peer, flags, "texts", texts)


def rank_file(folder, vocab, ranks):
    """Qwen's vocabulary in the file that Qwen 1 ships, and the package's view of it."""
    import tiktoken
    byte = ranks.letters()
    table = {bytes(byte[c] for c in t): i for t, i in vocab.items()}
    with open(os.path.join(folder, "qwen.tiktoken"), "w", encoding="ascii") as f:
        for token, rank in sorted(table.items(), key=lambda x: x[1]):
            f.write("%s %d\n" % (base64.b64encode(token).decode(), rank))
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + ["<|extra_%d|>" % i for i in range(205)]
    return tiktoken.Encoding("qwen", pat_str=ranks.QWEN, mergeable_ranks=table,
                             special_tokens={s: len(table) + i for i, s in enumerate(special)})


def gguf_file(path, model, pre, tokens, types, scores=None, merges=None, **more):
    import gguf
    w = gguf.GGUFWriter(path, "llama")
    w.add_tokenizer_model(model)
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types(types)
    if scores:
        w.add_token_scores(scores)
    if merges:
        w.add_token_merges(merges)
    for key, value in more.items():
        (w.add_bool if isinstance(value, bool) else w.add_uint32)("tokenizer.ggml." + key, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()
    return path


def gguf_of_spm(path, model):
    import sentencepiece
    p = sentencepiece.SentencePieceProcessor(model_file=model)
    n = range(p.get_piece_size())
    types = [2 if p.is_unknown(i) else 3 if p.is_control(i) else 6 if p.is_byte(i) else 5 if p.is_unused(i) else 1
             for i in n]
    types = [4 if types[i] == 1 and p.get_score(i) == 0 and p.id_to_piece(i).startswith("[") else types[i] for i in n]
    return gguf_file(path, "llama", "default", [p.id_to_piece(i).encode() for i in n], types,
                     scores=[p.get_score(i) for i in n], bos_token_id=p.bos_id(), eos_token_id=p.eos_id(),
                     unknown_token_id=p.unk_id(), add_space_prefix=True)


def gguf_of_legacy(path, directory, pre, added):
    with open(os.path.join(directory, "vocab.json"), encoding="utf-8") as f:
        vocab = json.load(f)
    with open(os.path.join(directory, "merges.txt"), encoding="utf-8") as f:
        merges = [line for line in f.read().split("\n") if line and not line.startswith("#version")]
    for i, content in added:
        vocab[content] = i
    tokens = sorted(vocab, key=vocab.get)
    names = {content for _, content in added}
    return gguf_file(path, "gpt2", pre, tokens, [3 if t in names else 1 for t in tokens], merges=merges)


def converted(folder, model, cls):
    """tokenizer.json as transformers makes it of a SentencePiece model."""
    import shutil
    import transformers
    os.makedirs(folder)
    shutil.copy(model, os.path.join(folder, "tokenizer.model" if cls == "LlamaTokenizer" else "spiece.model"))
    getattr(transformers, cls).from_pretrained(folder).save_pretrained(folder)
    return os.path.join(folder, "tokenizer.json")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--texts", type=int, default=20000)
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--only", default="", help="names, with commas")
    p.add_argument("--quick", action="store_true", help="not the files under DATA/..")
    p.add_argument("data", nargs="?", default="../shared/data/tokenizers")
    a = p.parse_args()
    seed = a.seed if a.seed is not None else random.SystemRandom().randint(0, 999999)
    print("seed %d" % seed)
    from tokenizers import Tokenizer
    make, ranks = module("make"), module("ranks")
    rng = random.Random(seed)
    known = characters()
    with open(os.path.join(GOLDEN, "strings.json"), encoding="ascii") as f:
        texts = {"fixed": json.load(f), "seed": seed, "n": a.texts, "single": known, "among": list(among_others(rng, known)),
                 "long": long_texts(rng), "broken": list(broken(rng, 2000)),
                 "files": [] if a.quick else list(files(os.path.join(a.data, "..")))}
    print("%d characters, %d files of %.1f MB" % (len(known), len(texts["files"]), sum(map(len, texts["files"])) / 1e6))
    wanted = set(a.only.split(",")) if a.only else None

    def chosen(name, path=None):
        if path and not os.path.exists(path):
            print("%s: %s is not there, left out" % (name, path))
            return False
        return wanted is None or name in wanted

    with tempfile.TemporaryDirectory() as folder:
        c = Comparison(build(folder), texts)
        for name in ("tiny", "styled"):
            if chosen(name):
                t = Tokenizer.from_file(os.path.join(GOLDEN, name, "tokenizer.json"))
                c.some(name, os.path.join(GOLDEN, name), Tokenizers(t), SPECIAL)
                c.some(name, os.path.join(GOLDEN, name), Tokenizers(t), 0)
                c.some(name, os.path.join(GOLDEN, name), Tokenizers(t), SPECIAL | AS_TEXT)
        for name in ("gpt2", "qwen2"):
            directory = os.path.join(a.data, name)
            if not chosen(name, os.path.join(directory, "merges.txt")) and not chosen(name + "-gguf", directory):
                continue
            peer = Tokenizers(make.legacy(directory, name))
            if chosen(name):
                c.all(name, directory, peer, AS_TEXT, exact=True, also=(0, SPECIAL | AS_TEXT))
            if chosen(name + "-gguf"):
                added = [(i, t.content) for i, t in peer.t.get_added_tokens_decoder().items()]
                path = gguf_of_legacy(os.path.join(folder, name + ".gguf"), directory, {"gpt2": "gpt-2"}.get(name, name), added)
                c.some(name + "-gguf", path, peer, 0)
        if chosen("qwen-ranks", os.path.join(a.data, "qwen2", "vocab.json")):
            with open(os.path.join(a.data, "qwen2", "vocab.json"), encoding="utf-8") as f:
                e = rank_file(folder, json.load(f), ranks)
            c.all("qwen-ranks", folder, Tiktoken(e, lambda s: unicodedata.normalize("NFC", s)), AS_TEXT, exact=True,
                  also=(0,))
        for name, file in (("mistral-v1", "tokenizer.model"), ("mistral-v3", "tokenizer.model"),
                           ("unigram-spiece", "spiece.model")):
            path = os.path.join(a.data, name, file)
            if not os.path.exists(path):
                print("%s: not there, left out" % path)
                continue
            if chosen(name):
                c.all(name, os.path.dirname(path), SentencePiece(path), AS_TEXT, short=name == "unigram-spiece")
            if chosen(name + "-gguf") and name != "unigram-spiece":
                made = gguf_of_spm(os.path.join(folder, name + ".gguf"), path)
                c.some(name + "-gguf", made, SentencePiece(path), AS_TEXT)
                copy = os.path.join(folder, name + "-copy")
                os.makedirs(copy)
                subprocess.run([c.program, made, "copy", copy], check=True)
                c.some(name + "-copy", copy, SentencePiece(os.path.join(copy, "tokenizer.model")), AS_TEXT)
            if chosen(name + "-json"):
                cls = "T5Tokenizer" if name == "unigram-spiece" else "LlamaTokenizer"
                made = converted(os.path.join(folder, name + "-json"), path, cls)
                c.all(name + "-json", os.path.dirname(made), Tokenizers(Tokenizer.from_file(made)), SPECIAL, also=(0, AS_TEXT))
    sys.exit(1 if c.bad else 0)


if __name__ == "__main__":
    main()

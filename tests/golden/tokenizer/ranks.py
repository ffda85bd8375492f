"""Small rank files and golden ids, by the Python package `tiktoken` (README.md names the version).

    python ranks.py             writes ranks/NAME/ and ranks.json beside itself, from tiny/ and strings.json
"""
import base64
import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
OWN = r"\p{Lu}?\p{Ll}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+|\p{L}|\s+"


def letters():
    """GPT-2's letter for each byte, turned round."""
    own = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in own]
    return {chr(b): b for b in own} | {chr(256 + i): b for i, b in enumerate(rest)}


def tiny_ranks():
    with open(os.path.join(HERE, "tiny", "tokenizer.json"), encoding="utf-8") as f:
        j = json.load(f)
    byte = letters()
    added = {t["content"] for t in j["added_tokens"]}
    vocab = sorted((i, t) for t, i in j["model"]["vocab"].items() if t not in added)
    return {bytes(byte[c] for c in t): rank for rank, (_, t) in enumerate(vocab)}


def main():
    import tiktoken
    from tiktoken_ext import openai_public
    openai_public.load_tiktoken_bpe = lambda *a, **k: {}
    ranks = tiny_ranks()
    special = {"<|endoftext|>": len(ranks), "<|im_start|>": len(ranks) + 3}
    shuffled = list(ranks)
    random.Random(5).shuffle(shuffled)  # ranks that no merging has made: a token's parts may come after it
    odd = {t: i for i, t in enumerate(shuffled)}
    kinds = {
        "qwen": ("qwen.tiktoken", {}, QWEN, ranks),
        "cl100k": ("cl100k_base.tiktoken", {}, openai_public.cl100k_base()["pat_str"], ranks),
        "o200k": ("o200k_base.tiktoken", {}, openai_public.o200k_base()["pat_str"], ranks),
        "r50k": ("r50k_base.tiktoken", {}, openai_public.r50k_base()["pat_str"], odd),
        "own": ("clinic.tiktoken", {"pat_str": OWN}, OWN, odd),
    }
    with open(os.path.join(HERE, "strings.json"), encoding="ascii") as f:
        texts = json.load(f)
    import unicodedata
    out = {}
    for name, (file, config, pattern, table) in kinds.items():
        folder = os.path.join(HERE, "ranks", name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, file), "w", encoding="ascii") as f:
            for token, rank in sorted(table.items(), key=lambda x: x[1]):
                f.write("%s %d\n" % (base64.b64encode(token).decode(), rank))
        config = dict(config, added_tokens_decoder={str(i): {"content": t, "special": True} for t, i in special.items()})
        with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="ascii") as f:
            json.dump(config, f, indent=2)
            f.write("\n")
        e = tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=table, special_tokens=special)
        normal = (lambda s: unicodedata.normalize("NFC", s)) if name == "qwen" else (lambda s: s)
        out[name] = [e.encode(normal(s), allowed_special="all") for s in texts]
    with open(os.path.join(HERE, "ranks.json"), "w", encoding="ascii") as f:
        f.write("{\n" + ",\n".join('"%s": [\n%s\n]' % (k, ",\n".join(json.dumps(v, separators=(",", ":")) for v in rows))
                                     for k, rows in out.items()) + "\n}\n")


if __name__ == "__main__":
    main()

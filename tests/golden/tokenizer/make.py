"""Golden ids for the tokenizer tests, by the Python package `tokenizers` (README.md names the version).

    python make.py corpus                  writes corpus.txt; bpe_train_test explains how tiny/ follows from it
    python make.py ids DATA                writes strings.json, styled/ and ids.json; DATA holds gpt2/ and qwen2/
"""
import json
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def corpus():
    """A few hundred lines of made-up triage messages: enough for some merges and ties."""
    rng = random.Random(7)
    who = ["A man", "A woman", "A child", "The patient", "My daughter", "An elderly man"]
    what = ["has chest pain", "fell from a ladder", "cannot breathe well", "has a fever and a rash",
            "is vomiting since last night", "has a headache", "hurt the left ankle", "feels dizzy"]
    how = ["since this morning", "for two days", "after lunch", "and it is getting worse", "but walks normally"]
    lines = []
    for _ in range(220):
        lines.append("%s %s %s. BP %d/%d, HR %d, temp %d.%d \u00b0C, SpO2 %d%%." % (
            rng.choice(who), rng.choice(what), rng.choice(how), rng.randint(80, 190), rng.randint(50, 110),
            rng.randint(50, 140), rng.randint(35, 40), rng.randint(0, 9), rng.randint(84, 100)))
    lines.append("It's the patient's first visit; they'll return if it doesn't improve.")
    lines.append("\u00dcbelkeit und Fieber, d\u00e9but brutal, \u80f8\u75db\u4e09\u5929, \u0431\u043e\u043b\u044c \u0432 \u0433\u0440\u0443\u0434\u0438.")
    with open(os.path.join(HERE, "corpus.txt"), "w", encoding="utf-8", newline="\n") as f:
        f.write("\n".join(lines) + "\n")


def strings():
    fixed = [
        "", " ", "  ", "   ", "\n", "\r\n", "\t", "a", " a", "a ", "  a", "a  ", "\n\n\na", "a\n \nb", "a \n", "a\r\n\r\nb",
        "Hello, world!", "Hello  world", "I'm they'll we've it's you'd don't we're", "I'M THEY'LL WE'VE IT'S YOU'D DON'T",
        "'s 's'S 'sa 'rex 'llama 'tt", "it\u2019s", "'\u017f '\u017fa", "\u212a 'K", "''s ''' ' ' '", "BP 138/92, HR 104, SpO2 97%",
        "1 12 123 1234 12345 123456.789", "3.14159e-10", "x1y22z333", "\u00b2\u00b3 x\u00b2", "\u2167 \u2460 \u00bd 1\u00bd",
        "\u0663\u0664 \u0966\u0967", "\u180e \u180ea a\u180eb", "a\u0085b", "a\u00a0b \u00a0 c", "\u3000\u3000x", "\u2028x\u2029y",
        "\u200bzero\u200bwidth", "\u200dx", "\ufeffbom", "\u1680x\u2003y\u205fz", "\u00e9 e\u0301 E\u0301", "\u212b \u00c5 A\u030a",
        "\u1100\u1161\u11a8 \uac01", "\ufb01 \ufb03", "\u0958 \u0915\u093c", "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
        "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
        "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05dc\u05d5\u05dd", "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea", "\u2764\ufe0f",
        "\U0001d400\U0001d7d8", "\U00020000\U0010ffff\ue000", "\ufffd\ufffe", "\x00", "a\x00b", "\x01\x02\x7f\x1b[0m",
        "int main(void)\n{\n    return 0;\n}\n", "def f(x):\n\treturn x**2\n", "https://example.org/a?b=c&d=%20#e",
        "a" * 100, " " * 40, "\n" * 20, "ab" * 60, "-" * 70, "=" * 33 + "\n", "\u00e9" * 30, "0" * 25,
        "<|endoftext|>", "a<|endoftext|>b", "a <|endoftext|> b", "<|endoftext|><|endoftext|>", "<|endoftex", "<|im_start|>user\nHi<|im_end|>\n",
        "<|bos|>", "x <|bos|> y<|eos|>", "<|bos|", "<|sp|>", "a  <|left|>  b", "a  <|right|>  b", "  <|left|><|left|>  ", " <|right|> <|right|> x",
        "a  <|both|>\n\nb", "word", "a word here", "swordfish", "word!", "_word", "\u00e9word", "word\u0301", "\u24b6word", "x word word", "wordword word",
        "caf\u00e9 bar", "cafe\u0301 bar", "CAF\u00c9", "<|a|><|ab|><|abc|>", "<|ab", "abc abcd abcde", "\u1e9b\u0323", "q\u0307\u0323 q\u0323\u0307",
        "The quick brown fox jumps over the lazy dog.", "A woman fell from a ladder. BP 90/60, HR 120, temp 37.5 \u00b0C.",
        "antidisestablishmentarianism", "C\u01c6 \u01c5 \u02b0 \u0294", "a\u0301\u0302\u0303", "\u0301a", " \u0301", "1\u0301", "_a_b_", "a_b", "$5.00 \u20ac5 \u00a35",
    ]
    rng = random.Random(11)
    letters = list("aetoinshr  \n'.,1290-ABS\t") + ["\u00e9", "e\u0301", "\u4e2d", "\U0001f600", "\u00a0", "'s", "'LL", "  ", "\r\n",
                                                   "\u0938\u094d", "\u00b2", "<|eos|>", "word", "the ", " pain"]
    alphabets = [letters, list("ab "), list(" \n\ta"), [chr(c) for c in range(0x20, 0x250) if c != 0x7f],
                 [chr(c) for c in list(range(0x370, 0x1200)) + list(range(0x3040, 0x3200)) + list(range(0xac00, 0xac80))]]
    for i in range(150):
        alphabet = alphabets[i % len(alphabets)]
        fixed.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 28))))
    return fixed


def styled(tiny):
    """tiny's vocabulary in Llama 3's dress, with every kind of added token."""
    j = json.loads(json.dumps(tiny))
    vocab = j["model"]["vocab"]
    n = len(vocab)
    def token(content, **flags):
        row = dict(id=n + len(j["added_tokens"]) - 2, content=content, single_word=False, lstrip=False, rstrip=False,
                   normalized=False, special=True)
        row.update(flags)
        if content in vocab:
            row["id"] = vocab[content]
        return row
    for content, flags in [("<|sp|>", {}), ("<|left|>", dict(lstrip=True)), ("<|right|>", dict(rstrip=True)),
                           ("<|both|>", dict(lstrip=True, rstrip=True)), ("word", dict(single_word=True, special=False)),
                           ("cafe\u0301", dict(normalized=True, special=False)), ("<|a|>", {}), ("<|ab|>", dict(special=False)),
                           ("abc", dict(special=False, normalized=True)), ("abcd", dict(special=False))]:
        j["added_tokens"].append(token(content, **flags))
    j["normalizer"] = {"type": "NFC"}
    j["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": LLAMA3}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    template = j["post_processor"]
    template["single"].append({"SpecialToken": {"id": "<|eos|>", "type_id": 0}})
    template["special_tokens"]["<|eos|>"] = {"id": "<|eos|>", "ids": [1], "tokens": ["<|eos|>"]}
    j["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, template]}
    j["model"]["merges"] = [m.split(" ") for m in j["model"]["merges"]]
    # Without these merges their tokens are reached by ignore_merges only.
    j["model"]["merges"] = [m for i, m in enumerate(j["model"]["merges"]) if i % 9 != 8]
    j["model"]["ignore_merges"] = True
    return j


def legacy(directory, style):
    """What transformers makes of vocab.json and merges.txt for GPT-2 and Qwen2."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    t = Tokenizer(models.BPE.from_file(os.path.join(directory, "vocab.json"), os.path.join(directory, "merges.txt")))
    t.decoder = decoders.ByteLevel()
    names = ["<|endoftext|>"]
    if style == "gpt2":
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        t.normalizer = normalizers.NFC()
        t.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        names += ["<|im_start|>", "<|im_end|>"]
    t.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])
    return t


def ids(data):
    from tokenizers import Tokenizer, pre_tokenizers
    texts = strings()
    with open(os.path.join(HERE, "strings.json"), "w", encoding="ascii") as f:
        json.dump(texts, f, indent=0)
        f.write("\n")
    with open(os.path.join(HERE, "tiny", "tokenizer.json"), encoding="utf-8") as f:
        tiny = json.load(f)
    os.makedirs(os.path.join(HERE, "styled"), exist_ok=True)
    with open(os.path.join(HERE, "styled", "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(styled(tiny), f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    made = {
        "tiny": Tokenizer.from_file(os.path.join(HERE, "tiny", "tokenizer.json")),
        "styled": Tokenizer.from_file(os.path.join(HERE, "styled", "tokenizer.json")),
        "gpt2": legacy(os.path.join(data, "gpt2"), "gpt2"),
        "qwen2": legacy(os.path.join(data, "qwen2"), "qwen2"),
    }
    out = {}
    for name, t in made.items():
        out[name] = [t.encode(s).ids for s in texts]
        if name in ("tiny", "styled"):
            out[name + "-plain"] = [t.encode(s, add_special_tokens=False).ids for s in texts[:40]]
            t.encode_special_tokens = True
            out[name + "-as-text"] = [t.encode(s).ids for s in texts[80:140]]
            t.encode_special_tokens = False
    with open(os.path.join(HERE, "ids.json"), "w", encoding="ascii") as f:
        f.write("{\n" + ",\n".join('"%s": [\n%s\n]' % (k, ",\n".join(json.dumps(v, separators=(",", ":")) for v in rows))
                                     for k, rows in out.items()) + "\n}\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["corpus"]:
        corpus()
    elif len(sys.argv) == 3 and sys.argv[1] == "ids":
        ids(sys.argv[2])
    else:
        sys.exit(__doc__)

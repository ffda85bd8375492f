"""Small tokenizers of every other kind, and golden ids: by the Python packages `tokenizers` and `sentencepiece`
(README.md names the versions).

    python models.py            writes models/NAME/ and models.json beside itself, from corpus.txt and strings.json
"""
import io
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "\u2581"
BYTES = ["<0x%02X>" % b for b in range(256)]


def trained(model, trainer_of, size, **parts):
    from tokenizers import Tokenizer
    t = Tokenizer(model)
    for name, part in parts.items():
        if name not in ("decoder", "post_processor"):
            setattr(t, name, part)
    with open(os.path.join(HERE, "corpus.txt"), encoding="utf-8") as f:
        t.train_from_iterator(f.read().split("\n"), trainer_of(size))
    for name in ("decoder", "post_processor"):
        if name in parts:
            setattr(t, name, parts[name])
    return t


def edited(t, change):
    from tokenizers import Tokenizer
    j = json.loads(t.to_str())
    change(j)
    return Tokenizer.from_str(json.dumps(j))


def with_bytes(j):
    """A BPE of characters that spells what it does not know in bytes, as Llama 2's does."""
    vocab = j["model"]["vocab"]
    tokens = ["<unk>", "<s>", "</s>"] + BYTES + [t for t in sorted(vocab, key=vocab.get) if not t.startswith("<")]
    j["model"]["vocab"] = {t: i for i, t in enumerate(tokens)}
    j["model"]["byte_fallback"] = True
    for row in j["added_tokens"]:
        row["id"] = j["model"]["vocab"][row["content"]]


def made():
    from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
    special = ["<unk>", "<s>", "</s>"]
    def bpe(size, **more):
        return trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False, **more)
    def unigram(size):
        return trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False)
    llama_decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                                       decoders.Strip(" ", 1, 0)])
    out = {}
    t = trained(models.BPE(unk_token="<unk>", fuse_unk=True), bpe, 500, decoder=llama_decoder,
                normalizer=normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)]),
                pre_tokenizer=pre_tokenizers.Split(MARK, "merged_with_next"))
    t.pre_tokenizer = None
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)])
    out["llama"] = edited(t, with_bytes)
    t = trained(models.BPE(unk_token="<unk>", fuse_unk=True), bpe, 500,
                decoder=decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]),
                normalizer=normalizers.Replace(" ", MARK),
                pre_tokenizer=pre_tokenizers.Split(MARK, "merged_with_previous"))
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.add_tokens([AddedToken("word", normalized=True), AddedToken("\n\n\n", normalized=False)])
    out["gemma"] = edited(t, lambda j: None)
    out["t5"] = trained(models.Unigram(), unigram, 300,
                        normalizer=normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]),
                        pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                        decoder=decoders.Metaspace(),
                        post_processor=processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>",
                                                                     special_tokens=[("</s>", 2)]))
    out["xlnet"] = trained(models.Unigram(), unigram, 300,
                           normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKD(),
                                                            normalizers.StripAccents(), normalizers.Lowercase()]),
                           pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first"),
                           decoder=decoders.Metaspace(prepend_scheme="first"))
    pieces = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    for name, lower in (("bert", True), ("bert-cased", False)):
        t = trained(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20),
                    lambda size: trainers.WordPieceTrainer(vocab_size=size, special_tokens=pieces, show_progress=False),
                    400, normalizer=normalizers.BertNormalizer(lowercase=lower),
                    pre_tokenizer=pre_tokenizers.BertPreTokenizer(), decoder=decoders.WordPiece(),
                    post_processor=processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1)))
        out[name] = t
    out["clip"] = trained(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
                          lambda size: bpe(size, end_of_word_suffix="</w>"), 400,
                          normalizer=normalizers.Sequence([normalizers.NFC(), normalizers.Strip(), normalizers.Lowercase()]),
                          pre_tokenizer=pre_tokenizers.Sequence([
                              pre_tokenizers.Split(Regex(r"[\p{L}]+|\p{N}|[^\s\p{L}\p{N}]+"), "removed", invert=True),
                              pre_tokenizers.Punctuation("contiguous")]),
                          decoder=decoders.BPEDecoder(), post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 1)))
    out["words"] = trained(models.WordLevel(unk_token="<unk>"),
                           lambda size: trainers.WordLevelTrainer(vocab_size=size, special_tokens=special, show_progress=False),
                           300, normalizer=normalizers.NFD(),
                           pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True),
                                                                  pre_tokenizers.Punctuation("merged_with_next")]))
    return out


def sentences():
    """SentencePiece models: BPE with bytes, Unigram with a table of its own."""
    import sentencepiece as spm
    os.chdir(HERE)  # the package writes the paths that it was given into the model
    rules = "rules.tsv"
    with open(rules, "w", encoding="utf-8") as f:
        for one, other in (("\u00fc", "ue"), ("\ufb01", "fi"), ("\ufb01x", "FIX"), ("\u3000", " "), ("\t", " "), ("\u00b0C", " degrees"),
                           ("\u2460", "1"), ("\u200b", "")):
            f.write("%s\t%s\n" % (" ".join("%X" % ord(c) for c in one), " ".join("%X" % ord(c) for c in other)))
    kinds = {
        "spm-bpe": dict(model_type="bpe", vocab_size=560, byte_fallback=True, normalization_rule_name="identity",
                        remove_extra_whitespaces=False, user_defined_symbols=["<|user|>", "word"]),
        "spm-unigram": dict(model_type="unigram", vocab_size=300, normalization_rule_tsv=rules, hard_vocab_limit=False),
        "spm-bare": dict(model_type="bpe", vocab_size=300, normalization_rule_name="identity", add_dummy_prefix=False),
    }
    out = {}
    for name, options in kinds.items():
        model = io.BytesIO()
        spm.SentencePieceTrainer.train(input="corpus.txt", model_writer=model, minloglevel=2,
                                       num_threads=1, character_coverage=0.999, **options)
        out[name] = model.getvalue()
    os.remove(rules)
    return out


def newer(text):
    """Whether the text has punctuation that the package's older tables of Unicode do not know for such."""
    import unicodedata
    from tokenizers import pre_tokenizers
    cut = pre_tokenizers.Punctuation()
    return any(unicodedata.category(c)[0] == "P" and len(cut.pre_tokenize_str("a" + c + "b")) < 3 for c in text)


def main():
    import sentencepiece as spm
    with open(os.path.join(HERE, "strings.json"), encoding="ascii") as f:
        texts = json.load(f)
    out = {}
    for name, t in made().items():
        folder = os.path.join(HERE, "models", name)
        os.makedirs(folder, exist_ok=True)
        j = json.loads(t.to_str())
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
            json.dump(j, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        ids = [t.encode(s).ids for s in texts]
        out[name] = [None if newer(s) else [i, t.decode(i)] for s, i in zip(texts, ids)]
    for name, model in sentences().items():
        folder = os.path.join(HERE, "models", name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
            f.write(model)
        p = spm.SentencePieceProcessor(model_proto=model)
        out[name] = [[i, p.decode(i)] for i in (p.encode(s.replace("\0", "")) for s in texts)]
    with open(os.path.join(HERE, "models.json"), "w", encoding="ascii") as f:
        f.write("{\n" + ",\n".join('"%s": [\n%s\n]' % (k, ",\n".join(json.dumps(v, separators=(",", ":")) for v in rows))
                                     for k, rows in out.items()) + "\n}\n")


if __name__ == "__main__":
    main()

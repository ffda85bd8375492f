#!/usr/bin/env python3
"""tiny-vocab.gguf: tests/golden/tokenizer/tiny as a vocabulary-only file, written by the gguf package."""
import json
import os

import gguf

HERE = os.path.dirname(os.path.abspath(__file__))
tokenizer = json.load(open(os.path.join(HERE, "../tokenizer/tiny/tokenizer.json")))
added = {t["id"]: t["content"] for t in tokenizer["added_tokens"]}
tokens = {i: t for t, i in tokenizer["model"]["vocab"].items()} | added
tokens = [tokens[i] for i in range(len(tokens))]
w = gguf.GGUFWriter(os.path.join(HERE, "tiny-vocab.gguf"), "llama")
w.add_tokenizer_model("gpt2")
w.add_tokenizer_pre("smollm")
w.add_token_list(tokens)
w.add_token_types([gguf.TokenType.CONTROL if i in added else gguf.TokenType.NORMAL for i in range(len(tokens))])
w.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in tokenizer["model"]["merges"]])
w.add_bos_token_id(0)
w.add_eos_token_id(1)
w.add_add_bos_token(True)
w.add_chat_template("{{ messages }}")
w.write_header_to_file()
w.write_kv_data_to_file()
w.close()

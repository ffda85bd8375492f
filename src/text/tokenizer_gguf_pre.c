/* tokenizer_gguf_pre.c - the table, and its rows as JSON. */
#include "text/tokenizer_gguf_pre.h"

#include "text/word_cut.h"

#include <stdio.h>
#include <string.h>

const char TL_GGUF_DIGITS[] = "digits";
const char TL_GGUF_NUMBERS[] = "numbers";
const char TL_GGUF_PUNCTUATION[] = "punctuation";
const char TL_GGUF_GPT2[] = "gpt2";

#define TEKKEN                                                                                                         \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"                       \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"                \
    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN35                                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"  \
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* DeepSeek's first: letters of scripts that have two cases. */
#define CASED                                                                                                          \
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370"                 \
    "-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-"                 \
    "\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-"                      \
    "\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-"                      \
    "\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4"                  \
    "\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A"                 \
    "-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-"                 \
    "\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-"                  \
    "\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-"                      \
    "\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-"                    \
    "\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943"
#define DEEPSEEK_SIGNS "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"
#define DEEPSEEK_CJK   "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"
#define DEEPSEEK_V3                                                                                                    \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"               \
    " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const tl_gguf_pre pres[] = {
    { " gpt-2 phi-2 jais ", false, false, false, { TL_GGUF_GPT2 } },
    { " olmo mpt ", true, false, false, { TL_GGUF_GPT2 } },
    { " smollm starcoder refact codeshell ", false, false, false, { TL_GGUF_DIGITS, TL_GGUF_GPT2 } },
    { " falcon ", false, false, false, { TL_GGUF_PUNCTUATION, TL_GGUF_GPT2, TL_GGUF_NUMBERS, "[0-9][0-9][0-9]" } },
    { " llama-bpe llama3 llama-v3 ", false, true, true, { TL_WORD_CUT_LLAMA3 } },
    { " dbrx smaug-bpe chatglm-bpe ", false, false, false, { TL_WORD_CUT_LLAMA3 } },
    { " qwen2 deepseek-r1-qwen ", true, false, false, { TL_WORD_CUT_QWEN2 } },
    { " stablelm2 ", false, false, false, { TL_WORD_CUT_QWEN2 } },
    { " qwen35 ", true, false, false, { QWEN35 } },
    { " gpt-4o llama4 ", false, false, false, { TL_WORD_CUT_O200K } },
    { " tekken ", false, true, true, { TEKKEN } },
    { " deepseek-llm ",
      false,
      false,
      false,
      { "[\r\n]", "\\s?[" CASED "]+", DEEPSEEK_SIGNS, "\\s+$", DEEPSEEK_CJK, TL_GGUF_DIGITS } },
    { " deepseek-coder ",
      false,
      false,
      false,
      { "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, TL_GGUF_DIGITS } },
    { " deepseek-v3 ",
      false,
      false,
      false,
      { "\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", DEEPSEEK_V3 } },
};
enum {
    N_PRES = sizeof pres / sizeof *pres
};

int tl_gguf_pre_find(const tl_gguf_pre **out, const char *name, const char *path, tl_err *err)
{
    char list[400] = "", spaced[100];
    snprintf(spaced, sizeof spaced, " %.90s ", name);
    for (int i = 0; i < N_PRES; i++) {
        *out = &pres[i];
        if (*name && !strchr(name, ' ') && strstr(pres[i].names, spaced)) return 0;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s", pres[i].names + (i > 0));
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: key tokenizer.ggml.pre is '%.100s', supported are%.*s", path, name,
                   (int)strlen(list) - 1, list);
}

const char *tl_gguf_pre_name(char out[32], const char *regex, bool digits, bool nfc, bool ignore_merges)
{
    for (int i = 0; i < N_PRES; i++) {
        const tl_gguf_pre *p = &pres[i];
        const char *const *stage = p->stages + (digits && p->stages[0] == TL_GGUF_DIGITS);
        const char *theirs = *stage == TL_GGUF_GPT2 ? TL_WORD_CUT_GPT2 : *stage;
        if ((stage > p->stages) != digits || !theirs || stage[1] || strcmp(theirs, regex) != 0 || p->nfc != nfc ||
            p->ignore_merges != ignore_merges)
            continue;
        snprintf(out, 32, "%.*s", (int)strcspn(p->names + 1, " "), p->names + 1);
        return out;
    }
    return NULL;
}

static json_t *stage_json(const char *stage, bool prefix)
{
    if (stage == TL_GGUF_DIGITS || stage == TL_GGUF_NUMBERS)
        return json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", stage == TL_GGUF_DIGITS);
    if (stage == TL_GGUF_PUNCTUATION) return json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Contiguous");
    if (stage == TL_GGUF_GPT2 || !stage)
        return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "trim_offsets", 1,
                         "use_regex", stage != NULL);
    return json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", stage, "behavior", "Isolated",
                     "invert", 0);
}

json_t *tl_gguf_pre_json(const tl_gguf_pre *pre, bool prefix)
{
    json_t *stages = json_array();
    bool bytes = false;
    int rc = stages ? 0 : -1;
    for (int i = 0; rc == 0 && pre->stages[i]; i++) {
        rc = json_array_append_new(stages, stage_json(pre->stages[i], prefix));
        bytes = bytes || pre->stages[i] == TL_GGUF_GPT2;
    }
    if (rc == 0 && !bytes) rc = json_array_append_new(stages, stage_json(NULL, prefix));
    if (rc < 0) {
        json_decref(stages);
        return NULL;
    }
    return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", stages);
}

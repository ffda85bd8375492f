/* open.h - what a command that runs a base needs: base, tokenizer, adapter, stream and engine, opened and closed as
 * one.
 *
 *     static tl_open_flags flags = { .model = "models/tailor-base", .precision = "f32" };
 *     static const tl_option rows[] = { TL_OPEN_ROWS(flags), ... };
 *     tl_opened o = { 0 };
 *     int rc = tl_open(&o, &flags, err);                       no engine yet
 *     if (rc == 0) rc = tl_opened_engine(&o, 1, tokens, err);  for a command that scores or generates
 *     tl_close(&o);                                            whatever is there */
#ifndef TL_CMD_OPEN_H
#define TL_CMD_OPEN_H

#include "base/err.h"
#include "cmd/options.h"
#include "infer/engine.h"
#include "text/tokenizer.h"

typedef struct tl_open_flags {
    const char *model, *adapter, *precision; /* adapter NULL: the base alone */
    const char *quantize, *quantize_tables;  /* as tl_model_options_parse takes them */
    int threads;                             /* 0: all */
} tl_open_flags;

/* Rows of a command's table: in what the base is held and multiplied. */
#define TL_QUANTIZE_ROWS(f)                                                                                            \
    { "precision", 's', &(f).precision, "KIND", "of products: f32, bf16, or int8 over a quantized base" },             \
        { "quantize", 's', &(f).quantize, "KIND",                                                                      \
          "hold the base's matrices in q8_0, q4_0, q4_k or nf4; none: widen those of a GGUF file" },                   \
    {                                                                                                                  \
        "quantize-tables", 's', &(f).quantize_tables, "KIND",                                                          \
            "likewise the token table and the head; without it q8_0 where --quantize is given"                         \
    }

/* And all of them. */
#define TL_OPEN_ROWS(f)                                                                                                \
    { "model", 's', &(f).model, "BASE", "the base: a directory or a GGUF file" },                                      \
        { "adapter", 's', &(f).adapter, "PATH", "an adapter over it: PEFT's or MLX's directory, or a GGUF file" },     \
        TL_QUANTIZE_ROWS(f),                                                                                           \
    {                                                                                                                  \
        "threads", 'i', &(f).threads, "N", "0: all"                                                                    \
    }

typedef struct tl_opened {
    tl_model *model;         /* all owned */
    tl_tokenizer *tokenizer; /* NULL where the base has none */
    tl_adapter *adapter;     /* NULL without --adapter */
    tl_stream stream;
    tl_engine *engine; /* NULL until tl_opened_engine */
    int bos;           /* the tokenizer's, else config.json's; -1 where there is none */
    int stop[2];       /* ids that end an answer: the tokenizer's EOS and config.json's where they differ */
    int n_stop;
} tl_opened;

/* What --model names: a path where there is one; else ORG/NAME in the cache of downloads (hub_cache.h), or
 * ORG/NAME/FILE there, and *model becomes its path, which lives as long as the program.  Only `tailor pull` downloads:
 * a repository that is in no cache is an error that says so. */
int tl_base_find(const char **model, tl_err *err);

/* f->model is found first.  On failure everything is closed again. */
int tl_open(tl_opened *out, tl_open_flags *f, tl_err *err);

/* An engine for at most so many sequences at once, each of at most so many tokens; its cache holds them all. */
int tl_opened_engine(tl_opened *o, int sequences, size_t tokens, tl_err *err);

/* A zeroed struct is fine, and so is a second call. */
void tl_close(tl_opened *o);

/* The base alone, held as the flags say, and the precision of its products. */
int tl_open_base(tl_model **out, tl_precision *precision, const tl_open_flags *f, tl_err *err);

/* The tokenizer in dir (a directory or GGUF file), or NULL where it holds none. */
int tl_tokenizer_open_if_any(tl_tokenizer **out, const char *dir, tl_err *err);

/* Ids of an option, checked against the vocabulary of V: "--tokens 1,15,3". */
int tl_tokens_parse(tl_ids *out, const char *text, int V, tl_err *err);

#endif

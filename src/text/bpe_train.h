/* bpe_train.h - learning a byte-level BPE from texts, saved as Hugging Face files.
 *
 *     tl_bpe_trainer *t = NULL;
 *     TL_TRY(tl_bpe_trainer_create(&t, extra, n_extra, err));
 *     for (...) TL_TRY(tl_bpe_trainer_add(t, text, size, err));
 *     TL_TRY(tl_bpe_trainer_save(t, 4096, "models/tiny", err));
 *     tl_bpe_trainer_free(t);
 *
 * The directory then holds tokenizer.json and tokenizer_config.json, which
 * tl_tokenizer_open and the Python package `tokenizers` read alike.  Ids: the
 * special tokens <|bos|>, <|eos|> and the extra ones, the 256 bytes, the merges.
 * Digits stay single tokens, so that 138/92 is read digit by digit. */
#ifndef TL_TEXT_BPE_TRAIN_H
#define TL_TEXT_BPE_TRAIN_H

#include "base/err.h"

#include <stddef.h>

typedef struct tl_bpe_trainer tl_bpe_trainer;

/* extra: n_extra special tokens behind <|bos|> and <|eos|>, copied. */
int tl_bpe_trainer_create(tl_bpe_trainer **out, const char *const *extra, size_t n_extra, tl_err *err);
void tl_bpe_trainer_free(tl_bpe_trainer *t);

/* Count the words of one text (valid UTF-8, or refused with its place). */
int tl_bpe_trainer_add(tl_bpe_trainer *t, const char *text, size_t size, tl_err *err);

/* Learn up to vocab_size tokens from what was added and write them into dir, made if need be.  Fewer come out where
 * no pair of tokens occurs twice any more; tl_tokenizer_size tells.  The same words give the same files, in
 * whatever order they came.  May be called again, with another size or after more texts. */
int tl_bpe_trainer_save(const tl_bpe_trainer *t, int vocab_size, const char *dir, tl_err *err);

#endif

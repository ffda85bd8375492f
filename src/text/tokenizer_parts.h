/* tokenizer_parts.h - what a tokenizer is made of: filled by tokenizer_file.c, used by tokenizer.c, private to both. */
#ifndef TL_TEXT_TOKENIZER_PARTS_H
#define TL_TEXT_TOKENIZER_PARTS_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/pretoken.h"
#include "text/tokenizer.h"

#include <stdint.h>

/* What an id names. */
enum {
    PIECE_NONE = 0,
    PIECE_BYTES = 1,   /* a token spelt in byte letters: BPE makes it */
    PIECE_TEXT = 2,    /* a token of plain text: only an added token makes it */
    PIECE_SPECIAL = 4, /* flag: dropped by skip_special */
};

typedef struct tl_piece {
    size_t start; /* of its bytes in tl_tokenizer.bytes */
    int size;
    int kind;
} tl_piece;

struct tl_tokenizer {
    tl_piece *pieces; /* owned; by id */
    int n_pieces;
    tl_buf bytes;          /* of all pieces, one after the other */
    int *find;             /* owned; ids of PIECE_BYTES by hash of their bytes, -1 where empty */
    size_t find_mask;      /* entries less one */
    int byte_ids[256];     /* the id of each byte alone */
    tl_bpe *bpe;           /* owned */
    bool ignore_merges;    /* a word that is a token is that token, whatever the merges make of it */
    tl_added *added[2];    /* owned; [0] looked for in the text as it comes, [1] in the normalized text */
    bool nfc;              /* the normalizer */
    tl_pretoken *pretoken; /* owned */
    tl_ids before, after;  /* what the post-processor adds */
    int bos, eos;          /* -1 where there is none */
};

/* Fill a zeroed t from the files of dir; on failure t holds what tl_tokenizer_free gives back. */
int tl_tokenizer_read(tl_tokenizer *t, const char *dir, tl_err *err);

/* The id of PIECE_BYTES with these bytes, or -1. */
int tl_tokenizer_find_bytes(const tl_tokenizer *t, const char *bytes, size_t size);

/* Make the table that find_bytes looks into, once all pieces are there. */
int tl_tokenizer_index(tl_tokenizer *t, tl_err *err);

#endif

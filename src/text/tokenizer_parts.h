/* tokenizer_parts.h - what a tokenizer is made of: filled by tokenizer_file.c, used by tokenizer.c, private to both. */
#ifndef TL_TEXT_TOKENIZER_PARTS_H
#define TL_TEXT_TOKENIZER_PARTS_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pretoken.h"
#include "text/tokenizer.h"
#include "text/unigram.h"

#include <stdint.h>

/* What an id names. */
enum {
    PIECE_NONE = 0,
    PIECE_MODEL = 1,   /* a token that the model makes of text: its bytes as the model spells them */
    PIECE_TEXT = 2,    /* a token of plain text: only an added token makes it */
    PIECE_SPECIAL = 4, /* flag: dropped by skip_special */
};

typedef struct tl_piece {
    size_t start; /* of its bytes in tl_tokenizer.bytes */
    int size;
    int kind;
} tl_piece;

typedef enum tl_model_kind {
    TL_MODEL_BPE,
    TL_MODEL_UNIGRAM,
    TL_MODEL_WORDPIECE,
    TL_MODEL_WORDLEVEL,
} tl_model_kind;

typedef struct tl_tokenizer_shelf tl_tokenizer_shelf; /* tokenizer_model.h: scratch that waits for the next call */

enum {
    TL_WORDPIECE_BYTES = 512 /* of the longest piece that is looked for */
};

struct tl_tokenizer {
    tl_piece *pieces; /* owned; by id */
    int n_pieces;
    tl_buf bytes;     /* of all pieces, one after the other */
    int *find;        /* owned; ids of PIECE_MODEL by hash of their bytes, -1 where empty */
    size_t find_mask; /* entries less one */
    tl_model_kind kind;
    bool byte_level;           /* pieces are the raw bytes that the vocabulary spells in letters */
    int byte_ids[256];         /* byte_level: the id of each byte alone; else of <0xHH>; -1: none */
    bool byte_fallback;        /* an unknown character is its bytes */
    bool fuse_unk;             /* unknown neighbours are one token */
    int unk;                   /* -1: an unknown character of BPE vanishes */
    bool ignore_merges;        /* a word that is a token is that token, whatever the merges make of it */
    bool cut_at_marks;         /* no token has a mark behind another letter: BPE may take each mark's word alone */
    tl_bpe *bpe;               /* owned; BPE */
    char suffix[16];           /* BPE: of a word's last character */
    tl_unigram *unigram;       /* owned; UNIGRAM */
    int longest;               /* bytes of the longest PIECE_MODEL */
    char prefix[16];           /* WORDPIECE, BPE: of what does not begin a word */
    int max_characters;        /* WORDPIECE: of a word that is looked at */
    tl_added *added[2];        /* owned; [0] looked for in the text as it comes, [1] in the normalized text */
    bool model_adds;           /* the model finds those of [1] itself: they are only kept from the normalizer */
    tl_normalizer *normalizer; /* owned */
    tl_pretoken *pretoken;     /* owned */
    tl_decoder decoder;        /* where not byte_level */
    tl_ids before, after;      /* what the post-processor adds */
    int bos, eos;              /* -1 where there is none */
    tl_tokenizer_shelf *shelf; /* owned; safe from several threads */
};

/* Fill a zeroed t from the files of dir; on failure t holds what tl_tokenizer_free gives back. */
int tl_tokenizer_read(tl_tokenizer *t, const char *dir, tl_err *err);

/* The id of the PIECE_MODEL with these bytes, or -1. */
int tl_tokenizer_find_bytes(const tl_tokenizer *t, const char *bytes, size_t size);

/* Make the table that find_bytes looks into, once all pieces are there. */
int tl_tokenizer_index(tl_tokenizer *t, tl_err *err);

#endif

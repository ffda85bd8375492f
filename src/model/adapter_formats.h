/* adapter_formats.h - the three formats that adapters lie in: what each has to say, and where it keeps a module's
 * tensors; for adapter_file.c and adapter_write.c.
 *
 *            PEFT                             MLX                       GGUF
 *     A      PATH.lora_A.weight [r, I]        PATH.lora_a [I, r]        blk.N.NAME.weight.lora_a [r, I]
 *     B      PATH.lora_B.weight [O, r]        PATH.lora_b [r, O]        blk.N.NAME.weight.lora_b [O, r]
 *     m      PATH.lora_magnitude_vector [O]   PATH.m [O]                -
 *     scale  alpha/r or alpha/sqrt(r)         one number                alpha/r, one alpha
 *
 * PATH is that of the module, in PEFT with "base_model.model." in front.  The rows of B and m lie as those of the
 * base's tensor in that format: GPT-NeoX's q, k and v by heads but for GGUF, q and k of Llama's kin interleaved within
 * heads in GGUF (model_gguf.c says why). */
#ifndef TL_MODEL_ADAPTER_FORMATS_H
#define TL_MODEL_ADAPTER_FORMATS_H

#include "io/gguf.h"
#include "model/adapter_memory.h"

#include <jansson.h>

#define TL_PEFT_PREFIX "base_model.model."

typedef enum tl_adapter_format {
    TL_ADAPTER_PEFT,
    TL_ADAPTER_MLX,
    TL_ADAPTER_GGUF
} tl_adapter_format;

typedef enum tl_piece_kind {
    TL_PIECE_A,
    TL_PIECE_B,
    TL_PIECE_MAGNITUDE,
    TL_PIECES
} tl_piece_kind;

/* One tensor of a module: where a format keeps it. */
typedef struct tl_piece {
    char name[2 * TL_NAME_MAX];
    tl_weight *w;     /* of the adapter; its shape is set once the module's rank is known */
    int rows, cols;   /* of w */
    bool turned;      /* stored as [cols, rows] */
    bool vector;      /* stored as [cols] */
    int parts, heads; /* rows of a head at a time of each part in turn, heads wide; parts 0: not so */
    int interleaved;  /* the width of a head whose rows lie as 0, h/2, 1, h/2 + 1, ...; 0: they do not */
} tl_piece;

/* False: the format has no such tensor for the module. */
bool tl_piece_of(tl_piece *out, tl_adapter_format format, const tl_adapter *a, int layer, int module,
                 tl_piece_kind kind);

/* Where number col of row `row` of the weight stands among the stored numbers. */
size_t tl_piece_at(const tl_piece *p, size_t row, size_t col);

/* Under which names PEFT stores an own weight: the i-th, or false after the last. */
bool tl_own_peft_name(char *out, size_t size, const tl_adapter *a, const tl_own *own, int i);

/* ---- what each format says, into an adapter of nothing: modules, ranks, scales, own weights ---- */

int tl_peft_plan(tl_adapter *a, json_t *config, const char *where, tl_err *err);
int tl_mlx_plan(tl_adapter *a, json_t *config, const char *where, tl_err *err);
int tl_gguf_plan(tl_adapter *a, const tl_gguf *g, tl_err *err);

/* ---- and back: the caller's to decref, or an error that names what the format cannot say ---- */

int tl_peft_config(json_t **out, const tl_adapter *a, const char *base_name, const char *where, tl_err *err);

/* scale is the one of all modules. */
int tl_mlx_config(json_t **out, const tl_adapter *a, float scale, const char *base_name, const char *where,
                  tl_err *err);

/* general.architecture of a GGUF adapter over this base. */
const char *tl_gguf_adapter_architecture(const tl_config *c);

/* An object of type key is as good as absent: null, false, empty, or an object of such. */
bool tl_json_inert(const json_t *v);

#endif

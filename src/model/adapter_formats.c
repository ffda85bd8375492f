/* adapter_formats.c - names and places of tensors in PEFT's, MLX's and GGUF's adapters. */
#include "model/adapter_formats.h"

#include "model/adapter_targets.h"
#include "model/gguf_architectures.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Mistral's bases are llama in GGUF. */
static const tl_gguf_architecture *architecture_of(const tl_config *c)
{
    const char *type = strcmp(c->family->model_type, "mistral") == 0 ? "llama" : c->family->model_type;
    for (int i = 0; tl_gguf_architecture_at(i); i++)
        if (strcmp(tl_gguf_architecture_at(i)->model_type, type) == 0) return tl_gguf_architecture_at(i);
    return NULL;
}

const char *tl_gguf_adapter_architecture(const tl_config *c)
{
    const tl_gguf_architecture *a = architecture_of(c);
    return a ? a->name : NULL;
}

static bool interleaved(const tl_gguf_architecture *arch, const char *stored)
{
    for (const char *const *name = arch->interleaved; *name; name++)
        if (strcmp(*name, stored) == 0) return true;
    return false;
}

/* "blk.3.attn_q.weight.lora_a" */
static bool gguf_piece(tl_piece *p, const tl_adapter *a, int layer, const tl_module *u, tl_piece_kind kind)
{
    const tl_config *c = &a->model->config;
    const tl_gguf_architecture *arch = architecture_of(c);
    const tl_name *name = arch ? arch->layer_names : NULL;
    size_t offset = offsetof(tl_layer, linear) + (size_t)u->first * sizeof(tl_weight);
    char stored[TL_NAME_MAX];
    while (name && name->stored && name->offset != offset) name++;
    if (!name || !name->stored || name->part != 0 || name->parts != u->count || kind == TL_PIECE_MAGNITUDE)
        return false;
    tl_name_print(stored, sizeof stored, name->stored, layer, 0);
    snprintf(p->name, sizeof p->name, "%s.lora_%c", stored, kind == TL_PIECE_A ? 'a' : 'b');
    if (kind == TL_PIECE_B && interleaved(arch, name->stored)) p->interleaved = c->h;
    return true;
}

/* MLX calls the layers of the two families that are named otherwise model.h.N. */
static void mlx_path(char *out, size_t size, const tl_family *f, int layer, const tl_module *u)
{
    const char *pattern = strcmp(f->layer_path, "model.layers.%d.") == 0 ? f->layer_path : "model.h.%d.";
    char below[TL_NAME_MAX];
    tl_name_print(below, sizeof below, pattern, layer, 0);
    snprintf(out, size, "%s%s", below, u->name);
}

static bool hf_piece(tl_piece *p, tl_adapter_format format, const tl_adapter *a, int layer, int module,
                     tl_piece_kind kind)
{
    static const char *const ends[2][TL_PIECES] = { { "lora_A.weight", "lora_B.weight", "lora_magnitude_vector" },
                                                    { "lora_a", "lora_b", "m" } };
    const tl_config *c = &a->model->config;
    const tl_module *u = &c->family->modules[module];
    bool peft = format == TL_ADAPTER_PEFT;
    char path[TL_NAME_MAX];
    if (peft)
        tl_module_path(path, sizeof path, c->family, layer, module);
    else
        mlx_path(path, sizeof path, c->family, layer, u);
    snprintf(p->name, sizeof p->name, "%s%s.%s", peft ? TL_PEFT_PREFIX : "", path, ends[!peft][kind]);
    p->turned = !peft && kind != TL_PIECE_MAGNITUDE;
    p->vector = kind == TL_PIECE_MAGNITUDE;
    if (kind == TL_PIECE_A || !tl_module_by_heads(c->family, u)) return true;
    p->parts = u->count;
    p->heads = c->h;
    return true;
}

bool tl_piece_of(tl_piece *out, tl_adapter_format format, const tl_adapter *a, int layer, int module,
                 tl_piece_kind kind)
{
    tl_lora *lora = tl_adapter_lora(a, layer, module);
    int O, I;
    tl_module_widths(a->model, layer, module, &O, &I);
    *out = (tl_piece){ .w = kind == TL_PIECE_A ? &lora->a : kind == TL_PIECE_B ? &lora->b : &lora->magnitude };
    out->rows = kind == TL_PIECE_A ? lora->r : kind == TL_PIECE_B ? O : 1;
    out->cols = kind == TL_PIECE_A ? I : kind == TL_PIECE_B ? lora->r : O;
    if (format == TL_ADAPTER_GGUF) return gguf_piece(out, a, layer, &a->model->config.family->modules[module], kind);
    return hf_piece(out, format, a, layer, module, kind);
}

/* The stored row of row `row` of ours, of `rows` in all: of B, or of m, whose numbers lie as B's rows. */
static size_t stored_row(const tl_piece *p, size_t row, size_t rows)
{
    size_t h = (size_t)p->interleaved;
    if (p->parts) {
        size_t each = rows / (size_t)p->parts;
        return tl_by_heads(row % each, (int)(row / each), p->parts, p->heads);
    }
    if (h) return row / h * h + (row % h < h / 2 ? row % h * 2 : (row % h - h / 2) * 2 + 1);
    return row;
}

size_t tl_piece_at(const tl_piece *p, size_t row, size_t col)
{
    if (p->vector) return stored_row(p, col, (size_t)p->cols);
    row = stored_row(p, row, (size_t)p->rows);
    return p->turned ? col * (size_t)p->rows + row : row * (size_t)p->cols + col;
}

/* Is the module at that path one that is adapted? */
static bool adapted(const tl_adapter *a, int layer, const char *path)
{
    for (int i = 0; layer >= 0 && i < a->n_modules; i++) {
        char own[TL_NAME_MAX];
        tl_module_path(own, sizeof own, a->model->config.family, layer, i);
        if (tl_adapter_lora(a, layer, i)->r && strcmp(own, path) == 0) return true;
    }
    return false;
}

/* The head of GPT-NeoX is embed_out on disk and in older versions of transformers, lm_head in newer ones; biases of
 * adapted modules lie one level deeper since PEFT 0.7. */
bool tl_own_peft_name(char *out, size_t size, const tl_adapter *a, const tl_own *own, int i)
{
    char stored[TL_NAME_MAX];
    bool head = own->name->offset == offsetof(tl_model, head) && own->layer < 0;
    tl_own_stored_name(stored, sizeof stored, own);
    char *dot = strrchr(stored, '.');
    if (own->kind == TL_OWN_TOKENS) {
        snprintf(out, size, TL_PEFT_PREFIX "%.*s.token_adapter.trainable_tokens_delta", (int)(dot - stored), stored);
        return i == 0;
    }
    if (head && strcmp(stored, "lm_head.weight") != 0) {
        snprintf(out, size, TL_PEFT_PREFIX "%s", i == 0 ? "lm_head.weight" : stored);
        return i < 2;
    }
    *dot = '\0';
    bool deeper = own->kind == TL_OWN_BIAS && adapted(a, own->layer, stored);
    snprintf(out, size, TL_PEFT_PREFIX "%s%s.%s", stored, deeper && i == 0 ? ".base_layer" : "", dot + 1);
    return i == 0 || (deeper && i == 1);
}

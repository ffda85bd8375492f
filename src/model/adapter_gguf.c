/* adapter_gguf.c - the metadata of a GGUF adapter, as llama.cpp reads it:
 *
 *     general.type = "adapter"   general.architecture = "llama"   adapter.type = "lora"   adapter.lora.alpha = 16.0
 *
 * Modules and their ranks are those of the tensors; a module's scale is alpha / rank, 1 where alpha is 0 or missing. */
#include "model/adapter_formats.h"

#include <string.h>

static int check_type(const tl_gguf *g, const char *key, const char *wanted, tl_err *err)
{
    const char *found = NULL;
    TL_TRY(tl_gguf_string(g, key, &found, err));
    if (strcmp(found, wanted) == 0) return 0;
    return tl_fail(err, TL_EUNSUPPORTED, "%s: key %s is '%.100s', wanted '%s'", tl_gguf_path(g), key, found, wanted);
}

static int check_keys(const tl_gguf *g, const tl_config *c, tl_err *err)
{
    const char *architecture = tl_gguf_adapter_architecture(c);
    if (!architecture)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: there are no GGUF adapters for a %s base", tl_gguf_path(g),
                       tl_config_model_type(c));
    TL_TRY(check_type(g, "general.type", "adapter", err));
    TL_TRY(check_type(g, "general.architecture", architecture, err));
    TL_TRY(check_type(g, "adapter.type", "lora", err));
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const char *key = tl_gguf_pair_at(g, i)->key;
        if (strncmp(key, "adapter.", 8) == 0 && strcmp(key, "adapter.type") != 0 &&
            strcmp(key, "adapter.lora.alpha") != 0)
            return tl_fail(err, TL_EUNSUPPORTED, "%s: key %.200s is set, which is not supported", tl_gguf_path(g), key);
    }
    return 0;
}

/* The rank of a module's A, or 0 where it has none; without B it is refused later. */
static int rank_of(int *r, const tl_adapter *a, const tl_gguf *g, int layer, int module, tl_err *err)
{
    tl_piece A, B;
    *r = 0;
    if (!tl_piece_of(&A, TL_ADAPTER_GGUF, a, layer, module, TL_PIECE_A)) return 0;
    tl_piece_of(&B, TL_ADAPTER_GGUF, a, layer, module, TL_PIECE_B);
    const tl_stored *t = tl_gguf_find(g, A.name);
    if (!t && tl_gguf_find(g, B.name))
        return tl_fail(err, TL_EFORMAT, "%s: tensor %s is missing", tl_gguf_path(g), A.name);
    if (!t) return 0;
    *r = 1;
    if (t->n_dims == 1) return 0; /* ggml leaves sizes of one away; what the size is is seen to later */
    if (t->n_dims < 1 || t->dims[0] < 1 || t->dims[0] > TL_RANK_MAX)
        return tl_fail(err, TL_ESHAPE, "%s: tensor %s has %zu rows, its rank, wanted 1 to %d", tl_gguf_path(g), A.name,
                       t->n_dims > 0 ? t->dims[0] : 0, TL_RANK_MAX);
    *r = (int)t->dims[0];
    return 0;
}

int tl_gguf_plan(tl_adapter *a, const tl_gguf *g, tl_err *err)
{
    double alpha;
    TL_TRY(check_keys(g, &a->model->config, err));
    TL_TRY(tl_gguf_double_or(g, "adapter.lora.alpha", -1e6, 1e6, 0, &alpha, err));
    for (int l = 0; l < a->model->config.L; l++)
        for (int i = 0; i < a->n_modules; i++) {
            int r;
            TL_TRY(rank_of(&r, a, g, l, i, err));
            if (r > 0) tl_adapter_adapt(a, l, i, r, alpha == 0 ? (float)r : (float)alpha);
        }
    return 0;
}

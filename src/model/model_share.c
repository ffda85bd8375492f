/* model_share.c - a model that shares the weights of another: layers of its own, pointing to the same numbers. */
#include "model/model_memory.h"

#include <stdlib.h>
#include <string.h>

/* A copy of n things of that size, or NULL. */
static void *copied(const void *from, size_t n, size_t size)
{
    void *to = calloc(n, size);
    if (to) memcpy(to, from, n * size);
    return to;
}

int tl_model_share(tl_model **out, const tl_model *m, tl_err *err)
{
    size_t L = (size_t)m->config.L, E = (size_t)m->config.E;
    tl_model *v = calloc(1, sizeof *v);
    if (v) {
        *v = *m;
        v->named = false;
        v->layers = copied(m->layers, L, sizeof *v->layers);
        v->experts = E ? copied(m->experts, L * E, sizeof *v->experts) : NULL;
        v->memory = calloc(1, sizeof *v->memory);
    }
    if (!v || !v->layers || !v->memory || (E && !v->experts)) {
        tl_model_free(v);
        return tl_fail(err, TL_ENOMEM, "no memory for a base of %d layers", m->config.L);
    }
    for (size_t l = 0; E && l < L; l++) v->layers[l].experts = v->experts + l * E;
    *out = v;
    return 0;
}

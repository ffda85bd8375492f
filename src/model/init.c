/* init.c - the weights a model is born with. */
#include "model/init.h"

#include "base/hash.h"
#include "base/rng.h"
#include "model/names.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

tl_init tl_init_defaults(void)
{
    return (tl_init){ .std = 0.02f };
}

uint64_t tl_init_stream(const char *name)
{
    tl_hash h = tl_hash_bytes(name, strlen(name));
    uint64_t stream = 0;
    for (int i = 0; i < 8; i++) stream |= (uint64_t)h.bytes[i] << (8 * i);
    return stream;
}

static void fill(tl_weight *w, const tl_weight_row *row, const char *prefix, uint64_t seed, float std)
{
    assert(w->grad); /* unfrozen: the data is the model's own */
    float *data = (float *)w->data;
    size_t n = (size_t)w->rows * (size_t)w->cols;
    if (row->rows == '1') {
        bool bias = strstr(row->name, ".bias") != NULL;
        for (size_t i = 0; i < n; i++) data[i] = bias ? 0.0f : 1.0f;
        return;
    }
    char name[64];
    snprintf(name, sizeof name, "%s%s", prefix, row->name);
    tl_rng r = tl_rng_make(seed, tl_init_stream(name));
    for (size_t i = 0; i < n; i++) data[i] = std * (float)tl_rng_normal(&r);
}

void tl_init_weights(tl_model *m, uint64_t seed, const tl_init *options)
{
    const tl_config *c = &m->config;
    float residual = options->std / sqrtf(2.0f * (float)c->L);
    for (const tl_weight_row *row = tl_model_rows; row->name; row++)
        if (tl_weight_row_wanted(row, c)) fill(tl_weight_row_of(row, m), row, "", seed, options->std);
    for (int l = 0; l < c->L; l++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "layers.%d.", l);
        for (const tl_weight_row *row = tl_layer_rows; row->name; row++)
            if (tl_weight_row_wanted(row, c))
                fill(tl_weight_row_of(row, &m->layers[l]), row, prefix, seed, row->residual ? residual : options->std);
    }
}

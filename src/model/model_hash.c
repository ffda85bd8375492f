/* model_hash.c - a base's name: the hash of its config and of the digest of each weight (name, type, shape, bytes) in
 * the order of our rows.
 *
 * Reading all weights takes longer than a first token, and most commands never ask; so it waits until somebody does.
 * Weights are digested side by side, the chain is over their digests.  What that takes is had when the base is opened:
 * asking cannot fail. */
#include "base/hash.h"
#include "io/json.h"
#include "model/model_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count(void *context, const char *name, tl_weight *w)
{
    (void)name;
    (void)w;
    ++*(size_t *)context;
    return 0;
}

static int collect(void *context, const char *name, tl_weight *w)
{
    tl_model_digests *d = context;
    char line[120];
    snprintf(line, sizeof line, "%s %s %d %d", name, tl_dtype_name(w->dtype), w->rows, w->cols);
    d->weights[d->n] = w;
    d->heads[d->n++] = tl_hash_bytes(line, strlen(line));
    return 0;
}

int tl_model_name(tl_model *m, tl_err *err)
{
    size_t n = 0;
    tl_model_digests *d = &m->memory->digests;
    tl_model_each_row(m, count, &n);
    json_t *object = tl_config_json(&m->config);
    char *text = object ? tl_json_print(object, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    d->weights = calloc(n, sizeof *d->weights);
    d->heads = calloc(n, sizeof *d->heads);
    int rc = text && d->weights && d->heads ? 0 : tl_fail(err, TL_ENOMEM, "no memory to hash the base");
    if (rc == 0) {
        tl_model_each_row(m, collect, d);
        d->config = tl_hash_bytes(text, strlen(text));
        m->named = true;
    }
    free(text);
    json_decref(object);
    return rc;
}

void tl_model_unname(tl_model *m)
{
    free(m->memory->digests.weights);
    free(m->memory->digests.heads);
    m->memory->digests = (tl_model_digests){ .n = 0 };
    m->named = false;
}

tl_hash tl_model_hash(const tl_model *m)
{
    static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER;
    tl_model_digests *d = &m->memory->digests;
    tl_hash answer = { { 0 } };
    pthread_mutex_lock(&asking);
    if (m->named && !d->known) {
#pragma omp parallel for schedule(dynamic)
        for (size_t i = 0; i < d->n; i++) {
            const tl_weight *w = d->weights[i];
            d->heads[i] = tl_hash_chain(&d->heads[i], w->data, tl_weight_bytes(w));
        }
        d->hash = tl_hash_chain(&d->config, d->heads, d->n * sizeof *d->heads);
        d->known = true;
    }
    if (m->named) answer = d->hash;
    pthread_mutex_unlock(&asking);
    return answer;
}

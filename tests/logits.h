/* logits.h - for tests: what a model predicts after each token of one short sequence. */
#ifndef TL_TESTS_LOGITS_H
#define TL_TESTS_LOGITS_H

#include "model/forward.h"
#include "tests/check.h"

/* [N, V] of at most 100 ids, by two threads; the caller frees it. */
static inline float *logits_of(tl_model *m, tl_precision precision, const int *ids, int N)
{
    tl_err err = { 0 };
    tl_stream stream;
    tl_acts *acts = NULL;
    int positions[100];
    CHECK(N <= 100 && N <= m->config.T);
    for (int i = 0; i < N; i++) positions[i] = i;
    tl_segment segment = { .rows = N };
    tl_batch batch = { .N = N, .ids = ids, .positions = positions, .n_segments = 1, .segments = &segment };
    tl_acts_size size = { .max_rows = N, .max_segments = 1, .training = true };
    CHECK_OK(tl_stream_create(&stream, 2, precision, m->config.T, m->config.h, &err), err);
    CHECK_OK(tl_acts_create(&acts, m, &size, &err), err);
    float *logits = calloc((size_t)N * (size_t)m->config.V, sizeof *logits);
    CHECK(logits != NULL);
    tl_forward(m, &stream, &batch, acts);
    tl_logits(m, &stream, acts, positions, N, logits);
    tl_acts_free(acts);
    tl_stream_free(&stream);
    return logits;
}

#endif

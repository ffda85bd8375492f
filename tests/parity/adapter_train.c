/* adapter_train.c - the other half of adapters.py: an adapter made and trained by us, for peft to read.
 *
 *     adapter_train BASE DIR TARGETS R ALPHA KINDS OWN BIAS SEED IDS
 *
 * KINDS holds r for rsLoRA and d for DoRA; OWN is "-" for none.  A few steps at a rate at which every number moves;
 * then the model's logits for IDS go to standard output as `tailor logits --json` writes them. */
#include "model/adapter.h"
#include "train/train.h"

#include "base/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 4
};

static int train(tl_model *m, tl_adapter *a, tl_stream *s, const tl_ids *ids, tl_err *err)
{
    tl_trainer *t = NULL;
    tl_train_report r;
    tl_train_options o = tl_train_defaults();
    tl_sample sample = { .ids = ids->data, .trained = malloc(ids->size), .n = (int)ids->size };
    const tl_sample *list[] = { &sample };
    memset(sample.trained, 1, ids->size);
    o.schedule = (tl_schedule){ .kind = TL_SCHEDULE_CONSTANT, .peak = 0.03, .total = STEPS };
    o.max_rows = (int)ids->size;
    int rc = tl_trainer_create(&t, m, a, s, &o, err);
    for (int i = 0; rc == 0 && i < STEPS; i++) rc = tl_train_step(t, list, 1, &r, err);
    tl_trainer_free(t);
    free(sample.trained);
    return rc;
}

static int print_logits(const tl_model *m, tl_adapter *a, tl_stream *s, const tl_ids *ids, tl_err *err)
{
    int n = (int)ids->size, V = m->config.V;
    tl_acts *acts = NULL;
    tl_acts_size size = { .max_rows = n, .max_rank = a->max_r, .max_segments = 1 };
    TL_TRY(tl_acts_create(&acts, m, &size, err));
    int *rows = malloc(ids->size * sizeof *rows);
    float *logits = malloc(ids->size * (size_t)V * sizeof *logits);
    for (int i = 0; i < n; i++) rows[i] = i;
    tl_segment segment = { .rows = n };
    tl_batch b = { .N = n, .ids = ids->data, .positions = rows, .n_segments = 1, .segments = &segment, .adapters = &a };
    tl_forward(m, s, &b, acts);
    tl_logits(m, s, acts, rows, n, logits);
    printf("{\"logits\":[");
    for (int i = 0; i < n; i++)
        for (int v = 0; v < V; v++)
            printf("%s%.9g%s",
                   v   ? ","
                   : i ? ",["
                       : "[",
                   (double)logits[(size_t)i * (size_t)V + (size_t)v], v + 1 == V ? "]" : "");
    puts("]}");
    tl_acts_free(acts);
    free(logits);
    free(rows);
    return 0;
}

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    tl_adapter *a = NULL;
    tl_stream s = { 0 };
    tl_ids ids = { 0 };
    tl_adapter_options o = tl_adapter_defaults();
    if (argc != 11) return 2;
    o.targets = argv[3];
    o.r = atoi(argv[4]);
    o.alpha = (float)atof(argv[5]);
    o.rslora = strchr(argv[6], 'r') != NULL;
    o.dora = strchr(argv[6], 'd') != NULL;
    o.own = strcmp(argv[7], "-") == 0 ? "" : argv[7];
    o.seed = (uint64_t)atol(argv[9]);
    int rc = tl_bias_parse(&o.bias, argv[8], &err);
    if (rc == 0) rc = tl_ids_parse(&ids, argv[10], &err);
    if (rc == 0) rc = tl_model_open(&m, argv[1], &err);
    if (rc == 0) rc = tl_stream_create(&s, 1, TL_PRECISION_F32, m->config.T, m->config.h, &err);
    if (rc == 0) rc = tl_adapter_create(&a, m, &o, &err);
    if (rc == 0) rc = train(m, a, &s, &ids, &err);
    if (rc == 0) rc = tl_adapter_write(a, argv[2], "base", &err);
    if (rc == 0) rc = print_logits(m, a, &s, &ids, &err);
    if (rc < 0) fprintf(stderr, "%s\n", err.text);
    tl_adapter_release(a);
    tl_ids_reset(&ids);
    tl_stream_free(&s);
    tl_model_free(m);
    return rc < 0;
}

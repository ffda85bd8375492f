/* checkpoint.c - the trained list, out and in. */
#include "train/checkpoint.h"

#include "io/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KINDS = 3,
    NAME = 112
};
static const char *const kinds[KINDS] = { "value", "m", "v" };

static float *part(const tl_param *p, int kind)
{
    return kind == 0 ? p->value : kind == 1 ? p->m : p->v;
}

int tl_checkpoint_save(const tl_trainer *t, const char *path, const char *run, long place, tl_err *err)
{
    int n = t->params->n * KINDS;
    tl_stored *s = calloc((size_t)n, sizeof *s);
    char(*names)[NAME] = calloc((size_t)n, sizeof *names);
    int rc = s && names ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for its list of tensors", path);
    for (int i = 0; rc == 0 && i < n; i++) {
        const tl_param *p = &t->params->items[i / KINDS];
        snprintf(names[i], NAME, "%s/%s", kinds[i % KINDS], p->name);
        s[i] = (tl_stored){ .name = names[i],
                            .dtype = TL_DTYPE_F32,
                            .n_dims = 2,
                            .dims = { (size_t)p->rows, (size_t)p->cols },
                            .data = part(p, i % KINDS),
                            .bytes = p->n * sizeof(float) };
    }
    char step[32], at[32], flops[32];
    snprintf(step, sizeof step, "%ld", t->step);
    snprintf(at, sizeof at, "%ld", place);
    snprintf(flops, sizeof flops, "%.17g", t->flops);
    tl_meta meta[] = { { "step", step }, { "place", at }, { "flops", flops }, { "run", run } };
    if (rc == 0) rc = tl_safetensors_save(path, s, n, meta, 4, err);
    free(s);
    free(names);
    return rc;
}

/* Every tensor of the run is there, in its shape; and nothing else. */
static int check(const tl_trainer *t, const tl_safetensors *s, const char *path, tl_err *err)
{
    if (tl_safetensors_count(s) != t->params->n * KINDS)
        return tl_fail(err, TL_ESHAPE, "%s: %d tensors, this run has %d", path, tl_safetensors_count(s),
                       t->params->n * KINDS);
    for (int i = 0; i < t->params->n * KINDS; i++) {
        const tl_param *p = &t->params->items[i / KINDS];
        char name[NAME];
        snprintf(name, sizeof name, "%s/%s", kinds[i % KINDS], p->name);
        const tl_stored *x = tl_safetensors_find(s, name);
        if (!x) return tl_fail(err, TL_EFORMAT, "%s: no tensor %s", path, name);
        if (x->dtype != TL_DTYPE_F32 || x->n_dims != 2 || x->dims[0] != (size_t)p->rows ||
            x->dims[1] != (size_t)p->cols)
            return tl_fail(err, TL_ESHAPE, "%s: %s is not the %dx%d F32 that this run trains", path, name, p->rows,
                           p->cols);
    }
    return 0;
}

/* After check: nothing can fail half-way. */
static void fill(tl_trainer *t, const tl_safetensors *s)
{
    for (int i = 0; i < t->params->n * KINDS; i++) {
        const tl_param *p = &t->params->items[i / KINDS];
        char name[NAME];
        snprintf(name, sizeof name, "%s/%s", kinds[i % KINDS], p->name);
        memcpy(part(p, i % KINDS), tl_safetensors_find(s, name)->data, p->n * sizeof(float));
    }
}

static bool whole_number(const char *text, long *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

/* Both from the word before the first that differs, its name: a description can be longer than a sentence. */
static int other_settings(const char *path, const char *was, const char *run, tl_err *err)
{
    size_t before = 0, word = 0;
    for (size_t at = 0; was[at] && was[at] == run[at]; at++) {
        if (was[at] != ' ') continue;
        before = word;
        word = at + 1;
    }
    return tl_fail(err, TL_EUSAGE, "%s: was made by a run with other settings (%.200s), this one has (%.200s)", path,
                   was + before, run + before);
}

int tl_checkpoint_load(tl_trainer *t, const char *path, const char *run, long *place, tl_err *err)
{
    tl_safetensors *s = NULL;
    TL_TRY(tl_safetensors_open(&s, path, err));
    const char *was = tl_safetensors_meta(s, "run"), *step = tl_safetensors_meta(s, "step");
    const char *at = tl_safetensors_meta(s, "place"), *flops = tl_safetensors_meta(s, "flops");
    long steps = 0, there = 0;
    int rc = 0;
    if (!was || !step || !at || !flops)
        rc = tl_fail(err, TL_EFORMAT, "%s: not a checkpoint: step, place, flops or run is missing", path);
    else if (strcmp(was, run) != 0)
        rc = other_settings(path, was, run, err);
    else if (!whole_number(step, &steps) || !whole_number(at, &there))
        rc = tl_fail(err, TL_EFORMAT, "%s: step '%s' or place '%s' is not a whole number", path, step, at);
    else
        rc = check(t, s, path, err);
    if (rc == 0) {
        fill(t, s);
        t->step = steps;
        t->flops = strtod(flops, NULL);
        *place = there;
    }
    tl_safetensors_close(s);
    return rc;
}

/* checkpoint.c - the trained list, out and in. */
#include "train/checkpoint.h"

#include "io/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS_MAX = 5,
    NAME = 112
};

/* What a parameter leaves in the file: its value and its optimizer's state, as they lie in memory. */
typedef struct part {
    const char *kind;
    void *data; /* NULL: this run has no such part */
    tl_dtype dtype;
    size_t rows, cols;
} part;

static void parts_of(part out[PARTS_MAX], const tl_param *p)
{
    static const tl_dtype state_types[] = { TL_DTYPE_F32, TL_DTYPE_BF16, TL_DTYPE_U8 };
    size_t rows = (size_t)p->rows, cols = (size_t)p->cols, blocks = (p->n + TL_STATE_BLOCK - 1) / TL_STATE_BLOCK;
    out[0] = (part){ "value", p->value, p->dtype, rows, cols };
    out[1] = (part){ "m", p->m, state_types[p->state], rows, cols };
    out[2] = (part){ "v", p->v, state_types[p->state], rows, cols };
    out[3] = (part){ "m_scale", p->m_scale, TL_DTYPE_F32, 1, blocks };
    out[4] = (part){ "v_scale", p->v_scale, TL_DTYPE_F32, 1, blocks };
}

static size_t part_bytes(const part *x)
{
    return x->rows * x->cols * tl_dtype_size(x->dtype);
}

/* Call visit for each part of each parameter, stopping at the first negative return. */
typedef int part_visit(void *context, const char *name, const part *x, tl_err *err);

static int each_part(const tl_trainer *t, part_visit *visit, void *context, tl_err *err)
{
    for (int i = 0; i < t->params->n; i++) {
        part parts[PARTS_MAX];
        parts_of(parts, &t->params->items[i]);
        for (int k = 0; k < PARTS_MAX; k++) {
            char name[NAME];
            if (!parts[k].data) continue;
            snprintf(name, sizeof name, "%s/%s", parts[k].kind, t->params->items[i].name);
            TL_TRY(visit(context, name, &parts[k], err));
        }
    }
    return 0;
}

typedef struct listing {
    tl_stored *s;        /* owned by save */
    char (*names)[NAME]; /* likewise */
    int n;
} listing;

static int list_part(void *context, const char *name, const part *x, tl_err *err)
{
    (void)err;
    listing *l = context;
    snprintf(l->names[l->n], NAME, "%s", name);
    l->s[l->n] = (tl_stored){ .name = l->names[l->n],
                              .dtype = x->dtype,
                              .n_dims = 2,
                              .dims = { x->rows, x->cols },
                              .data = x->data,
                              .bytes = part_bytes(x) };
    l->n++;
    return 0;
}

int tl_checkpoint_save(const tl_trainer *t, const char *path, const char *run, long place, tl_err *err)
{
    size_t most = (size_t)t->params->n * PARTS_MAX;
    listing l = { .s = calloc(most, sizeof *l.s), .names = calloc(most, sizeof *l.names) };
    int rc = l.s && l.names ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory for its list of tensors", path);
    if (rc == 0) rc = each_part(t, list_part, &l, err);
    char step[32], at[32], flops[32];
    snprintf(step, sizeof step, "%ld", t->step);
    snprintf(at, sizeof at, "%ld", place);
    snprintf(flops, sizeof flops, "%.17g", t->flops);
    tl_meta meta[] = { { "step", step }, { "place", at }, { "flops", flops }, { "run", run } };
    if (rc == 0) rc = tl_safetensors_save(path, l.s, l.n, meta, 4, err);
    free(l.s);
    free(l.names);
    return rc;
}

typedef struct loading {
    const tl_safetensors *s;
    const char *path;
} loading;

static int count_part(void *context, const char *name, const part *x, tl_err *err)
{
    (void)name;
    (void)x;
    (void)err;
    ++*(int *)context;
    return 0;
}

static int check_part(void *context, const char *name, const part *x, tl_err *err)
{
    const loading *l = context;
    const tl_stored *found = tl_safetensors_find(l->s, name);
    if (!found) return tl_fail(err, TL_EFORMAT, "%s: no tensor %s", l->path, name);
    if (found->dtype != x->dtype || found->n_dims != 2 || found->dims[0] != x->rows || found->dims[1] != x->cols)
        return tl_fail(err, TL_ESHAPE, "%s: %s is not the %zux%zu %s that this run trains", l->path, name, x->rows,
                       x->cols, tl_dtype_name(x->dtype));
    return 0;
}

/* Every tensor of the run is there, in its shape; and nothing else. */
static int check(const tl_trainer *t, const tl_safetensors *s, const char *path, tl_err *err)
{
    loading l = { .s = s, .path = path };
    int wanted = 0;
    TL_TRY(each_part(t, count_part, &wanted, err));
    if (tl_safetensors_count(s) != wanted)
        return tl_fail(err, TL_ESHAPE, "%s: %d tensors, this run has %d", path, tl_safetensors_count(s), wanted);
    return each_part(t, check_part, &l, err);
}

/* After check: nothing can fail half-way. */
static int fill_part(void *context, const char *name, const part *x, tl_err *err)
{
    (void)err;
    const loading *l = context;
    memcpy(x->data, tl_safetensors_find(l->s, name)->data, part_bytes(x));
    return 0;
}

static void fill(tl_trainer *t, const tl_safetensors *s)
{
    loading l = { .s = s };
    each_part(t, fill_part, &l, NULL);
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
        tl_adapter_renorm(t->adapter, t->stream);
        t->step = steps;
        t->flops = strtod(flops, NULL);
        *place = there;
    }
    tl_safetensors_close(s);
    return rc;
}

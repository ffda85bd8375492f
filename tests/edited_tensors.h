/* edited_tensors.h - for tests: a safetensors file of the scratch directory, saved again with other tensors.
 *
 *     static void lose_one(edit *e) { e->n--; }
 *     edited_tensors("model.safetensors", lose_one);
 *
 * What an edit puts into the list must live until edited_tensors returns. */
#ifndef TL_TESTS_EDITED_TENSORS_H
#define TL_TESTS_EDITED_TENSORS_H

#include "io/safetensors.h"
#include "tests/check.h"
#include "tests/scratch.h"

typedef struct edit {
    tl_stored tensors[80];
    int n;
} edit;

static inline void edited_tensors(const char *name, void (*change)(edit *e))
{
    tl_err err = { 0 };
    tl_safetensors *s = NULL;
    edit e = { 0 };
    const char *path = scratch(name);
    CHECK_OK(tl_safetensors_open(&s, path, &err), err);
    for (int i = 0; i < tl_safetensors_count(s); i++) e.tensors[e.n++] = *tl_safetensors_at(s, i);
    change(&e);
    CHECK_OK(tl_safetensors_save(path, e.tensors, e.n, NULL, 0, &err), err);
    tl_safetensors_close(s);
}

static inline tl_stored *edit_find(edit *e, const char *name)
{
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->tensors[i].name, name) == 0) return &e->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

#endif

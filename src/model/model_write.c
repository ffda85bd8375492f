/* model_write.c - a base to disk, as transformers reads it: config.json, and the family's tensors in one file or in
 * shards with their index. */
#include "base/panels.h"
#include "io/atomic.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/layout_write.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tl_write_options tl_write_defaults(void)
{
    return (tl_write_options){ .dtype = TL_DTYPE_COUNT };
}

/* What transformers calls the type. */
static const char *torch_name(tl_dtype t)
{
    return t == TL_DTYPE_F16 ? "float16" : t == TL_DTYPE_BF16 ? "bfloat16" : "float32";
}

/* The type asked for; where none is, the weight's own, blocks as f32. */
static tl_dtype choose(const void *options, const tl_model *m, const tl_layout_tensor *t)
{
    (void)m;
    const tl_write_options *o = options;
    const tl_dtype own = tl_weight_own_type(t->weight);
    if (o->dtype != TL_DTYPE_COUNT) return o->dtype;
    return own == TL_DTYPE_BF16 || own == TL_DTYPE_F16 ? own : TL_DTYPE_F32;
}

static int write_config(const tl_model *m, const char *dir, const tl_write_options *o, tl_err *err)
{
    char path[PATH_MAX];
    const tl_layout_tensor first = { .weight = &m->layers[0].linear[TL_Q] };
    TL_TRY(tl_path_join(path, sizeof path, dir, "config.json", err));
    json_t *object = o->config ? json_copy((json_t *)o->config) : tl_config_json(&m->config);
    const char *key = json_object_get(object, "dtype") ? "dtype" : "torch_dtype"; /* since its version 5, and before */
    if (!object || json_object_set_new(object, key, json_string(torch_name(choose(o, m, &first)))) < 0) {
        json_decref(object);
        return tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    }
    int rc = tl_json_save(path, object, err);
    json_decref(object);
    return rc;
}

/* ---- shards ---- */

/* Tensors first to the returned one go into one file: as many as fit in limit bytes, and at least one. */
static int shard_end(const tl_layout_list *list, int first, size_t limit)
{
    size_t bytes = list->tensors[first].bytes;
    int end = first + 1;
    while (end < list->n && (limit == 0 || bytes + list->tensors[end].bytes <= limit))
        bytes += list->tensors[end++].bytes;
    return end;
}

static int shard_count(const tl_layout_list *list, size_t limit)
{
    int n = 0;
    for (int first = 0; first < list->n; n++) first = shard_end(list, first, limit);
    return n;
}

static int save_index(const tl_layout_list *list, json_t *map, const char *dir, tl_err *err)
{
    char path[PATH_MAX];
    size_t bytes = 0;
    for (int i = 0; i < list->n; i++) bytes += list->tensors[i].bytes;
    TL_TRY(tl_path_join(path, sizeof path, dir, "model.safetensors.index.json", err));
    json_t *index = json_pack("{s:{s:I}, s:O}", "metadata", "total_size", (json_int_t)bytes, "weight_map", map);
    int rc = index ? tl_json_save(path, index, err) : tl_fail(err, TL_ENOMEM, "%s: no memory to write it", path);
    json_decref(index);
    return rc;
}

/* One file, its tensors into map. */
static int write_shard(tl_layout_list *list, int end, const char *name, const char *dir, json_t *map, tl_err *err)
{
    static const tl_meta meta[] = { { "format", "pt" } }; /* transformers wants the word */
    char path[PATH_MAX];
    TL_TRY(tl_path_join(path, sizeof path, dir, name, err));
    for (int i = list->first; i < end; i++)
        if (json_object_set_new(map, list->tensors[i].name, json_string(name)) < 0)
            return tl_fail(err, TL_ENOMEM, "%s: no memory for its index", path);
    return tl_safetensors_stream(path, list->tensors + list->first, end - list->first, meta, 1, tl_layout_list_write,
                                 list, err);
}

static int write_shards(tl_layout_list *list, const char *dir, size_t limit, tl_err *err)
{
    const int n = shard_count(list, limit);
    json_t *map = json_object();
    int rc = map ? 0 : tl_fail(err, TL_ENOMEM, "%s: no memory to write it", dir);
    for (int i = 1; rc == 0 && list->first < list->n; i++) {
        char name[80] = "model.safetensors";
        const int end = shard_end(list, list->first, limit);
        if (n > 1) snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i, n);
        rc = write_shard(list, end, name, dir, map, err);
        list->first = end;
    }
    if (rc == 0 && n > 1) rc = save_index(list, map, dir, err);
    json_decref(map);
    return rc;
}

int tl_model_write_with(const tl_model *m, const char *dir, const tl_write_options *options, tl_err *err)
{
    tl_layout_list list = { 0 };
    const tl_layout layout = tl_layout_of(m->config.family);
    TL_TRY(write_config(m, dir, options, err));
    TL_TRY(tl_layout_list_make(&list, m, &layout, choose, options, err));
    int rc = write_shards(&list, dir, options->shard_bytes, err);
    tl_layout_list_reset(&list);
    return rc;
}

int tl_model_write(const tl_model *m, const char *dir, tl_dtype dtype, tl_err *err)
{
    tl_write_options o = tl_write_defaults();
    o.dtype = dtype;
    return tl_model_write_with(m, dir, &o, err);
}

int tl_model_write_as_it_is(const tl_model *m, const char *dir, tl_err *err)
{
    const tl_write_options o = tl_write_defaults();
    return tl_model_write_with(m, dir, &o, err);
}

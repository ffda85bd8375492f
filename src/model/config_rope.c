/* config_rope.c - rotary positions in config.json.
 *
 * Until version 4, transformers wrote "rope_theta" and, for anything but the plain scheme, an object "rope_scaling";
 * since version 5 all of it is in "rope_parameters".  Gemma 3 has two schemes, for layers with a window and without: a
 * key "rope_local_base_freq" then, an object for each kind of layer since.  Both are read; what is written is the older
 * form, which both versions read. */
#include "io/json.h"
#include "model/config_parts.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    tl_rope_kind kind;
} kinds[] = {
    { "default", TL_ROPE_DEFAULT }, { "linear", TL_ROPE_LINEAR }, { "dynamic", TL_ROPE_DYNAMIC },
    { "llama3", TL_ROPE_LLAMA3 },   { "yarn", TL_ROPE_YARN },     { "longrope", TL_ROPE_LONG },
};

enum {
    N_KINDS = sizeof kinds / sizeof *kinds
};

#define OF(kind) (1u << (kind))

/* The numbers of a scheme: which kinds have it, and what holds where it is missing (NAN: it must be there). */
static const struct {
    const char *key;
    unsigned kinds;
    size_t offset;
    double least, most, standard;
} numbers[] = {
    { "factor", OF(TL_ROPE_LINEAR) | OF(TL_ROPE_DYNAMIC) | OF(TL_ROPE_LLAMA3), offsetof(tl_rope, factor), 1e-3, 1e6,
      NAN },
    { "factor", OF(TL_ROPE_YARN) | OF(TL_ROPE_LONG), offsetof(tl_rope, factor), 1e-3, 1e6, 0 },
    { "low_freq_factor", OF(TL_ROPE_LLAMA3), offsetof(tl_rope, low), 1e-6, 1e6, NAN },
    { "high_freq_factor", OF(TL_ROPE_LLAMA3), offsetof(tl_rope, high), 1e-6, 1e6, NAN },
    { "beta_slow", OF(TL_ROPE_YARN), offsetof(tl_rope, low), 1e-6, 1e6, 1 },
    { "beta_fast", OF(TL_ROPE_YARN), offsetof(tl_rope, high), 1e-6, 1e6, 32 },
    { "attention_factor", OF(TL_ROPE_YARN) | OF(TL_ROPE_LONG), offsetof(tl_rope, attention), 1e-6, 1e6, 0 },
    { "mscale", OF(TL_ROPE_YARN), offsetof(tl_rope, mscale), 0, 1e6, 0 },
    { "mscale_all_dim", OF(TL_ROPE_YARN), offsetof(tl_rope, mscale_all), 0, 1e6, 0 },
};

enum {
    N_NUMBERS = sizeof numbers / sizeof *numbers
};

/* Read below; the rest of the keys an object may have are those of `numbers`. */
static const char *const others[] = { "rope_type", "type", "rope_theta", "partial_rotary_factor", NULL };
static const unsigned stretched = OF(TL_ROPE_LLAMA3) | OF(TL_ROPE_YARN) | OF(TL_ROPE_LONG);

static double *number_of(tl_rope *r, int i)
{
    return (void *)((char *)r + numbers[i].offset);
}

static bool known(const char *key, tl_rope_kind kind)
{
    for (const char *const *other = others; *other; other++)
        if (strcmp(*other, key) == 0) return true;
    for (int i = 0; i < N_NUMBERS; i++)
        if (numbers[i].kinds & OF(kind) && strcmp(numbers[i].key, key) == 0) return true;
    if (strcmp(key, "original_max_position_embeddings") == 0) return stretched & OF(kind);
    if (strcmp(key, "truncate") == 0) return kind == TL_ROPE_YARN;
    if (strcmp(key, "short_factor") == 0 || strcmp(key, "long_factor") == 0) return kind == TL_ROPE_LONG;
    return false;
}

static int parse_kind(tl_rope *r, const tl_config *c, const json_t *o, const char *where, tl_err *err)
{
    const char *type = NULL, *old = NULL; /* "type" is the older word for "rope_type" */
    TL_TRY(tl_json_string_or(o, where, "type", "default", &old, err));
    TL_TRY(tl_json_string_or(o, where, "rope_type", old, &type, err));
    if (c->family == &tl_family_phi3 && (strcmp(type, "su") == 0 || strcmp(type, "yarn") == 0)) type = "longrope";
    for (int i = 0; i < N_KINDS; i++) {
        r->kind = kinds[i].kind;
        if (strcmp(kinds[i].name, type) == 0) return 0;
    }
    return tl_fail(err, TL_EUNSUPPORTED, "%s: the rotary scheme is '%s', which is not supported", where, type);
}

/* A list of numbers, one for each pair of a head that is turned. */
static int parse_factors(float *out, const tl_config *c, const json_t *o, const char *where, const char *key,
                         tl_err *err)
{
    json_t *list = NULL;
    size_t n = (size_t)(tl_rope_width(c) / 2);
    TL_TRY(tl_json_value(o, where, key, JSON_ARRAY, &list, err));
    if (n > TL_LONG_MAX)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %s for heads %d wide, at most %d is supported", where, key, c->h,
                       2 * TL_LONG_MAX);
    if (json_array_size(list) != n)
        return tl_fail(err, TL_ESHAPE, "%s: %s has %zu numbers, wanted %zu", where, key, json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        double x = json_number_value(json_array_get(list, i));
        if (!(x >= 1e-6 && x <= 1e6)) return tl_fail(err, TL_EFORMAT, "%s: %s[%zu] is no factor", where, key, i);
        out[i] = (float)x;
    }
    return 0;
}

/* One object's scheme.  top is config.json, where some families keep the original context. */
static int parse_scheme(tl_rope *r, tl_config *c, const json_t *o, const json_t *top, const char *where, tl_err *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    bool truncate = true;
    TL_TRY(parse_kind(r, c, o, where, err));
    json_object_foreach((json_t *)o, key, value)
    {
        if (!known(key, r->kind) && !json_is_null(value))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: %s of a rotary scheme is set, which is not supported", where,
                           key);
    }
    TL_TRY(tl_json_double_or(o, where, "rope_theta", 1, 1e12, r->theta, &r->theta, err));
    for (int i = 0; i < N_NUMBERS; i++) {
        if (!(numbers[i].kinds & OF(r->kind))) continue;
        double *x = number_of(r, i), standard = numbers[i].standard;
        if (isnan(standard))
            TL_TRY(tl_json_double(o, where, numbers[i].key, numbers[i].least, numbers[i].most, x, err));
        else
            TL_TRY(tl_json_double_or(o, where, numbers[i].key, numbers[i].least, numbers[i].most, standard, x, err));
    }
    if (r->kind == TL_ROPE_YARN) TL_TRY(tl_json_bool_or(o, where, "truncate", true, &truncate, err));
    r->exact = !truncate;
    if (!(stretched & OF(r->kind))) return 0;
    TL_TRY(tl_json_int_or(o, where, "original_max_position_embeddings", 2, TL_POSITIONS_MAX,
                          r->original ? r->original : c->T, &r->original, err));
    TL_TRY(tl_json_int_or(top, where, "original_max_position_embeddings", 2, TL_POSITIONS_MAX, r->original,
                          &r->original, err));
    return 0;
}

/* The part of a head that is turned: the family's own key, or the object's. */
static int parse_part(tl_config *c, const json_t *o, const json_t *top, const char *where, tl_err *err)
{
    const char *key = c->family->part ? c->family->part : "partial_rotary_factor";
    double part = c->rope.part == 0 ? 1 : c->rope.part;
    TL_TRY(tl_json_double_or(top, where, key, 1e-6, 1, part, &part, err));
    if (o) TL_TRY(tl_json_double_or(o, where, "partial_rotary_factor", 1e-6, 1, part, &part, err));
    if (part != 1 && !c->family->part)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: partial_rotary_factor is %g, %s is supported with 1", where, part,
                       c->family->model_type);
    c->rope.part = part == 1 ? 0 : part;
    int width = tl_rope_width(c);
    if (width < 2 || width % 2 != 0)
        return tl_fail(err, TL_ESHAPE, "%s: %d numbers of a head are turned, rotary positions want an even width",
                       where, width);
    return 0;
}

/* Long factors hold for sequences above the original context as a whole, short ones below it: what a position's angle
 * is depends on where its sequence will end.  So the context taken is the original one, where it does not. */
static void shorten(tl_config *c)
{
    c->rope.stretched = c->T;
    if (c->rope.original < c->T) c->T = c->rope.original;
}

int tl_rope_parse(tl_config *c, const json_t *o, const char *where, tl_err *err)
{
    static const char *const places[] = { "rope_scaling", "rope_parameters" };
    json_t *scheme = NULL, *local = NULL;
    TL_TRY(tl_json_double_or(o, where, c->family->theta, 1, 1e12, c->rope.theta, &c->rope.theta, err));
    if (c->local.theta != 0)
        TL_TRY(tl_json_double_or(o, where, "rope_local_base_freq", 1, 1e12, c->local.theta, &c->local.theta, err));
    for (int i = 0; i < 2; i++) {
        json_t *found = NULL;
        TL_TRY(tl_json_value_or_null(o, where, places[i], JSON_OBJECT, &found, err));
        if (found) scheme = found;
    }
    if (scheme && c->local.theta != 0 && json_object_get(scheme, "full_attention")) {
        TL_TRY(tl_json_value_or_null(scheme, where, "sliding_attention", JSON_OBJECT, &local, err));
        TL_TRY(tl_json_value(scheme, where, "full_attention", JSON_OBJECT, &scheme, err));
    }
    TL_TRY(parse_part(c, scheme, o, where, err));
    if (scheme) TL_TRY(parse_scheme(&c->rope, c, scheme, o, where, err));
    if (local) TL_TRY(parse_scheme(&c->local, c, local, o, where, err));
    if (c->local.kind != TL_ROPE_DEFAULT)
        return tl_fail(err, TL_EUNSUPPORTED, "%s: sliding_attention has a rotary scheme other than 'default'", where);
    if (c->rope.kind != TL_ROPE_LONG) return 0;
    TL_TRY(parse_factors(c->rope.short_factor, c, scheme, where, "short_factor", err));
    TL_TRY(parse_factors(c->rope.long_factor, c, scheme, where, "long_factor", err));
    shorten(c);
    return 0;
}

static json_t *factors_json(const float *x, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        if (json_array_append_new(list, tl_config_real(x[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *scheme_json(const tl_config *c)
{
    tl_rope r = c->rope;
    json_t *o = json_object();
    int rc = 0;
    for (int i = 0; i < N_KINDS; i++)
        if (kinds[i].kind == r.kind) rc |= json_object_set_new(o, "rope_type", json_string(kinds[i].name));
    for (int i = 0; i < N_NUMBERS; i++)
        if (numbers[i].kinds & OF(r.kind) && *number_of(&r, i) != 0)
            rc |= json_object_set_new(o, numbers[i].key, json_real(*number_of(&r, i)));
    if (stretched & OF(r.kind))
        rc |= json_object_set_new(o, "original_max_position_embeddings", json_integer(r.original));
    if (r.kind == TL_ROPE_YARN && r.exact) rc |= json_object_set_new(o, "truncate", json_false());
    if (r.kind == TL_ROPE_LONG) {
        int n = tl_rope_width(c) / 2;
        rc |= json_object_set_new(o, "short_factor", factors_json(r.short_factor, n));
        rc |= json_object_set_new(o, "long_factor", factors_json(r.long_factor, n));
    }
    if (rc == 0) return o;
    json_decref(o);
    return NULL;
}

int tl_rope_print(const tl_config *c, json_t *o)
{
    const tl_rope *r = &c->rope;
    int rc = json_object_set_new(o, c->family->theta, json_real(r->theta));
    if (c->family->part) rc |= json_object_set_new(o, c->family->part, json_real(r->part == 0 ? 1 : r->part));
    if (c->local.theta != 0) rc |= json_object_set_new(o, "rope_local_base_freq", json_real(c->local.theta));
    if (r->kind != TL_ROPE_DEFAULT) rc |= json_object_set_new(o, "rope_scaling", scheme_json(c));
    if (r->kind != TL_ROPE_LONG) return rc;
    /* What was shortened in reading: the family's fields have written T. */
    rc |= json_object_set_new(o, "max_position_embeddings", json_integer(r->stretched));
    return rc | json_object_set_new(o, "original_max_position_embeddings", json_integer(r->original));
}

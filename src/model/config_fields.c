/* config_fields.c - the plain fields of config.json, and the windows of layers.
 *
 * A family's table says which key is which field; it is walked to read and to write, so that what is read is written.
 */
#include "io/json.h"
#include "model/config_parts.h"

#include <string.h>

static void *field_of(const tl_config *c, const tl_field *f)
{
    return (char *)c + f->offset;
}

static int parse_field(tl_config *c, const tl_field *f, const json_t *o, const char *where, tl_err *err)
{
    bool required = isnan(f->standard), on;
    double x;
    switch (f->kind) {
    case TL_FIELD_WHOLE:
        if (required) return tl_json_int(o, where, f->key, (int)f->least, (int)f->most, field_of(c, f), err);
        return tl_json_int_or(o, where, f->key, (int)f->least, (int)f->most, (int)f->standard, field_of(c, f), err);
    case TL_FIELD_REAL:
        if (required)
            TL_TRY(tl_json_double(o, where, f->key, f->least, f->most, &x, err));
        else
            TL_TRY(tl_json_double_or(o, where, f->key, f->least, f->most, f->standard, &x, err));
        *(float *)field_of(c, f) = (float)x;
        return 0;
    case TL_FIELD_SWITCH:
        return tl_json_bool_or(o, where, f->key, f->standard != 0, field_of(c, f), err);
    case TL_FIELD_FIXED:
        TL_TRY(tl_json_bool_or(o, where, f->key, f->standard != 0, &on, err));
        if (on == (f->standard != 0)) return 0;
        return tl_fail(err, TL_EUNSUPPORTED, "%s: %s is %s, %s is supported with %s", where, f->key,
                       on ? "true" : "false", c->family->model_type, on ? "false" : "true");
    }
    return 0;
}

int tl_fields_parse(tl_config *c, const tl_field *fields, const json_t *o, const char *where, tl_err *err)
{
    for (; fields->key; fields++) TL_TRY(parse_field(c, fields, o, where, err));
    return 0;
}

/* A number at 0 where 0 stands for a key that is not there is null. */
static json_t *field_json(const tl_config *c, const tl_field *f)
{
    int whole = f->kind == TL_FIELD_WHOLE ? *(const int *)field_of(c, f) : 0;
    float real = f->kind == TL_FIELD_REAL ? *(const float *)field_of(c, f) : 0;
    switch (f->kind) {
    case TL_FIELD_WHOLE:
        return whole == 0 && f->least > 0 ? json_null() : json_integer(whole);
    case TL_FIELD_REAL:
        return real == 0 && f->least > 0 ? json_null() : tl_config_real(real);
    case TL_FIELD_SWITCH:
        return json_boolean(*(const bool *)field_of(c, f));
    case TL_FIELD_FIXED: /* what every base of the family has goes without saying */
        break;
    }
    return NULL;
}

int tl_fields_print(const tl_config *c, const tl_field *fields, json_t *o)
{
    int rc = 0;
    for (; fields->key; fields++)
        if (fields->kind != TL_FIELD_FIXED) rc |= json_object_set_new(o, fields->key, field_json(c, fields));
    return rc;
}

int tl_window_parse(tl_config *c, const json_t *o, const char *where, int standard, tl_err *err)
{
    const json_t *v = json_object_get(o, "sliding_window");
    if (json_is_null(v)) standard = 0;
    return tl_json_int_or(o, where, "sliding_window", 1, INT32_MAX, standard, &c->window, err);
}

int tl_window_print(const tl_config *c, json_t *o)
{
    return json_object_set_new(o, "sliding_window", c->window ? json_integer(c->window) : json_null());
}

void tl_window_layers(tl_config *c, int first)
{
    for (int l = first; c->window && l < c->L; l++) c->layers[l] |= TL_LAYER_WINDOW;
}

int tl_layer_types_parse(tl_config *c, json_t *o, const char *where, tl_err *err)
{
    json_t *list = NULL;
    TL_TRY(tl_json_value_or_null(o, where, "layer_types", JSON_ARRAY, &list, err));
    if (!list) return 0;
    if (json_array_size(list) != (size_t)c->L)
        return tl_fail(err, TL_ESHAPE, "%s: layer_types names %zu layers, num_hidden_layers is %d", where,
                       json_array_size(list), c->L);
    for (int l = 0; l < c->L; l++) {
        const char *type = json_string_value(json_array_get(list, (size_t)l));
        bool slides = type && strcmp(type, "sliding_attention") == 0;
        if (!slides && (!type || strcmp(type, "full_attention") != 0))
            return tl_fail(err, TL_EUNSUPPORTED,
                           "%s: layer_types[%d] is '%s', supported are 'full_attention' and 'sliding_attention'", where,
                           l, type ? type : "no name");
        if (slides && !c->window)
            return tl_fail(err, TL_EFORMAT,
                           "%s: layer_types[%d] is 'sliding_attention', but there is no sliding_window", where, l);
        c->layers[l] &= (uint8_t)~TL_LAYER_WINDOW;
        if (slides) c->layers[l] |= TL_LAYER_WINDOW;
    }
    return 0;
}

int tl_layer_types_print(const tl_config *c, json_t *o)
{
    json_t *list = json_array();
    int rc = 0;
    for (int l = 0; l < c->L; l++)
        rc |= json_array_append_new(
            list, json_string(c->layers[l] & TL_LAYER_WINDOW ? "sliding_attention" : "full_attention"));
    return rc | json_object_set_new(o, "layer_types", list);
}

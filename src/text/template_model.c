/* template_model.c - which file has the template, and which of several it is. */
#include "text/template_model.h"

#include "io/atomic.h"
#include "io/gguf.h"
#include "io/json.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_LIMIT = 16 << 20
};

static const char *const token_names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                           "pad_token", "cls_token", "mask_token" };
enum {
    N_TOKENS = sizeof token_names / sizeof *token_names
};

static int no_memory(const char *model, tl_err *err)
{
    return tl_fail(err, TL_ENOMEM, "%s: no memory for its chat template", model);
}

static int put(json_t *object, const char *model, const char *key, const char *text, size_t size, tl_err *err)
{
    return json_object_set_new(object, key, json_stringn(text, size)) ? no_memory(model, err) : 0;
}

/* ---- a directory ---- */

/* The file as a template of that name; that there is none is fine. */
static int add_file(json_t *templates, const char *path, const char *name, tl_err *err)
{
    tl_buf text = tl_buf_make(FILE_LIMIT);
    if (access(path, F_OK) != 0) return 0;
    int rc = tl_file_read(path, FILE_LIMIT, &text, err);
    if (rc == 0 && json_object_set_new(templates, name, json_stringn(text.data ? text.data : "", text.size)))
        rc = tl_fail(err, TL_EFORMAT, "%s: not UTF-8, or no memory for it", path);
    tl_buf_reset(&text);
    return rc;
}

static int add_folder(json_t *templates, const char *model, tl_err *err)
{
    char folder[PATH_MAX], path[PATH_MAX];
    TL_TRY(tl_path_join(folder, sizeof folder, model, "additional_chat_templates", err));
    DIR *d = opendir(folder);
    int rc = 0;
    for (struct dirent *e; d && rc == 0 && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n <= 6 || strcmp(e->d_name + n - 6, ".jinja") != 0) continue;
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)n - 6, e->d_name);
        rc = tl_path_join(path, sizeof path, folder, e->d_name, err);
        if (rc == 0) rc = add_file(templates, path, name, err);
    }
    if (d) closedir(d);
    return rc;
}

/* chat_template of tokenizer_config.json: a text, or a list of them with names. */
static int add_configured(json_t *templates, const json_t *config, const char *path, tl_err *err)
{
    const json_t *all = json_object_get(config, "chat_template");
    if (!all || json_is_null(all)) return 0;
    if (json_is_string(all))
        return put(templates, path, "default", json_string_value(all), json_string_length(all), err);
    if (!json_is_array(all))
        return tl_fail(err, TL_EFORMAT, "%s: chat_template is neither a text nor a list of them", path);
    for (size_t i = 0; i < json_array_size(all); i++) {
        const char *name = NULL, *text = NULL;
        TL_TRY(tl_json_string(json_array_get(all, i), path, "name", &name, err));
        TL_TRY(tl_json_string(json_array_get(all, i), path, "template", &text, err));
        TL_TRY(put(templates, path, name, text, strlen(text), err));
    }
    return 0;
}

/* "<s>" or {"content": "<s>", ...} */
static int add_tokens(json_t *tokens, const json_t *from, const char *path, tl_err *err)
{
    for (int i = 0; i < N_TOKENS; i++) {
        const json_t *v = json_object_get(from, token_names[i]);
        if (json_is_object(v)) v = json_object_get(v, "content");
        if (!v || json_is_null(v)) continue;
        if (!json_is_string(v)) return tl_fail(err, TL_EFORMAT, "%s: %s is no text", path, token_names[i]);
        TL_TRY(put(tokens, path, token_names[i], json_string_value(v), json_string_length(v), err));
    }
    return 0;
}

static int read_if_any(json_t **out, char path[PATH_MAX], const char *model, const char *file, tl_err *err)
{
    *out = NULL;
    TL_TRY(tl_path_join(path, PATH_MAX, model, file, err));
    return access(path, F_OK) == 0 ? tl_json_load(out, path, err) : 0;
}

static int read_directory(json_t *templates, json_t *tokens, const char *model, tl_err *err)
{
    char path[PATH_MAX];
    json_t *config = NULL, *map = NULL;
    int rc = tl_path_join(path, sizeof path, model, "chat_template.jinja", err);
    if (rc == 0) rc = add_file(templates, path, "default", err);
    if (rc == 0) rc = add_folder(templates, model, err);
    if (rc == 0) rc = read_if_any(&config, path, model, "tokenizer_config.json", err);
    if (rc == 0 && json_object_size(templates) == 0) rc = add_configured(templates, config, path, err);
    if (rc == 0) rc = add_tokens(tokens, config, path, err);
    /* A config that lists its added tokens has the last word on the special ones. */
    if (rc == 0 && !json_object_get(config, "added_tokens_decoder"))
        rc = read_if_any(&map, path, model, "special_tokens_map.json", err);
    if (rc == 0 && map) rc = add_tokens(tokens, map, path, err);
    json_decref(config);
    json_decref(map);
    return rc;
}

/* ---- a GGUF file ---- */

static int add_gguf_token(json_t *tokens, const tl_gguf *g, const char *name, const char *key, tl_err *err)
{
    const tl_gguf_pair *all = NULL, *id = tl_gguf_get(g, key);
    int64_t wanted;
    size_t at = 0, size, i = 0;
    if (!id || id->array || !tl_gguf_whole(id, 0, &wanted)) return 0;
    TL_TRY(tl_gguf_array_or_null(g, "tokenizer.ggml.tokens", TL_GGUF_STRING, &all, err));
    const char *s = NULL;
    while (all && (s = tl_gguf_next(all, &at, &size)) && (int64_t)i < wanted) i++;
    if (!s || (int64_t)i != wanted)
        return tl_fail(err, TL_EFORMAT, "%s: %s is %lld, no token has that number", tl_gguf_path(g), key,
                       (long long)wanted);
    return put(tokens, tl_gguf_path(g), name, s, size, err);
}

static int read_gguf(json_t *templates, json_t *tokens, const char *path, tl_err *err)
{
    static const char *const keys[] = { "bos", "eos", "unknown", "seperator", "padding", "cls", "mask" };
    static const char prefix[] = "tokenizer.chat_template";
    tl_gguf *g = NULL;
    int rc = tl_gguf_open(&g, path, err);
    for (int i = 0; rc == 0 && i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        if (strncmp(p->key, prefix, sizeof prefix - 1) != 0 || !p->text) continue;
        const char *rest = p->key + sizeof prefix - 1;
        if (*rest == '.' || !*rest)
            rc = put(templates, path, *rest ? rest + 1 : "default", p->text, strlen(p->text), err);
    }
    for (int i = 0; rc == 0 && i < N_TOKENS; i++) {
        char key[100];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
        rc = add_gguf_token(tokens, g, token_names[i], key, err);
    }
    tl_gguf_close(g);
    return rc;
}

/* ---- the choice ---- */

static int choose(tl_chat_template **out, const json_t *templates, const char *model, const char *name, bool tools,
                  tl_err *err)
{
    char title[PATH_MAX + 100], there[300] = "";
    if (json_object_size(templates) == 0)
        return tl_fail(err, TL_EFORMAT,
                       "%s: has no chat template (chat_template.jinja, or chat_template in "
                       "tokenizer_config.json)",
                       model);
    const char *wanted = name ? name : tools && json_object_get(templates, "tool_use") ? "tool_use" : "default";
    const json_t *text = json_object_get(templates, wanted);
    if (!text) {
        size_t n = 0;
        for (void *it = json_object_iter((json_t *)templates); it && n < sizeof there - 1;
             it = json_object_iter_next((json_t *)templates, it))
            n += (size_t)snprintf(there + n, sizeof there - n, "%s%s", n ? ", " : "", json_object_iter_key(it));
        return tl_fail(err, TL_EUSAGE, "%s: has no chat template '%s'; there are: %s", model, wanted, there);
    }
    if (json_object_size(templates) == 1)
        snprintf(title, sizeof title, "%s: chat template", model);
    else
        snprintf(title, sizeof title, "%s: chat template '%s'", model, wanted);
    return tl_chat_parse(out, title, json_string_value(text), json_string_length(text), err);
}

/* What model has: the templates by name, and the tokens; both the caller's, also on failure. */
static int read_model(json_t **templates, json_t **tokens, const char *model, tl_err *err)
{
    *templates = json_object();
    *tokens = json_object();
    if (!*templates || !*tokens) return no_memory(model, err);
    return (tl_gguf_is(model) ? read_gguf : read_directory)(*templates, *tokens, model, err);
}

int tl_chat_open(tl_chat_template **out, json_t **tokens, const char *model, const char *name, bool tools, tl_err *err)
{
    json_t *templates = NULL, *found = NULL;
    int rc = read_model(&templates, &found, model, err);
    if (rc == 0) rc = choose(out, templates, model, name, tools, err);
    if (rc == 0) {
        *tokens = found;
        found = NULL;
    }
    json_decref(templates);
    json_decref(found);
    return rc;
}

/* One of the two. */
static int read_either(json_t **templates, json_t **tokens, const char *model, tl_err *err)
{
    json_t *found[2] = { NULL, NULL };
    int rc = read_model(&found[0], &found[1], model, err);
    assert(templates || tokens);
    json_t **wanted = templates ? templates : tokens, **got = templates ? &found[0] : &found[1];
    if (rc == 0) {
        *wanted = *got;
        *got = NULL;
    }
    json_decref(found[0]);
    json_decref(found[1]);
    return rc;
}

int tl_chat_tokens(json_t **out, const char *model, tl_err *err)
{
    return read_either(NULL, out, model, err);
}

int tl_chat_templates(json_t **out, const char *model, tl_err *err)
{
    return read_either(out, NULL, model, err);
}

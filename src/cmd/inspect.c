/* inspect.c - what is at a path, told from the names in it, and its facts. */
#include "cmd/inspect.h"

#include "cmd/open.h"
#include "io/atomic.h"
#include "io/gguf.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "model/adapter_memory.h"
#include "model/model_gguf.h"
#include "task/task.h"
#include "text/tokenizer_gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key that cannot be set makes the object NULL in the end: one check in place of one a line. */
typedef struct facts {
    json_t *object; /* owned */
    int rc;
} facts;

static facts facts_of(const char *what)
{
    facts f = { json_object(), 0 };
    f.rc |= json_object_set_new(f.object, "what", json_string(what));
    return f;
}

static void fact(facts *f, const char *key, json_t *value) /* takes the value */
{
    f->rc |= json_object_set_new(f->object, key, value);
}

static void fact_int(facts *f, const char *key, size_t n)
{
    fact(f, key, json_integer((json_int_t)n));
}

static void fact_hash(facts *f, const char *key, const tl_hash *h)
{
    char hex[65];
    tl_hash_hex(hex, h);
    fact(f, key, json_string(hex));
}

static int facts_end(json_t **out, facts *f, const char *path, tl_err *err)
{
    if (f->rc == 0) {
        *out = f->object;
        return 0;
    }
    json_decref(f->object);
    return tl_fail(err, TL_ENOMEM, "%s: its facts cannot be made into JSON", path);
}

/* ---- tensors ---- */

/* The tensors of a file, whichever it is. */
typedef struct tensors {
    const tl_safetensors *s; /* borrowed, as g; one of them is NULL */
    const tl_gguf *g;
} tensors;

static int tensors_count(const tensors *t)
{
    return t->g ? tl_gguf_count(t->g) : tl_safetensors_count(t->s);
}

static const tl_stored *tensors_at(const tensors *t, int i)
{
    return t->g ? tl_gguf_at(t->g, i) : tl_safetensors_at(t->s, i);
}

/* "BF16", or "BF16, F32" where a file holds several. */
static json_t *dtypes_of(const tensors *file)
{
    char text[200] = "";
    bool seen[TL_DTYPE_COUNT] = { false };
    for (int i = 0; i < tensors_count(file); i++) seen[tensors_at(file, i)->dtype] = true;
    for (int t = 0; t < TL_DTYPE_COUNT; t++) {
        size_t used = strlen(text);
        if (seen[t]) snprintf(text + used, sizeof text - used, "%s%s", used ? ", " : "", tl_dtype_name((tl_dtype)t));
    }
    return json_string(text);
}

static void count_tensors(const tensors *file, size_t *numbers, size_t *bytes)
{
    *numbers = *bytes = 0;
    for (int i = 0; i < tensors_count(file); i++) {
        const tl_stored *t = tensors_at(file, i);
        *bytes += t->bytes;
        *numbers += t->bytes / tl_dtype_block_bytes(t->dtype) * tl_dtype_block(t->dtype);
    }
}

/* Numbers, bytes, types, and the list of them. */
static void fact_tensors(facts *f, const tensors *file)
{
    size_t numbers, bytes;
    json_t *list = json_array();
    count_tensors(file, &numbers, &bytes);
    fact_int(f, "numbers", numbers);
    fact_int(f, "bytes", bytes);
    fact(f, "dtype", dtypes_of(file));
    for (int i = 0; i < tensors_count(file); i++) {
        const tl_stored *t = tensors_at(file, i);
        json_t *shape = json_array();
        for (int d = 0; d < t->n_dims; d++) f->rc |= json_array_append_new(shape, json_integer((json_int_t)t->dims[d]));
        f->rc |= json_array_append_new(
            list, json_pack("{s:s, s:s, s:o}", "name", t->name, "dtype", tl_dtype_name(t->dtype), "shape", shape));
    }
    fact(f, "tensors", list);
}

static int inspect_file(json_t **out, const char *path, tl_err *err)
{
    tl_safetensors *s = NULL;
    TL_TRY(tl_safetensors_open(&s, path, err));
    facts f = facts_of("safetensors");
    fact_tensors(&f, &(tensors){ .s = s });
    tl_safetensors_close(s);
    return facts_end(out, &f, path, err);
}

/* ---- a GGUF file ---- */

enum {
    TEXT_SHOWN = 200, /* bytes of a long text: a chat template is thousands */
    ELEMENTS_SHOWN = 6,
};

/* Text of a stranger, shortened where it is long. */
static json_t *shown_text(const char *text, size_t size)
{
    size_t n = size < TEXT_SHOWN ? size : TEXT_SHOWN;
    while (n < size && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* between characters */
    json_t *begin = json_stringn(text, n);
    if (!begin) return json_string("(not UTF-8)");
    return n == size ? begin : json_pack("{s:I, s:o}", "bytes", (json_int_t)size, "begins", begin);
}

static json_t *shown_number(const tl_gguf_pair *p, size_t i)
{
    int64_t whole;
    double x = tl_gguf_real(p, i);
    if (p->type == TL_GGUF_BOOL) return json_boolean(x != 0);
    if (tl_gguf_whole(p, i, &whole)) return json_integer(whole);
    if (p->type == TL_GGUF_F32 && isfinite(x)) return tl_config_real((float)x);
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
}

/* The kind of elements, how many, and the first of them. */
static json_t *shown_array(const tl_gguf_pair *p)
{
    json_t *first = json_array();
    size_t n = p->n < ELEMENTS_SHOWN ? p->n : ELEMENTS_SHOWN, at = 0, size = 0;
    int rc = 0;
    for (size_t i = 0; i < n && p->type != TL_GGUF_ARRAY; i++) {
        const char *text = p->type == TL_GGUF_STRING ? tl_gguf_next(p, &at, &size) : NULL;
        json_t *value = !text               ? shown_number(p, i)
                        : size > TEXT_SHOWN ? json_string("(a long one)")
                                            : shown_text(text, size);
        rc |= json_array_append_new(first, value);
    }
    if (rc == 0)
        return json_pack("{s:s, s:I, s:o}", "elements", tl_gguf_type_name(p->type), "count", (json_int_t)p->n, "first",
                         first);
    json_decref(first);
    return NULL;
}

static void fact_metadata(facts *f, const tl_gguf *g)
{
    json_t *metadata = json_object();
    for (int i = 0; i < tl_gguf_pairs(g); i++) {
        const tl_gguf_pair *p = tl_gguf_pair_at(g, i);
        json_t *value = p->array ? shown_array(p) : p->text ? shown_text(p->text, strlen(p->text)) : shown_number(p, 0);
        f->rc |= json_object_set_new(metadata, p->key, value);
    }
    fact(f, "metadata", metadata);
}

/* ---- a base in memory ---- */

typedef struct held {
    size_t weights[TL_DTYPE_COUNT], bytes[TL_DTYPE_COUNT];
} held;

static int add_held(void *context, const char *name, tl_weight *w)
{
    (void)name;
    held *h = context;
    h->weights[w->dtype]++;
    h->bytes[w->dtype] += tl_weight_bytes(w);
    return 0;
}

/* How many weights of each type, and the bytes they take. */
static void fact_held(facts *f, tl_model *m)
{
    held h = { { 0 }, { 0 } };
    size_t all = 0;
    json_t *types = json_object();
    tl_model_each(m, add_held, &h);
    for (int t = 0; t < TL_DTYPE_COUNT; t++) {
        if (h.weights[t] == 0) continue;
        all += h.bytes[t];
        f->rc |= json_object_set_new(
            types, tl_dtype_name((tl_dtype)t),
            json_pack("{s:I, s:I}", "weights", (json_int_t)h.weights[t], "bytes", (json_int_t)h.bytes[t]));
    }
    fact_int(f, "bytes_in_memory", all);
    fact(f, "in_memory", types);
}

/* What it can be used as; where it cannot, the sentence that says why. */
static void fact_uses(facts *f, const char *path, const tl_gguf *g, const tl_model_options *options)
{
    tl_err why = { 0 };
    tl_model *m = NULL;
    tl_tokenizer *t = NULL;
    bool base = tl_model_open_as(&m, path, options, &why) == 0;
    fact(f, "config", base ? tl_config_json(&m->config) : json_null());
    fact(f, "base_refused", base ? json_null() : json_string(why.text));
    if (base) fact_held(f, m);
    tl_model_free(m);
    bool any = tl_tokenizer_gguf_any(g), tokenizer = any && tl_tokenizer_open(&t, path, &why) == 0;
    fact(f, "tokenizer_size", tokenizer ? json_integer(tl_tokenizer_size(t)) : json_null());
    fact(f, "tokenizer_refused", tokenizer || !any ? json_null() : json_string(why.text));
    tl_tokenizer_free(t);
}

/* With a base the adapter is loaded over it: then everything is checked. */
static int check_fits(const char *path, const tl_open_flags *f, tl_err *err)
{
    tl_model *m = NULL;
    tl_adapter *a = NULL;
    tl_precision precision;
    TL_TRY(tl_open_base(&m, &precision, f, err));
    int rc = tl_adapter_load(&a, m, path, err);
    tl_adapter_release(a);
    tl_model_free(m);
    return rc;
}

/* A model in f is the base of a file that is an adapter. */
static int inspect_gguf(json_t **out, const char *path, const tl_open_flags *of, const tl_model_options *options,
                        tl_err *err)
{
    tl_gguf *g = NULL;
    if (of->model) TL_TRY(check_fits(path, of, err));
    TL_TRY(tl_gguf_open(&g, path, err));
    facts f = facts_of("gguf");
    if (of->model) fact(&f, "fits", json_string(of->model));
    fact_int(&f, "version", (size_t)tl_gguf_version(g));
    fact_uses(&f, path, g, options);
    fact_metadata(&f, g);
    fact_tensors(&f, &(tensors){ .g = g });
    tl_gguf_close(g);
    return facts_end(out, &f, path, err);
}

/* ---- a base ---- */

/* Of LoRA with r = 8 on every linear module, the usual first try. */
static size_t lora_parameters(const tl_model *m)
{
    size_t n = 0;
    int r = tl_adapter_defaults().r;
    for (int l = 0; l < m->config.L; l++)
        for (int i = 0; i < tl_family_modules(m->config.family); i++) {
            int O, I;
            tl_module_widths(m, l, i, &O, &I);
            n += (size_t)r * ((size_t)O + (size_t)I);
        }
    return n;
}

static int inspect_base(json_t **out, const char *path, const tl_open_flags *how, tl_err *err)
{
    tl_safetensors *s = NULL;
    tl_open_flags flags = *how;
    flags.model = path;
    tl_opened o = { 0 };
    TL_TRY(tl_open(&o, &flags, err));
    int rc = tl_safetensors_open(&s, path, err);
    if (rc == 0) {
        const tl_config *c = &o.model->config;
        facts f = facts_of("base");
        fact(&f, "model_type", json_string(tl_config_model_type(c)));
        fact_int(&f, "parameters", tl_model_parameters(o.model));
        fact_int(&f, "bytes", o.model->stored_bytes);
        fact(&f, "dtype", dtypes_of(&(tensors){ .s = s }));
        fact_held(&f, o.model);
        const tl_hash hash = tl_model_hash(o.model);
        fact_hash(&f, "sha256", &hash);
        fact(&f, "tokenizer_size", o.tokenizer ? json_integer(tl_tokenizer_size(o.tokenizer)) : json_null());
        fact_int(&f, "lora_r8_parameters", lora_parameters(o.model));
        fact(&f, "config", tl_config_json(c));
        rc = facts_end(out, &f, path, err);
    }
    tl_safetensors_close(s);
    tl_close(&o);
    return rc;
}

/* ---- an adapter ---- */

/* What PEFT's config says. */
static int peft_facts(facts *f, json_t *config, const char *config_path, tl_err *err)
{
    const char *type = NULL, *bias = NULL;
    int r;
    double alpha;
    bool rslora, dora;
    json_t *targets = json_object_get(config, "target_modules"), *saved = json_object_get(config, "modules_to_save");
    TL_TRY(tl_json_string(config, config_path, "peft_type", &type, err));
    TL_TRY(tl_json_int(config, config_path, "r", 1, TL_RANK_MAX, &r, err));
    TL_TRY(tl_json_double(config, config_path, "lora_alpha", 0, 1e6, &alpha, err));
    TL_TRY(tl_json_bool_or(config, config_path, "use_rslora", false, &rslora, err));
    TL_TRY(tl_json_bool_or(config, config_path, "use_dora", false, &dora, err));
    TL_TRY(tl_json_string_or(config, config_path, "bias", "none", &bias, err));
    if (!json_is_string(targets) && !json_is_array(targets))
        return tl_fail(err, TL_EFORMAT, "%s: target_modules is neither a list of names nor a pattern", config_path);
    fact(f, "format", json_string("peft"));
    fact(f, "peft_type", json_string(type));
    fact_int(f, "r", (size_t)r);
    fact(f, "alpha", json_real(alpha));
    fact(f, "rslora", json_boolean(rslora));
    fact(f, "dora", json_boolean(dora));
    fact(f, "targets", json_incref(targets));
    fact(f, "bias", json_string(bias));
    fact(f, "saved_modules", json_is_array(saved) ? json_incref(saved) : json_array());
    return 0;
}

/* What MLX's says. */
static int mlx_facts(facts *f, json_t *config, const char *config_path, tl_err *err)
{
    const char *type = NULL;
    int r, layers;
    double scale;
    json_t *parameters = json_object_get(config, "lora_parameters");
    TL_TRY(tl_json_string_or(config, config_path, "fine_tune_type", "lora", &type, err));
    TL_TRY(tl_json_int_or(config, config_path, "num_layers", -1, INT_MAX, -1, &layers, err));
    TL_TRY(tl_json_int(parameters, config_path, "rank", 1, TL_RANK_MAX, &r, err));
    TL_TRY(tl_json_double(parameters, config_path, "scale", -1e6, 1e6, &scale, err));
    json_t *keys = json_object_get(parameters, "keys");
    fact(f, "format", json_string("mlx"));
    fact_int(f, "r", (size_t)r);
    fact(f, "scale", json_real(scale));
    fact(f, "dora", json_boolean(strcmp(type, "dora") == 0));
    fact(f, "targets", json_is_array(keys) ? json_incref(keys) : json_string("all-linear"));
    fact(f, "last_layers", json_integer(layers));
    return 0;
}

static int adapter_facts(json_t **out, json_t *config, const char *config_path, const tl_safetensors *s,
                         const char *path, const char *model, bool mlx, tl_err *err)
{
    const char *base = tl_safetensors_meta(s, "tailor.base_hash");
    size_t numbers, bytes;
    facts f = facts_of("adapter");
    int rc = mlx ? mlx_facts(&f, config, config_path, err) : peft_facts(&f, config, config_path, err);
    if (rc < 0) {
        json_decref(f.object);
        return rc;
    }
    count_tensors(&(tensors){ .s = s }, &numbers, &bytes);
    fact_int(&f, "parameters", numbers);
    fact_int(&f, "bytes", bytes);
    fact(&f, "dtype", dtypes_of(&(tensors){ .s = s }));
    fact(&f, "base_hash", base ? json_string(base) : json_null());
    if (model) fact(&f, "fits", json_string(model));
    return facts_end(out, &f, path, err);
}

static int inspect_adapter(json_t **out, const char *path, const tl_open_flags *f, tl_err *err)
{
    const char *model = f->model;
    char config_path[PATH_MAX], weights_path[PATH_MAX];
    json_t *config = NULL;
    tl_safetensors *s = NULL;
    TL_TRY(tl_path_join(config_path, sizeof config_path, path, "adapter_config.json", err));
    if (model) TL_TRY(check_fits(path, f, err));
    TL_TRY(tl_json_load(&config, config_path, err));
    bool mlx = !json_object_get(config, "peft_type") && json_is_object(json_object_get(config, "lora_parameters"));
    int rc = tl_path_join(weights_path, sizeof weights_path, path,
                          mlx ? "adapters.safetensors" : "adapter_model.safetensors", err);
    if (rc == 0) rc = tl_safetensors_open(&s, weights_path, err);
    if (rc == 0) rc = adapter_facts(out, config, config_path, s, path, model, mlx, err);
    tl_safetensors_close(s);
    json_decref(config);
    return rc;
}

/* ---- a task ---- */

/* Tokens of an example as the methods see it: the input, then its answer; the instruction comes on top. */
static int count_tokens(const tl_task *t, const tl_example *e, const tl_tokenizer *tokenizer, tl_ids *ids, tl_err *err)
{
    char *answer = NULL;
    ids->size = 0;
    int rc = tl_task_example_answer(&answer, t, e, err);
    if (rc == 0) rc = tl_tokenizer_encode(tokenizer, e->input, strlen(e->input), TL_ENCODE_AS_TEXT, ids, err);
    if (rc == 0) rc = tl_tokenizer_encode(tokenizer, answer, strlen(answer), TL_ENCODE_AS_TEXT, ids, err);
    if (rc < 0) tl_fail_in(err, "%s", e->id);
    free(answer);
    return rc;
}

static int split_tokens(facts *f, const tl_task *t, const tl_examples *split, const tl_tokenizer *tokenizer,
                        tl_err *err)
{
    size_t longest = 0, sum = 0;
    tl_ids ids = { 0 };
    int rc = 0;
    for (int i = 0; rc == 0 && i < split->n; i++) {
        rc = count_tokens(t, &split->items[i], tokenizer, &ids, err);
        if (ids.size > longest) longest = ids.size;
        sum += ids.size;
    }
    tl_ids_reset(&ids);
    fact_int(f, "longest_tokens", longest);
    fact(f, "mean_tokens", json_real((double)sum / split->n));
    return rc;
}

static int split_facts(json_t **out, const tl_task *t, tl_split which, const tl_tokenizer *tokenizer, tl_err *err)
{
    const tl_examples *split = tl_task_split(t, which);
    facts f = { json_object(), 0 };
    int rc = 0;
    fact_int(&f, "examples", (size_t)split->n);
    if (t->n_labels > 0) {
        json_t *classes = json_object();
        for (int k = 0; k < t->n_labels; k++) {
            int n = 0;
            for (int i = 0; i < split->n; i++) n += split->items[i].label == k;
            f.rc |= json_object_set_new(classes, t->labels[k], json_integer(n));
        }
        fact(&f, "classes", classes);
    }
    if (tokenizer) rc = split_tokens(&f, t, split, tokenizer, err);
    fact_hash(&f, "sha256", &split->hash);
    if (rc < 0) {
        json_decref(f.object);
        return rc;
    }
    return facts_end(out, &f, split->path, err);
}

static json_t *strings(char **list, int n)
{
    json_t *a = json_array();
    for (int i = 0; i < n; i++)
        if (json_array_append_new(a, json_string(list[i])) < 0) {
            json_decref(a);
            return NULL;
        }
    return a;
}

static int task_facts(json_t **out, const tl_task *t, const char *path, const tl_tokenizer *tokenizer, tl_err *err)
{
    facts f = facts_of("task");
    json_t *splits = json_object();
    bool classes = t->kind == TL_TASK_CLASSIFICATION;
    int rc = 0;
    fact(&f, "name", json_string(t->name));
    fact(&f, "kind", json_string(classes ? "classification" : "generation"));
    fact(&f, "description", json_string(t->description));
    fact(&f, "provenance", json_string(t->provenance));
    if (classes) fact(&f, "labels", strings(t->labels, t->n_labels));
    for (int i = 0; rc == 0 && i < TL_SPLIT_COUNT; i++) {
        json_t *split = NULL;
        rc = split_facts(&split, t, (tl_split)i, tokenizer, err);
        if (rc == 0) f.rc |= json_object_set_new(splits, tl_split_name((tl_split)i), split);
    }
    fact(&f, "splits", splits);
    if (rc == 0) return facts_end(out, &f, path, err);
    json_decref(f.object);
    return rc;
}

static int inspect_task(json_t **out, const char *path, const char *model, tl_err *err)
{
    tl_task *t = NULL;
    tl_tokenizer *tokenizer = NULL;
    int rc = model ? tl_tokenizer_open(&tokenizer, model, err) : 0;
    if (rc == 0) rc = tl_task_open(&t, path, TL_TASK_ALL, err);
    if (rc == 0) rc = task_facts(out, t, path, tokenizer, err);
    tl_task_free(t);
    tl_tokenizer_free(tokenizer);
    return rc;
}

/* ---- which is it? ---- */

static bool holds(const char *dir, const char *name)
{
    char path[PATH_MAX];
    return tl_path_join(path, sizeof path, dir, name, NULL) == 0 && access(path, F_OK) == 0;
}

/* A safetensors file begins with the length of its JSON. */
static bool looks_safetensors(const char *path)
{
    char head[9] = "";
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    return n == sizeof head && head[8] == '{';
}

#define UNDERSTOOD                                                                                                     \
    "understood are a base (config.json), an adapter (adapter_config.json), a task (task.yaml), a safetensors file "   \
    "and a "                                                                                                           \
    "GGUF file"

/* --quantize says in what a base is held; nothing else reads it. */
static int check_quantize(const tl_open_flags *f, const char *path, bool base, tl_err *err)
{
    if (base || (!f->quantize && !f->quantize_tables)) return 0;
    return tl_fail(err, TL_EUSAGE, "--quantize concerns a base, and %s is none", path);
}

static int inspect_plain_file(json_t **out, const char *path, bool gguf, const tl_open_flags *f, tl_err *err)
{
    tl_model_options options;
    if (f->model && !gguf)
        return tl_fail(err, TL_EUSAGE, "--model is read for tasks and adapters only, %s is a file", path);
    TL_TRY(check_quantize(f, path, gguf, err));
    TL_TRY(tl_model_options_parse(&options, f->quantize, f->quantize_tables, err));
    return gguf ? inspect_gguf(out, path, f, &options, err) : inspect_file(out, path, err);
}

int tl_inspect(json_t **out, const char *path, const tl_open_flags *f, tl_err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return tl_fail(err, TL_EIO, "%s: cannot be looked at: %s; " UNDERSTOOD, path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        const char *ending = strrchr(path, '.');
        bool named = ending && strcmp(ending, ".safetensors") == 0;
        bool gguf = S_ISREG(st.st_mode) && (tl_gguf_is(path) || (ending && strcmp(ending, ".gguf") == 0));
        if (!S_ISREG(st.st_mode) || (!named && !gguf && !looks_safetensors(path)))
            return tl_fail(err, TL_EUNSUPPORTED, "%s: is %s; " UNDERSTOOD, path,
                           S_ISREG(st.st_mode) ? "a file of another kind" : "neither a directory nor a regular file");
        return inspect_plain_file(out, path, gguf, f, err);
    }
    const bool adapter = holds(path, "adapter_config.json"), task = holds(path, "task.yaml");
    TL_TRY(check_quantize(f, path, adapter ? f->model != NULL : !task, err));
    if (adapter) return inspect_adapter(out, path, f, err);
    if (task) return inspect_task(out, path, f->model, err);
    if (!holds(path, "config.json"))
        return tl_fail(err, TL_EUNSUPPORTED, "%s: a directory with none of the files known here; " UNDERSTOOD, path);
    if (f->model) return tl_fail(err, TL_EUSAGE, "--model is read for tasks and adapters only, %s is a base", path);
    return inspect_base(out, path, f, err);
}

int tl_inspect_machine(json_t **out, tl_err *err)
{
    const tl_backend *picked = NULL;
    TL_TRY(tl_backend_pick(&picked, err));
    facts f = facts_of("machine");
    json_t *usable = json_array();
    for (const tl_backend *const *b = tl_backend_all(); *b; b++)
        f.rc |= json_array_append_new(usable, json_string((*b)->name));
    fact(&f, "backend", json_string(picked->name));
    fact(&f, "usable", usable);
    fact_int(&f, "threads", (size_t)omp_get_max_threads());
    fact_int(&f, "memory_bytes", (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE));
    return facts_end(out, &f, "this machine", err);
}

/* shapes.c - the configs of the models, and their folders in the Hugging Face layout. */
#include "bench/shapes.h"

#include "bench/shape_tensors.h"

#include "io/atomic.h"
#include "io/json.h"
#include "io/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct shape {
    const char *name, *config;
} shape;

static const shape shapes[] = {
    { "135M", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_hidden_layers\": 30, "
              "\"hidden_size\": 576, \"num_attention_heads\": 9, \"num_key_value_heads\": 3, "
              "\"intermediate_size\": 1536, \"vocab_size\": 49152, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": true, \"hidden_act\": "
              "\"silu\"}" },
    { "0.5B", "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"num_hidden_layers\": 24, "
              "\"hidden_size\": 896, \"num_attention_heads\": 14, \"num_key_value_heads\": 2, "
              "\"intermediate_size\": 4864, \"vocab_size\": 151936, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-6, \"rope_theta\": 1000000.0, \"tie_word_embeddings\": true, \"hidden_act\": "
              "\"silu\"}" },
    { "1.1B", "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_hidden_layers\": 22, "
              "\"hidden_size\": 2048, \"num_attention_heads\": 32, \"num_key_value_heads\": 4, "
              "\"intermediate_size\": 5632, \"vocab_size\": 32000, \"max_position_embeddings\": 4096, "
              "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": false, \"hidden_act\": "
              "\"silu\"}" },
    { "gpt2", "{\"model_type\": \"gpt2\", \"n_layer\": 12, \"n_embd\": 768, \"n_head\": 12, \"vocab_size\": 50257, "
              "\"n_positions\": 1024, \"activation_function\": \"gelu_new\", \"layer_norm_epsilon\": 1e-5}" },
};

static const shape *find(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    assert(!"a row names a shape that there is");
    return NULL;
}

int tl_shape_config(tl_config *out, const char *name, tl_err *err)
{
    json_t *object = json_loads(find(name)->config, 0, NULL);
    if (!object) return tl_fail(err, TL_ENOMEM, "%s: no memory for its config", name);
    int rc = tl_config_parse(out, object, name, err);
    json_decref(object);
    return rc;
}

int tl_shape_dir(char *out, size_t size, const char *name, const char *cache, tl_err *err)
{
    char path[512];
    tl_config c;
    tl_shape_tensors t = { 0 };
    snprintf(out, size, "%s/%s", cache, name);
    snprintf(path, sizeof path, "%s/model.safetensors", out);
    if (access(path, R_OK) == 0) return 0;
    TL_TRY(tl_dir_make(cache, err));
    TL_TRY(tl_dir_make(out, err));
    TL_TRY(tl_shape_config(&c, name, err));
    int rc = tl_shape_tensors_make(&t, &c, TL_DTYPE_BF16, false, err);
    char config[512];
    snprintf(config, sizeof config, "%s/config.json", out);
    if (rc == 0) rc = tl_file_save(config, find(name)->config, strlen(find(name)->config), err);
    if (rc == 0) rc = tl_safetensors_save(path, t.list, t.n, NULL, 0, err); /* last: its presence says all is there */
    tl_shape_tensors_reset(&t);
    return rc;
}

/* config_test.c - config.json of every family: what is read, written again, and refused and how. */
#include "model/config.h"
#include "tests/check.h"
#include "tests/golden_bases.h"

#include "io/json.h"

/* The sizes that every family but GPT-2 wants. */
#define SIZES                                                                                                          \
    "\"vocab_size\": 11, \"hidden_size\": 16, \"intermediate_size\": 10, \"num_hidden_layers\": 4,"                    \
    " \"num_attention_heads\": 2, \"num_key_value_heads\": 1, \"max_position_embeddings\": 16}"
#define OF(family) "{\"model_type\": \"" family "\", " SIZES

static const char gpt2_text[] = "{\"model_type\": \"gpt2\", \"vocab_size\": 11, \"n_embd\": 8, \"n_layer\": 2,"
                                " \"n_head\": 2, \"n_positions\": 16}";

/* The config of text, with key set to the JSON value. */
static int parse_with(tl_config *c, const char *text, const char *key, const char *value, tl_err *err)
{
    json_t *o = json_loads(text, 0, NULL);
    CHECK(o);
    if (key) json_object_set_new(o, key, json_loads(value, JSON_DECODE_ANY, NULL));
    int rc = tl_config_parse(c, o, "config.json", err);
    json_decref(o);
    return rc;
}

TEST(a_config_we_do_not_compute_is_refused_by_name)
{
    static const char llama[] = OF("llama"), qwen2[] = OF("qwen2"), smollm3[] = OF("smollm3"), gemma2[] = OF("gemma2"),
                      gemma3[] = OF("gemma3_text"), phi3[] = OF("phi3"), neox[] = OF("gpt_neox"),
                      granite[] = OF("granite"), mistral[] = OF("mistral");
    static const struct {
        const char *text, *key, *value;
        int code;
        const char *says;
    } cases[] = {
        { llama, "model_type", "\"mamba\"", TL_EUNSUPPORTED, "'mamba', supported are llama, mistral, qwen2, qwen3, " },
        { llama, "hidden_act", "\"relu\"", TL_EUNSUPPORTED, "hidden_act is 'relu', llama is supported with 'silu'" },
        { llama, "hidden_act", "\"gelu\"", TL_EUNSUPPORTED, "hidden_act is 'gelu'" },
        { llama, "rope_scaling", "{\"rope_type\": \"mrope\"}", TL_EUNSUPPORTED, "rotary scheme is 'mrope'" },
        { llama, "rope_scaling", "{\"type\": \"linear\"}", TL_EFORMAT, "factor is missing" },
        { llama, "rope_scaling", "{\"type\": \"linear\", \"factor\": 0}", TL_EFORMAT, "factor is 0" },
        { llama, "rope_parameters", "{\"rope_type\": \"llama3\", \"factor\": 8}", TL_EFORMAT, "low_freq_factor" },
        { llama, "rope_parameters", "{\"partial_rotary_factor\": 0.5}", TL_EUNSUPPORTED, "partial_rotary_factor is" },
        { llama, "partial_rotary_factor", "0.5", TL_EUNSUPPORTED, "partial_rotary_factor is 0.5" },
        { llama, "rope_scaling", "{\"mrope_section\": [1, 2]}", TL_EUNSUPPORTED, "mrope_section" },
        { llama, "rope_scaling", "{\"type\": \"yarn\", \"factor\": 2, \"low_freq_factor\": 1}", TL_EUNSUPPORTED,
          "low_freq_factor" },
        { llama, "quantization_config", "{\"bits\": 4}", TL_EUNSUPPORTED, "quantization_config" },
        { llama, "num_key_value_heads", "3", TL_ESHAPE, "cannot share 3" },
        { llama, "head_dim", "5", TL_ESHAPE, "even width" },
        { llama, "num_attention_heads", "3", TL_ESHAPE, "not divided by 3" },
        { llama, "max_position_embeddings", "1000000000", TL_EFORMAT, "max_position_embeddings" },
        { llama, "num_hidden_layers", "-1", TL_EFORMAT, "num_hidden_layers" },
        { llama, "num_hidden_layers", "1025", TL_EFORMAT, "num_hidden_layers" },
        { llama, "sliding_window", "4096", TL_EUNSUPPORTED, "sliding_window is set" },
        { llama, "attention_multiplier", "0.5", TL_EUNSUPPORTED, "attention_multiplier is set" },
        { llama, "num_experts", "8", TL_EUNSUPPORTED, "num_experts is set" },
        { llama, "layer_types", "[\"full_attention\"]", TL_EUNSUPPORTED, "layer_types is set" },
        { mistral, "layer_types", "[\"full_attention\"]", TL_EUNSUPPORTED, "layer_types is set" },
        { qwen2, "layer_types", "[\"full_attention\"]", TL_ESHAPE, "layer_types names 1 layers" },
        { qwen2, "layer_types", "[\"full_attention\", \"full_attention\", \"full_attention\", \"sliding_attention\"]",
          TL_EFORMAT, "there is no sliding_window" },
        { qwen2, "layer_types", "[\"linear_attention\", 1, 1, 1]", TL_EUNSUPPORTED, "'linear_attention'" },
        { qwen2, "attn_logit_softcapping", "30", TL_EUNSUPPORTED, "attn_logit_softcapping is set" },
        { smollm3, "no_rope_layers", "[1, 0]", TL_ESHAPE, "no_rope_layers names 2 layers" },
        { smollm3, "no_rope_layers", "[1, 0, 2, 1]", TL_EFORMAT, "no_rope_layers[2]" },
        { granite, "residual_multiplier", "-1", TL_EFORMAT, "residual_multiplier" },
        { gemma2, "use_bidirectional_attention", "true", TL_EUNSUPPORTED, "use_bidirectional_attention" },
        { gemma2, "hidden_activation", "\"gelu\"", TL_EUNSUPPORTED, "hidden_activation is 'gelu'" },
        { gemma3, "attn_logit_softcapping", "50", TL_EUNSUPPORTED, "attn_logit_softcapping" },
        { gemma3, "rope_parameters",
          "{\"full_attention\": {}, \"sliding_attention\": {\"rope_type\": \"linear\", \"factor\": 2}}",
          TL_EUNSUPPORTED, "sliding_attention has a rotary scheme" },
        { phi3, "rope_scaling", "{\"type\": \"su\", \"short_factor\": [1], \"long_factor\": [1]}", TL_ESHAPE,
          "short_factor has 1 numbers, wanted 4" },
        { phi3, "rope_scaling", "{\"type\": \"longrope\", \"short_factor\": [1, 1, 1, 0], \"long_factor\": [1]}",
          TL_EFORMAT, "short_factor[3]" },
        { phi3, "partial_rotary_factor", "0.4", TL_ESHAPE, "3 numbers of a head are turned" },
        { neox, "rotary_pct", "0", TL_EFORMAT, "rotary_pct is 0" },
        { neox, "hidden_act", "\"silu\"", TL_EUNSUPPORTED, "hidden_act is 'silu'" },
        { gpt2_text, "activation_function", "\"relu\"", TL_EUNSUPPORTED, "'relu'" },
        { gpt2_text, "scale_attn_weights", "false", TL_EUNSUPPORTED, "scale_attn_weights" },
        { gpt2_text, "scale_attn_by_inverse_layer_idx", "true", TL_EUNSUPPORTED, "scale_attn_by_inverse" },
        { gpt2_text, "reorder_and_upcast_attn", "true", TL_EUNSUPPORTED, "reorder_and_upcast_attn" },
        { gpt2_text, "add_cross_attention", "true", TL_EUNSUPPORTED, "add_cross_attention" },
        { gpt2_text, "n_head", "3", TL_ESHAPE, "not divided by 3" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tl_err err = { 0 };
        tl_config c;
        int rc = parse_with(&c, cases[i].text, cases[i].key, cases[i].value, &err);
        if (rc != cases[i].code) fail_msg("%s: %d, '%s'", cases[i].says, rc, err.text);
        CHECK_HAS(err.text, cases[i].says);
    }
}

/* Read again, a printed config is the same in every field that is printed; T and what layers have are not printed
 * alike. */
static void check_printed(json_t *object, const char *where)
{
    tl_err err = { 0 };
    tl_config a, b;
    CHECK_OK(tl_config_parse(&a, object, where, &err), err);
    json_t *o = tl_config_json(&a), *again = NULL;
    CHECK_OK(tl_config_parse(&b, o, "printed", &err), err);
    again = tl_config_json(&b);
    CHECK(json_equal(o, again));
    CHECK_INT(a.G, b.G);
    CHECK_INT(a.h, b.h);
    CHECK_INT(a.T, b.T);
    CHECK_INT(a.order, b.order);
    CHECK_INT(a.activation, b.activation);
    CHECK(a.norm_eps == b.norm_eps && a.rope.theta == b.rope.theta && a.rope.part == b.rope.part);
    CHECK(a.local.theta == b.local.theta && a.rope.kind == b.rope.kind);
    CHECK(memcmp(a.layers, b.layers, sizeof a.layers) == 0);
    json_decref(o);
    json_decref(again);
}

TEST(a_config_is_printed_as_it_is_read)
{
    static const char *const texts[] = { OF("llama"), gpt2_text, OF("smollm3"), OF("gemma2"), OF("mistral") };
    for (int i = 0; i < 5; i++) {
        json_t *o = json_loads(texts[i], 0, NULL);
        check_printed(o, texts[i]);
        json_decref(o);
    }
    for (int i = 0; i < GOLDEN_BASES; i++) {
        tl_err err = { 0 };
        json_t *o = NULL;
        char path[100];
        snprintf(path, sizeof path, GOLDEN_HOME "%s/config.json", golden_bases[i].name);
        CHECK_OK(tl_json_load(&o, path, &err), err);
        check_printed(o, path);
        json_decref(o);
    }
}

TEST(of_several_ends_of_text_the_first_is_taken)
{
    tl_err err = { 0 };
    tl_config c;
    CHECK_OK(parse_with(&c, OF("llama"), "eos_token_id", "[2, 5]", &err), err);
    CHECK_INT(c.eos, 2);
    CHECK_INT(c.bos, -1);
}

TEST(the_base_of_the_angles_is_found_where_either_version_writes_it)
{
    tl_err err = { 0 };
    tl_config c;
    CHECK_OK(parse_with(&c, OF("llama"), NULL, NULL, &err), err);
    CHECK(c.rope.theta == 10000);
    CHECK_OK(parse_with(&c, OF("llama"), "rope_theta", "500000.0", &err), err);
    CHECK(c.rope.theta == 500000);
    CHECK_OK(parse_with(&c, OF("llama"), "rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 700}", &err),
             err);
    CHECK(c.rope.theta == 700);
    CHECK_OK(parse_with(&c, OF("gpt_neox"), "rotary_emb_base", "300", &err), err);
    CHECK(c.rope.theta == 300);
    CHECK_OK(parse_with(&c, OF("gemma3_text"), "rope_local_base_freq", "20", &err), err);
    CHECK(c.rope.theta == 1000000 && c.local.theta == 20);
    CHECK_OK(parse_with(&c, OF("gemma3_text"), "rope_parameters",
                        "{\"full_attention\": {\"rope_type\": \"linear\", \"factor\": 8, \"rope_theta\": 30},"
                        " \"sliding_attention\": {\"rope_theta\": 40}}",
                        &err),
             err);
    CHECK(c.rope.theta == 30 && c.rope.kind == TL_ROPE_LINEAR && c.rope.factor == 8 && c.local.theta == 40);
}

TEST(what_is_not_said_is_as_the_family_has_it)
{
    tl_err err = { 0 };
    tl_config c;
    CHECK_OK(parse_with(&c, OF("gemma2"), NULL, NULL, &err), err);
    CHECK(c.h == 256 && c.score_width == 256 && c.window == 4096 && c.tied && c.embed_scale == 4);
    CHECK(c.score_cap == 50 && c.logit_cap == 30 && c.activation == TL_ACTIVATION_GEGLU);
    for (int l = 0; l < 4; l++) CHECK_INT(c.layers[l], l % 2 == 0 ? TL_LAYER_WINDOW : 0);
    CHECK_OK(parse_with(&c, OF("gemma2"), "attn_logit_softcapping", "null", &err), err);
    CHECK(c.score_cap == 0 && c.logit_cap == 30);
    CHECK_OK(parse_with(&c, OF("gemma3_text"), "sliding_window_pattern", "3", &err), err);
    for (int l = 0; l < 4; l++) CHECK_INT(c.layers[l], l != 2 ? TL_LAYER_WINDOW : 0);
    CHECK_OK(parse_with(&c, OF("smollm3"), NULL, NULL, &err), err);
    for (int l = 0; l < 4; l++) CHECK_INT(c.layers[l], l == 3 ? TL_LAYER_NO_ROPE : 0);
    CHECK_OK(parse_with(&c, OF("mistral"), NULL, NULL, &err), err);
    CHECK(c.window == 4096 && c.layers[3] == TL_LAYER_WINDOW);
    CHECK_OK(parse_with(&c, OF("mistral"), "sliding_window", "null", &err), err);
    CHECK(c.window == 0 && c.layers[3] == 0);
    CHECK_OK(parse_with(&c, OF("qwen2"), "sliding_window", "8", &err), err); /* a width without use_sliding_window */
    CHECK(c.window == 0 && c.qkv_bias && !c.out_bias);
    CHECK_OK(parse_with(&c, OF("gpt_neox"), NULL, NULL, &err), err);
    CHECK(c.order == TL_ORDER_PARALLEL && tl_rope_width(&c) == 2 && c.activation == TL_ACTIVATION_GELU_EXACT);
    CHECK_OK(parse_with(&c, OF("gpt_neox"), "use_parallel_residual", "false", &err), err);
    CHECK(c.order == TL_ORDER_BEFORE);
    CHECK_OK(parse_with(&c, OF("starcoder2"), "use_bias", "false", &err), err);
    CHECK(!c.qkv_bias && !c.out_bias && !c.mlp_bias && c.norm == TL_NORM_LAYER && c.tied);
}

TEST(a_context_stretched_by_long_factors_is_the_original_one)
{
    static const char text[] =
        "{\"model_type\": \"phi3\", \"original_max_position_embeddings\": 12, \"rope_scaling\":"
        " {\"type\": \"su\", \"short_factor\": [1, 1, 1, 2], \"long_factor\": [4, 4, 4, 4]}, " SIZES;
    tl_err err = { 0 };
    tl_config c;
    CHECK_OK(parse_with(&c, text, NULL, NULL, &err), err);
    CHECK(c.T == 12 && c.rope.kind == TL_ROPE_LONG && c.rope.stretched == 16 && c.rope.short_factor[3] == 2);
    json_t *o = tl_config_json(&c);
    CHECK_INT(json_integer_value(json_object_get(o, "max_position_embeddings")), 16);
    json_decref(o);
}

RUN_TESTS(CASE(a_config_we_do_not_compute_is_refused_by_name), CASE(a_config_is_printed_as_it_is_read),
          CASE(of_several_ends_of_text_the_first_is_taken),
          CASE(the_base_of_the_angles_is_found_where_either_version_writes_it),
          CASE(what_is_not_said_is_as_the_family_has_it), CASE(a_context_stretched_by_long_factors_is_the_original_one))

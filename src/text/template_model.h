/* template_model.h - the chat template of a base, and the tokens it may write.
 *
 *     tl_chat_template *t = NULL;
 *     json_t *tokens = NULL;
 *     TL_TRY(tl_chat_open(&t, &tokens, "models/base", NULL, false, err));      {"bos_token": "<s>", ...}
 *
 * A directory has it in chat_template.jinja, others beside it in additional_chat_templates/NAME.jinja; or else in
 * tokenizer_config.json as chat_template, a text or a list of {"name", "template"}.  A GGUF file has it as
 * tokenizer.chat_template, others as tokenizer.chat_template.NAME. */
#ifndef TL_TEXT_TEMPLATE_MODEL_H
#define TL_TEXT_TEMPLATE_MODEL_H

#include "text/template.h"

/* name: which of several; NULL: "tool_use" where tools are at hand and there is one, else "default".  *tokens gets
 * bos_token, eos_token, unk_token, sep_token, pad_token, cls_token and mask_token, as far as the base has them: from
 * tokenizer_config.json, and from special_tokens_map.json as far as transformers reads that.  Both are the caller's. */
int tl_chat_open(tl_chat_template **out, json_t **tokens, const char *model, const char *name, bool tools, tl_err *err);

/* The tokens alone, of a base that needs no template of its own. */
int tl_chat_tokens(json_t **out, const char *model, tl_err *err);

/* All templates, by name: "default" and others; empty where the base has none. */
int tl_chat_templates(json_t **out, const char *model, tl_err *err);

#endif

/* template.h - chat templates: a text in the language of jinja2 that turns messages into what a model reads.
 *
 *     tl_chat_template *t = NULL;
 *     tl_chat_rendering r = { 0 };
 *     TL_TRY(tl_chat_parse(&t, "chat_template.jinja", text, size, err));
 *     tl_chat_options o = tl_chat_defaults();
 *     rc = tl_chat_render(t, variables, &o, &r, err);         {"messages": [...], "add_generation_prompt": true,
 * ...}
 *     ... r.text ...
 *     tl_chat_rendering_reset(&r);
 *     tl_chat_free(t);
 *
 * The bytes are those of jinja2's ImmutableSandboxedEnvironment as transformers sets it up: trim_blocks, lstrip_blocks,
 * loop controls, {% generation %}, tojson without escapes for HTML, raise_exception, strftime_now.  What of the
 * language chat templates have no use for is refused by name (docs/templates.md).
 *
 * A template comes from strangers.  It reaches nothing but the variables it is given, and is bounded in steps, time,
 * depth, memory and output; past a bound it fails.  Every failure is one sentence with the template's name and line.
 * A parsed template is read-only: any number of threads may render it at a time. */
#ifndef TL_TEXT_TEMPLATE_H
#define TL_TEXT_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

typedef struct tl_chat_template tl_chat_template;

/* Parse size bytes of UTF-8; name is for errors and is copied.  On success *out is the caller's. */
int tl_chat_parse(tl_chat_template **out, const char *name, const char *text, size_t size, tl_err *err);
void tl_chat_free(tl_chat_template *t);

/* Whether a {% generation %} block is in it: it says itself what the answers are. */
bool tl_chat_marks_answers(const tl_chat_template *t);

/* Bounds of one rendering; 0 in a field: the default, in proportion to the input, which is the bytes of the template
 * and of the variables. */
typedef struct tl_chat_options {
    size_t output;       /* bytes: 8 times the input, at least 64 KiB */
    size_t steps;        /* an expression, or 32 bytes looked at: 2 million and 4 a byte of input */
    size_t memory;       /* bytes: 32 MiB and 64 times the input */
    double milliseconds; /* of processor time: 50, and as much again for each MiB of input */
    int depth;           /* of calls and of nested values: 1000 */
    time_t now;          /* what strftime_now() tells; 0: the time when rendering begins */
} tl_chat_options;

tl_chat_options tl_chat_defaults(void);

typedef struct tl_chat_span {
    size_t start, end; /* bytes start .. end - 1 */
} tl_chat_span;

typedef struct tl_chat_rendering {
    tl_buf text;         /* owned */
    tl_chat_span *spans; /* owned; of {% generation %} blocks, in the order in which they ended */
    size_t n_spans;
    int lost; /* line of a {% generation %} block whose text went through an expression, so that nobody knows where it
                 is; 0: there is none */
} tl_chat_rendering;

/* Render with the variables of an object, which must hold still meanwhile.  A zeroed *out is filled; on failure it
 * stays empty. */
int tl_chat_render(const tl_chat_template *t, const json_t *variables, const tl_chat_options *o, tl_chat_rendering *out,
                   tl_err *err);
void tl_chat_rendering_reset(tl_chat_rendering *r);

/* Render, with spans that are the answers: what a model learns to write.  They are the {% generation %} blocks; where
 * the template has none, each message of the role "assistant" is rendered with those before it, and its answer is what
 * that adds to the rendering of those before it with add_generation_prompt.  These renderings must continue one another
 * to the byte; a template that rewrites earlier turns is refused, with the turn at which it did.
 * Without an answer the spans are empty: whoever learns decides whether that is an error. */
int tl_chat_answers(const tl_chat_template *t, const json_t *variables, const tl_chat_options *o,
                    tl_chat_rendering *out, tl_err *err);

#endif

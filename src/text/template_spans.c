/* template_spans.c - where the answers are in a rendering, turn by turn.
 *
 * For a message i of the role "assistant", with R(k) the rendering of the first k messages:
 *
 *     prompt = R(i) with add_generation_prompt      what the model is shown
 *     turn   = R(i + 1)                             what is there once it has answered
 *
 * The answer is what turn adds to prompt.  That is only so while the renderings continue one another: prompt must be
 * how turn begins, and turn how the whole begins.  Templates that leave the thoughts of earlier turns out break this,
 * and are told so. */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

typedef struct turns {
    const tl_chat_template *t;
    const tl_chat_options *o;
    json_t *variables; /* owned: a copy whose messages grow */
    const json_t *messages;
    tl_err *err;
} turns;

/* json_copy, which does not say that an entry had no room, says so here. */
static json_t *copy(const json_t *object)
{
    json_t *from = (json_t *)object, *to = json_object();
    for (void *it = json_object_iter(from); to && it; it = json_object_iter_next(from, it)) {
        if (json_object_set(to, json_object_iter_key(it), json_object_iter_value(it)) == 0) continue;
        json_decref(to);
        to = NULL;
    }
    return to;
}

/* The first n messages. */
static int render_first(const turns *w, size_t n, bool prompt, tl_chat_rendering *out)
{
    json_t *part = json_array();
    int bad = part == NULL;
    for (size_t i = 0; i < n && !bad; i++) bad = json_array_append(part, json_array_get(w->messages, i));
    bad = bad || json_object_set(w->variables, "messages", part) ||
          json_object_set_new(w->variables, "add_generation_prompt", json_boolean(prompt));
    json_decref(part);
    if (bad) return tl_fail(w->err, TL_ENOMEM, "messages: no memory for the first %zu of them", n);
    int rc = tl_chat_render(w->t, w->variables, w->o, out, w->err);
    if (rc < 0) tl_fail_in(w->err, "the first %zu of %zu messages", n, json_array_size(w->messages));
    return rc;
}

static bool begins(const tl_buf *whole, const tl_buf *part)
{
    return part->size <= whole->size && (part->size == 0 || memcmp(whole->data, part->data, part->size) == 0);
}

static int broken(const turns *w, size_t turn, const tl_buf *whole, const tl_buf *part, const char *what)
{
    size_t at = 0;
    while (at < whole->size && at < part->size && whole->data[at] == part->data[at]) at++;
    return tl_fail(w->err, TL_EUNSUPPORTED,
                   "messages: the answer of message %zu cannot be found: %s, from byte %zu on; the template has no "
                   "{%% generation %%} that would say where it is",
                   turn + 1, what, at);
}

/* The answer of one turn, in a rendering that begins with it. */
static int add_span(const turns *w, size_t turn, tl_chat_rendering *whole)
{
    tl_chat_rendering prompt = { 0 }, answered = { 0 };
    int rc = render_first(w, turn, true, &prompt);
    if (rc == 0) rc = render_first(w, turn + 1, false, &answered);
    if (rc == 0 && !begins(&answered.text, &prompt.text))
        rc = broken(w, turn, &answered.text, &prompt.text, "with it the text is another than the prompt was");
    if (rc == 0 && !begins(&whole->text, &answered.text))
        rc = broken(w, turn, &whole->text, &answered.text, "later messages change the text before them");
    if (rc == 0) {
        tl_chat_span *spans = realloc(whole->spans, (whole->n_spans + 1) * sizeof *spans);
        if (spans) {
            whole->spans = spans;
            spans[whole->n_spans++] = (tl_chat_span){ prompt.text.size, answered.text.size };
        } else {
            rc = tl_fail(w->err, TL_ENOMEM, "messages: no memory for their spans");
        }
    }
    tl_chat_rendering_reset(&prompt);
    tl_chat_rendering_reset(&answered);
    return rc;
}

static bool is_answer(const json_t *message)
{
    const json_t *role = json_object_get(message, "role");
    return json_is_string(role) && strcmp(json_string_value(role), "assistant") == 0;
}

int tl_chat_answers(const tl_chat_template *t, const json_t *variables, const tl_chat_options *o,
                    tl_chat_rendering *out, tl_err *err)
{
    const json_t *messages = json_object_get(variables, "messages");
    turns w = { .t = t, .o = o, .messages = messages, .err = err };
    TL_TRY(tl_chat_render(t, variables, o, out, err));
    int rc = 0;
    if (tl_chat_marks_answers(t)) {
        if (out->lost)
            rc = tl_fail(
                err, TL_EUNSUPPORTED,
                "the text of {%% generation %%} in line %d goes through an expression, so its place is not known",
                out->lost);
    } else if (json_is_array(messages)) {
        w.variables = copy(variables);
        if (!w.variables) rc = tl_fail(err, TL_ENOMEM, "messages: no memory to render them turn by turn");
        for (size_t i = 0; i < json_array_size(messages) && rc == 0; i++)
            if (is_answer(json_array_get(messages, i))) rc = add_span(&w, i, out);
        json_decref(w.variables);
    }
    if (rc < 0) tl_chat_rendering_reset(out);
    return rc;
}

/* task_parts.h - what the files of this floor share and no other floor needs. */
#ifndef TL_TASK_PARTS_H
#define TL_TASK_PARTS_H

#include "base/buf.h"
#include "task/task.h"

#include <jansson.h>

/* A template taken apart: text and fields in turn. */
typedef struct tl_template tl_template;

/* Take text apart; where names it in errors ("task.yaml: template.input").  *out is the caller's. */
int tl_template_parse(tl_template **out, const char *text, const char *where, tl_err *err);
void tl_template_free(tl_template *p);

/* How many times fields stand in it, and the i-th of them. */
int tl_template_fields(const tl_template *p);
const char *tl_template_field(const tl_template *p, int i);

/* The text before the only field, and after it; for a template with exactly one. */
const char *tl_template_before(const tl_template *p);
const char *tl_template_after(const tl_template *p);

/* Append the template to b, filled from the object line. */
int tl_template_fill(const tl_template *p, const json_t *line, tl_buf *b, tl_err *err);

/* Append the string or number called name to b; anything else is an error that names it. */
int tl_line_field(const json_t *line, const char *name, tl_buf *b, tl_err *err);

/* Fill everything of t but the splits from the file at path. */
int tl_task_yaml(tl_task *t, const char *path, tl_err *err);

/* Read split from the file at path; input is the input template. */
int tl_examples_read(tl_examples *e, const tl_task *t, tl_split split, const tl_template *input, const char *path,
                     tl_err *err);
void tl_examples_reset(tl_examples *e);

#endif

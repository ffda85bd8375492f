/* options.c - one walk over argv, one over the table. */
#include "cmd/options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void help(const tl_command *c, const tl_option *rows)
{
    printf("usage: tailor %s %s\n\n%s\n\n", c->name, c->usage, c->summary);
    for (const tl_option *o = rows; o->name; o++) {
        char left[64], def[256] = "";
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        if (o->kind == 's' && *(const char **)o->value) snprintf(def, sizeof def, " (%s)", *(const char **)o->value);
        if (o->kind == 'i') snprintf(def, sizeof def, " (%d)", *(int *)o->value);
        if (o->kind == 'l') snprintf(def, sizeof def, " (%ld)", *(long *)o->value);
        if (o->kind == 'f') snprintf(def, sizeof def, " (%g)", (double)*(float *)o->value);
        if (o->kind == 'd') snprintf(def, sizeof def, " (%g)", *(double *)o->value);
        printf("  %-26s %s%s\n", left, o->help, def);
    }
    printf("  %-26s %s\n", "--help", "this text");
}

static int take(const tl_command *c, const tl_option *o, const char *text, tl_err *err)
{
    char *end = NULL;
    errno = 0;
    if (o->kind == 's') {
        *(const char **)o->value = text;
        return 0;
    }
    if (o->kind == 'i' || o->kind == 'l') {
        long n = strtol(text, &end, 10);
        if (end == text || *end || errno || (o->kind == 'i' && (n > INT_MAX || n < INT_MIN)))
            return tl_fail(err, TL_EUSAGE, "tailor %s: --%s wants a whole number, '%s' is none", c->name, o->name,
                           text);
        if (o->kind == 'i')
            *(int *)o->value = (int)n;
        else
            *(long *)o->value = n;
        return 0;
    }
    double x = strtod(text, &end);
    if (end == text || *end || errno)
        return tl_fail(err, TL_EUSAGE, "tailor %s: --%s wants a number, '%s' is none", c->name, o->name, text);
    if (o->kind == 'f')
        *(float *)o->value = (float)x;
    else
        *(double *)o->value = x;
    return 0;
}

int tl_options_parse(const tl_command *c, const tl_option *rows, int argc, char **argv, int wanted, tl_positional *p,
                     tl_err *err)
{
    *p = (tl_positional){ 0 };
    bool given[64] = { false };
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            help(c, rows);
            p->help = true;
            return 0;
        }
        if (strncmp(a, "--", 2) != 0) {
            if (a[0] == '-' && a[1])
                return tl_fail(err, TL_EUSAGE, "tailor %s: unknown flag %s; --help lists them", c->name, a);
            if (p->n == wanted)
                return tl_fail(err, TL_EUSAGE, "tailor %s: '%s' is one argument too many; usage: tailor %s %s", c->name,
                               a, c->name, c->usage);
            p->items[p->n++] = a;
            continue;
        }
        const char *name = a + 2, *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        int at = 0;
        while (rows[at].name && (strlen(rows[at].name) != length || strncmp(rows[at].name, name, length) != 0)) at++;
        const tl_option *o = &rows[at];
        if (!o->name) return tl_fail(err, TL_EUSAGE, "tailor %s: unknown flag %s; --help lists them", c->name, a);
        if (given[at]) return tl_fail(err, TL_EUSAGE, "tailor %s: --%s is given twice", c->name, o->name);
        given[at] = true;
        if (o->kind == 'b') {
            if (equals) return tl_fail(err, TL_EUSAGE, "tailor %s: --%s takes no value", c->name, o->name);
            *(bool *)o->value = true;
            continue;
        }
        const char *text = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
        if (!text) return tl_fail(err, TL_EUSAGE, "tailor %s: --%s wants a value (%s)", c->name, o->name, o->argument);
        TL_TRY(take(c, o, text, err));
    }
    if (p->n < wanted)
        return tl_fail(err, TL_EUSAGE, "tailor %s: %d arguments given, %d wanted; usage: tailor %s %s", c->name, p->n,
                       wanted, c->name, c->usage);
    return 0;
}

/* families.c - the kinds of bases there are, and how their tables are read. */
#include "model/model_memory.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const tl_family *const families[] = {
    &tl_family_llama,      &tl_family_mistral,
    &tl_family_qwen2,      &tl_family_qwen3,
    &tl_family_smollm3,    &tl_family_granite,
    &tl_family_olmo2,      &tl_family_gemma2,
    &tl_family_gemma3,     &tl_family_phi3,
    &tl_family_gpt2,       &tl_family_gpt_neox,
    &tl_family_starcoder2, NULL,
};

const tl_family *tl_family_at(int i)
{
    return families[i];
}

const tl_family *tl_family_find(const char *model_type)
{
    for (const tl_family *const *f = families; *f; f++)
        if (strcmp((*f)->model_type, model_type) == 0) return *f;
    return NULL;
}

int tl_family_modules(const tl_family *f)
{
    int n = 0;
    while (f->modules[n].name) n++;
    return n;
}

bool tl_module_by_heads(const tl_family *f, const tl_module *module)
{
    const tl_name *name = f->layer_names;
    while (name->offset != offsetof(tl_layer, linear) + (size_t)module->first * sizeof(tl_weight)) name++;
    return name->form == TL_FORM_BY_HEADS;
}

void tl_name_print(char *out, size_t size, const char *pattern, int layer)
{
    snprintf(out, size, pattern, layer); /* patterns come from our tables, never from a file */
}

bool tl_group_take(tl_group *out, const tl_config *c, const tl_name *name, const tl_weight_row *rows, void *owner)
{
    *out = (tl_group){ .name = name };
    assert(name->part == 0 && name->parts <= 3);
    for (int p = 0; p < name->parts; p++) {
        const tl_weight_row *row = rows;
        while (row->offset != name[p].offset) row++;
        if (!tl_weight_row_wanted(row, c)) return false;
        tl_weight *w = out->weights[p] = tl_weight_row_of(row, owner);
        out->vector = row->rows == '1';
        out->O += (size_t)(out->vector ? w->cols : w->rows);
        out->I = out->vector ? 1 : (size_t)w->cols;
    }
    return true;
}

/* model_copy.c - the other half of model.py: a base read and written again, each weight in the type it has in memory.
 *
 *     model_copy BASE DIR */
#include "model/model.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    tl_err err = { 0 };
    tl_model *m = NULL;
    if (argc != 3) return 2;
    int rc = tl_model_open(&m, argv[1], &err);
    if (rc == 0) rc = tl_model_write_as_it_is(m, argv[2], &err);
    if (rc < 0) fprintf(stderr, "%s\n", err.text);
    tl_model_free(m);
    return rc < 0;
}

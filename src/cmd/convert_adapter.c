/* convert_adapter.c - an adapter from one format into another. */
#include "cmd/convert.h"
#include "io/atomic.h"
#include "model/adapter.h"

#include <stdio.h>

typedef int writer(const tl_adapter *a, const char *path, const char *base_name, tl_err *err);

/* A directory by write, whole or not at all. */
static int directory(writer *write, const tl_adapter *a, const tl_convert_flags *f, tl_err *err)
{
    tl_dir *dir = NULL;
    TL_TRY(tl_dir_begin(&dir, f->output, "adapter_config.json", err));
    int rc = write(a, tl_dir_path(dir), f->base_name, err);
    if (rc == 0) return tl_dir_commit(dir, err);
    tl_dir_abort(dir);
    return rc;
}

static int convert(writer *write, bool file, const char *format, const tl_convert_flags *f, tl_err *err)
{
    tl_model *m = NULL;
    tl_adapter *a = NULL;
    int rc = tl_model_open(&m, f->model, err);
    if (rc == 0) rc = tl_adapter_load(&a, m, f->adapter, err);
    if (rc == 0) rc = file ? write(a, f->output, f->base_name, err) : directory(write, a, f, err);
    if (rc == 0) printf("%s: an adapter of %zu numbers, as %s\n", f->output, tl_adapter_parameters(a), format);
    tl_adapter_release(a);
    tl_model_free(m);
    return rc;
}

int tl_convert_adapter_peft(const tl_convert_flags *f, tl_err *err)
{
    return convert(tl_adapter_write, false, "peft", f, err);
}

int tl_convert_adapter_mlx(const tl_convert_flags *f, tl_err *err)
{
    return convert(tl_adapter_write_mlx, false, "mlx", f, err);
}

int tl_convert_adapter_gguf(const tl_convert_flags *f, tl_err *err)
{
    return convert(tl_adapter_write_gguf, true, "gguf", f, err);
}

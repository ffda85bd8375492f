/* scratch.h - a directory for one test, gone at its end, and small files in it.
 *
 *     scratch_begin();  ... scratch("a.json") is DIR/a.json ...  scratch_end(); */
#ifndef TL_TESTS_SCRATCH_H
#define TL_TESTS_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch_dir[64];

static inline void scratch_begin(void)
{
    snprintf(scratch_dir, sizeof scratch_dir, "/tmp/tailor-test-XXXXXX");
    if (!mkdtemp(scratch_dir)) abort();
}

/* DIR/name, in one of eight buffers taken in turn. */
static inline const char *scratch(const char *name)
{
    static char paths[8][400];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_dir, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *bytes, size_t size)
{
    const char *path = scratch(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) abort();
    return path;
}

static inline const char *scratch_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

/* How many names the directory holds. */
static inline int scratch_count(const char *dir)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(dir);
    if (!d) return -1;
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static inline int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static inline void scratch_end(void)
{
    nftw(scratch_dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

#endif

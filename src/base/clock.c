/* clock.c - CLOCK_MONOTONIC and /proc/self. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double tl_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The KiB after name on a line of the file, as bytes; 0 where there is none. */
static size_t line_bytes(const char *path, const char *name)
{
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    char line[200];
    size_t n = strlen(name), kib = 0;
    while (kib == 0 && fgets(line, sizeof line, f))
        if (strncmp(line, name, n) == 0) kib = strtoul(line + n, NULL, 10);
    fclose(f);
    return kib * 1024;
}

size_t tl_peak_bytes(void)
{
    return line_bytes("/proc/self/status", "VmHWM:");
}

size_t tl_free_bytes(void)
{
    return line_bytes("/proc/meminfo", "MemAvailable:");
}

void tl_peak_reset(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t n = write(fd, "5", 1); /* 5: reset the peak of the resident set, proc(5) */
    (void)n;
    close(fd);
}

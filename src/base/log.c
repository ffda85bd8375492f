/* log.c - lines and progress on standard error. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool quiet_now;

void tl_log_quiet(bool quiet)
{
    quiet_now = quiet;
}

void tl_log(const char *format, ...)
{
    if (quiet_now) return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int terminal_width(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0) return w.ws_col;
    return 80;
}

static void show(tl_progress *p, double now)
{
    char line[400], left[40] = "";
    double spent = now - p->started;
    if (p->done > 0 && p->done < p->total) {
        double seconds = spent * (double)(p->total - p->done) / (double)p->done;
        snprintf(left, sizeof left, "  %d:%02d left", (int)seconds / 60, (int)seconds % 60);
    }
    int n = snprintf(line, sizeof line, "%s %ld/%ld  %s%s", p->name, p->done, p->total, p->last, left);
    if (p->terminal) {
        int width = terminal_width() - 1;
        if (n > width && width > 0) line[width] = '\0';
        fprintf(stderr, "\r\033[K%s", line);
        fflush(stderr);
        p->pending = true;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    p->shown = now;
}

tl_progress tl_progress_start(const char *name, long total)
{
    double now = tl_seconds();
    return (tl_progress){
        .name = name, .total = total, .started = now, .shown = now - 1, .terminal = isatty(STDERR_FILENO) != 0
    };
}

void tl_progress_show(tl_progress *p, long done, const char *format, ...)
{
    p->done = done;
    va_list args;
    va_start(args, format);
    vsnprintf(p->last, sizeof p->last, format, args);
    va_end(args);
    double now = tl_seconds();
    if (!quiet_now && now - p->shown >= (p->terminal ? 0.1 : 10.0)) show(p, now);
}

void tl_progress_end(tl_progress *p)
{
    if (quiet_now || p->done == 0) return;
    show(p, tl_seconds());
    if (p->terminal) fputc('\n', stderr);
    p->pending = false;
}

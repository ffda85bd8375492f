/* err.h - how the world's failures travel: a negative code and one sentence.
 *
 *     if (size < 8)
 *         return tl_fail(err, TL_EFORMAT, "%s: %zu bytes, a safetensors file has at least 8", path, size);
 *
 * A function that can fail for reasons outside the program returns 0 or one of
 * the codes below and fills *err.  The sentence names the thing, what was found
 * and what was wanted.  Mistakes of our own are asserts, not errors. */
#ifndef TL_BASE_ERR_H
#define TL_BASE_ERR_H

enum {
    TL_EIO = -1,          /* a file or stream could not be read or written */
    TL_EFORMAT = -2,      /* bytes that break their format */
    TL_ESHAPE = -3,       /* sizes that contradict each other */
    TL_ENOMEM = -4,       /* memory that could not be had */
    TL_EUSAGE = -5,       /* a flag or argument that makes no sense */
    TL_EUNSUPPORTED = -6, /* understood, and refused by name */
    TL_EDATA = -7,        /* a task or dataset that cannot be used as it is */
    TL_ENUMERIC = -8,     /* NaN or infinity where a number was wanted */
    TL_EINTERRUPTED = -9, /* the user asked to stop */
};

typedef struct tl_err {
    int code;        /* 0 or one of the above */
    char text[1000]; /* one sentence, no newline at its end */
} tl_err;

/* Fill *err and return code.  err may be NULL: then only the code travels. */
int tl_fail(tl_err *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the sentence already in *err and return its code;
 * for a caller that knows what the callee could not (a file and line, say). */
int tl_fail_in(tl_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Pass a failure up where there is nothing to give back. */
#define TL_TRY(call)                                                                                                   \
    do {                                                                                                               \
        int tl_try_code = (call);                                                                                      \
        if (tl_try_code < 0) return tl_try_code;                                                                       \
    } while (0)

#endif

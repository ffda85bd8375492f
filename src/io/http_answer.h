/* http_answer.h - the head of an answer, line by line: what http.c wants to know of it, and nothing taken on trust.
 *
 *     HTTP/1.1 206 Partial Content            tl_head_line takes each line with its end,
 *     Content-Range: bytes 100-199/5000       libcurl's way of giving them
 *     ETag: "6e34..."
 *                                             the empty one: whole */
#ifndef TL_IO_HTTP_ANSWER_H
#define TL_IO_HTTP_ANSWER_H

#include "io/http.h"

typedef struct tl_head {
    tl_http_answer *answer; /* filled; the linked headers and the commit keep what an earlier answer gave */
    size_t bytes;           /* of all heads of this try */
    bool whole;             /* the empty line came: later lines are trailers, and not read */
    bool range_said;        /* Content-Range, of which */
    bool range_good;        /* this was understood: */
    size_t range_first, range_last, range_total;
    bool range_total_said; /* "*" otherwise */
    bool redirects;        /* the status is one of 301, 302, 303, 307, 308 */
} tl_head;

/* Begin the head of another answer to the same request. */
void tl_head_begin(tl_head *h, tl_http_answer *answer);

/* One line.  False: more than a head may have (64 KiB), the connection is to be cut. */
bool tl_head_line(tl_head *h, const char *line, size_t size);

/* The decimal digits of text and nothing else, as a size; false where it is none or does not fit. */
bool tl_head_size(size_t *out, const char *text);

/* Whether both are given, are strong (no W/) and differ. */
bool tl_etags_differ(const char *a, const char *b);

/* "Not Found" for 404; "" where the status has no name here. */
const char *tl_status_name(int status);

#endif

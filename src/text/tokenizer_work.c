/* tokenizer_work.c - scratch on a shelf: a call takes one and puts it back, so that what it has learnt stays.
 *
 * As many are kept as threads have ever encoded at once, up to PLACES; taking and giving is one exchange of a pointer
 * each. */
#include "text/tokenizer_model.h"

#include <stdlib.h>

enum {
    PLACES = 16
};

struct tl_tokenizer_shelf {
    tl_tokenizer_work *place[PLACES]; /* owned; NULL: nothing lies there.  Atomic */
};

int tl_tokenizer_shelf_create(tl_tokenizer_shelf **out, tl_err *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : tl_fail(err, TL_ENOMEM, "tokenizer: no memory");
}

static void work_free(tl_tokenizer_work *w)
{
    if (!w) return;
    tl_bpe_work_free(w->bpe);
    tl_word_cache_free(w->cache);
    tl_ids_reset(&w->spelt);
    free(w);
}

void tl_tokenizer_shelf_free(tl_tokenizer_shelf *shelf)
{
    if (!shelf) return;
    for (int i = 0; i < PLACES; i++) work_free(shelf->place[i]);
    free(shelf);
}

int tl_tokenizer_work_take(tl_tokenizer_work **out, tl_tokenizer_shelf *shelf, tl_err *err)
{
    tl_tokenizer_work *w = NULL;
    for (int i = 0; !w && i < PLACES; i++) w = __atomic_exchange_n(&shelf->place[i], NULL, __ATOMIC_ACQUIRE);
    if (!w) {
        w = calloc(1, sizeof *w);
        int rc = w ? tl_bpe_work_create(&w->bpe, err) : tl_fail(err, TL_ENOMEM, "tokenizer: no memory for scratch");
        if (rc == 0) rc = tl_word_cache_create(&w->cache, err);
        if (rc < 0) {
            work_free(w);
            return rc;
        }
    }
    *out = w;
    return 0;
}

void tl_tokenizer_work_give(tl_tokenizer_shelf *shelf, tl_tokenizer_work *w)
{
    for (int i = 0; w && i < PLACES; i++) w = __atomic_exchange_n(&shelf->place[i], w, __ATOMIC_ACQ_REL);
    work_free(w);
}

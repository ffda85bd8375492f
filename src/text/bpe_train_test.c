/* bpe_train_test.c - what is learnt, and that the files are the golden ones byte for byte. */
#include "text/bpe_train.h"

#include "io/atomic.h"
#include "text/tokenizer.h"

#include <stdbool.h>
#include <unistd.h>

#include "tests/check.h"

#define GOLDEN "tests/golden/tokenizer"

typedef struct made {
    char dir[64], json[100], config[100];
} made;

static made make_names(void)
{
    made m;
    snprintf(m.dir, sizeof m.dir, "/tmp/tailor-train-test-%d", (int)getpid());
    snprintf(m.json, sizeof m.json, "%s/tokenizer.json", m.dir);
    snprintf(m.config, sizeof m.config, "%s/tokenizer_config.json", m.dir);
    return m;
}

static void remove_made(const made *m)
{
    unlink(m->json);
    unlink(m->config);
    rmdir(m->dir);
}

static tl_bpe_trainer *trainer(void)
{
    tl_err err;
    tl_bpe_trainer *t = NULL;
    CHECK_OK(tl_bpe_trainer_create(&t, NULL, 0, &err), err);
    return t;
}

static tl_buf read_all(const char *path)
{
    tl_err err;
    tl_buf b = tl_buf_make(1 << 20);
    CHECK_OK(tl_file_read(path, 1 << 20, &b, &err), err);
    return b;
}

/* The tokenizer of vocab_size learnt from one text; its files are gone. */
static tl_tokenizer *learn(const char *text, int vocab_size)
{
    tl_err err;
    made m = make_names();
    tl_tokenizer *k = NULL;
    tl_bpe_trainer *t = trainer();
    CHECK_OK(tl_bpe_trainer_add(t, text, strlen(text), &err), err);
    CHECK_OK(tl_bpe_trainer_save(t, vocab_size, m.dir, &err), err);
    CHECK_OK(tl_tokenizer_open(&k, m.dir, &err), err);
    tl_bpe_trainer_free(t);
    remove_made(&m);
    return k;
}

static void check_piece(const tl_tokenizer *k, int id, const char *wanted)
{
    size_t size;
    const char *piece = tl_tokenizer_piece(k, id, &size);
    CHECK(piece != NULL);
    CHECK_INT(size, strlen(wanted));
    CHECK(memcmp(piece, wanted, size) == 0);
}

TEST(training_on_the_golden_corpus_gives_the_golden_files)
{
    tl_err err;
    made m = make_names();
    tl_buf corpus = read_all(GOLDEN "/corpus.txt");
    tl_bpe_trainer *t = trainer();
    /* Lines last to first: the order of the texts does not show. */
    for (size_t end = corpus.size; end > 0;) {
        size_t start = end - 1;
        while (start > 0 && corpus.data[start - 1] != '\n') start--;
        CHECK_OK(tl_bpe_trainer_add(t, corpus.data + start, end - start, &err), err);
        end = start;
    }
    CHECK_OK(tl_bpe_trainer_save(t, 640, m.dir, &err), err);
    tl_buf found = read_all(m.json), wanted = read_all(GOLDEN "/tiny/tokenizer.json");
    CHECK_STR(found.data, wanted.data);
    tl_buf_reset(&found);
    tl_buf_reset(&wanted);
    found = read_all(m.config);
    wanted = read_all(GOLDEN "/tiny/tokenizer_config.json");
    CHECK_STR(found.data, wanted.data);
    tl_buf_reset(&found);
    tl_buf_reset(&wanted);
    tl_buf_reset(&corpus);
    tl_bpe_trainer_free(t);
    remove_made(&m);
}

TEST(the_most_frequent_pair_is_joined_first_and_ties_go_to_the_lower_ids)
{
    /* "xy" five times; then " p", " q" and the like tie at two, and the space is the lowest left. */
    tl_tokenizer *k = learn("xy xy xy xy xy pq pq rs rs", 1000);
    check_piece(k, 258, "xy");
    check_piece(k, 259, " xy");
    check_piece(k, 260, " p");
    check_piece(k, 261, " r");
    check_piece(k, 262, " pq");
    check_piece(k, 263, " rs");
    CHECK_INT(tl_tokenizer_size(k), 264);
    tl_tokenizer_free(k);
}

TEST(runs_of_one_letter_are_counted_as_they_are_joined)
{
    tl_tokenizer *k = learn("aaaaaaaa aaaaaaaa", 1000);
    check_piece(k, 258, "aa");
    check_piece(k, 259, "aaaa");
    check_piece(k, 260, "aaaaaaaa");
    CHECK_INT(tl_tokenizer_size(k), 261);
    tl_tokenizer_free(k);
}

TEST(digits_stay_single)
{
    tl_err err;
    tl_tokenizer *k = learn("138 138 138 138 92 92 92 92", 1000);
    tl_ids ids = { 0 };
    CHECK_OK(tl_tokenizer_encode(k, "138", 3, TL_ENCODE_PLAIN, &ids, &err), err);
    CHECK_INT(ids.size, 3);
    for (int i = 0; i < 3; i++) CHECK_INT(ids.data[i], 2 + "138"[i]);
    tl_ids_reset(&ids);
    tl_tokenizer_free(k);
}

TEST(no_merge_spells_a_special_token)
{
    tl_err err;
    made m = make_names();
    const char *extra[] = { "pain" };
    tl_bpe_trainer *t = NULL;
    tl_tokenizer *k = NULL;
    CHECK_OK(tl_bpe_trainer_create(&t, extra, 1, &err), err);
    for (int i = 0; i < 9; i++) CHECK_OK(tl_bpe_trainer_add(t, "pain", 4, &err), err);
    CHECK_OK(tl_bpe_trainer_save(t, 1000, m.dir, &err), err);
    CHECK_OK(tl_tokenizer_open(&k, m.dir, &err), err);
    CHECK_INT(tl_tokenizer_find(k, "pain", 4), 2);
    CHECK(tl_tokenizer_is_special(k, 2));
    CHECK_INT(tl_tokenizer_bos(k), 0);
    tl_ids ids = { 0 };
    CHECK_OK(tl_tokenizer_encode(k, "pain", 4, TL_ENCODE_AS_TEXT, &ids, &err), err);
    for (size_t i = 0; i < ids.size; i++) CHECK(ids.data[i] > 2);
    tl_ids_reset(&ids);
    tl_tokenizer_free(k);
    tl_bpe_trainer_free(t);
    remove_made(&m);
}

TEST(a_vocabulary_that_cannot_be_is_refused)
{
    tl_err err = { 0 };
    tl_bpe_trainer *t = trainer(), *none = NULL;
    CHECK_INT(tl_bpe_trainer_save(t, 257, "/tmp", &err), TL_EUSAGE);
    CHECK_HAS(err.text, "257");
    CHECK_INT(tl_bpe_trainer_save(t, 1 << 30, "/tmp", &err), TL_EUSAGE);
    CHECK_INT(tl_bpe_trainer_add(t, "ab\xff", 3, &err), TL_EDATA);
    CHECK_HAS(err.text, "byte 2 ");
    const char *twice[] = { "<|bos|>" }, *letter[] = { "\xc4\xa0" }, *empty[] = { "" };
    CHECK_INT(tl_bpe_trainer_create(&none, twice, 1, &err), TL_EUSAGE);
    CHECK_INT(tl_bpe_trainer_create(&none, letter, 1, &err), TL_EUSAGE);
    CHECK_HAS(err.text, "0x20");
    CHECK_INT(tl_bpe_trainer_create(&none, empty, 1, &err), TL_EUSAGE);
    tl_bpe_trainer_free(t);
}

TEST(without_texts_the_bytes_alone_are_a_vocabulary)
{
    tl_tokenizer *k = learn("", 300);
    CHECK_INT(tl_tokenizer_size(k), 258);
    tl_tokenizer_free(k);
}

RUN_TESTS(CASE(training_on_the_golden_corpus_gives_the_golden_files),
          CASE(the_most_frequent_pair_is_joined_first_and_ties_go_to_the_lower_ids),
          CASE(runs_of_one_letter_are_counted_as_they_are_joined), CASE(digits_stay_single),
          CASE(no_merge_spells_a_special_token), CASE(a_vocabulary_that_cannot_be_is_refused),
          CASE(without_texts_the_bytes_alone_are_a_vocabulary))

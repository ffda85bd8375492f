/* corpus_test.c - documents to samples, one line after the other, and which lines are refused. */
#define _GNU_SOURCE /* nftw */
#include "io/lines.h"
#include "tests/check.h"
#include "tests/scratch.h"
#include "train/corpus.h"

static tl_tokenizer *tokenizer(void)
{
    tl_err err = { 0 };
    tl_tokenizer *t = NULL;
    CHECK_OK(tl_tokenizer_open(&t, "tests/golden/tokenizer/tiny", &err), err);
    CHECK(tl_tokenizer_bos(t) >= 0 && tl_tokenizer_eos(t) >= 0);
    return t;
}

static tl_corpus *open_text(const tl_tokenizer *t, const char *text, int max_tokens)
{
    tl_err err = { 0 };
    tl_corpus *c = NULL;
    CHECK_OK(tl_corpus_open(&c, scratch_text("corpus.jsonl", text), t, max_tokens, 0, &err), err);
    return c;
}

static tl_sample next(tl_corpus *c)
{
    tl_err err = { 0 };
    tl_sample s = { 0 };
    bool more = false;
    CHECK_OK(tl_corpus_next(c, &s, &more, &err), err);
    CHECK(more);
    return s;
}

static void check_end(tl_corpus *c)
{
    tl_err err = { 0 };
    tl_sample s = { 0 };
    bool more = true;
    CHECK_OK(tl_corpus_next(c, &s, &more, &err), err);
    CHECK(!more);
}

/* BOS, the texts each encoded for itself, EOS; text i is learnt where trained[i] says so. */
static void check_sample(const tl_tokenizer *t, const tl_sample *s, const char *const *texts, const int *trained, int n)
{
    tl_err err = { 0 };
    tl_ids ids = { 0 };
    int at = 1;
    CHECK_INT(s->ids[0], tl_tokenizer_bos(t));
    CHECK_INT(s->trained[0], 0);
    for (int i = 0; i < n; i++) {
        CHECK_OK(tl_tokenizer_encode(t, texts[i], strlen(texts[i]), TL_ENCODE_AS_TEXT, &ids, &err), err);
        for (; at - 1 < (int)ids.size; at++) {
            CHECK(at < s->n);
            CHECK_INT(s->ids[at], ids.data[at - 1]);
            CHECK_INT(s->trained[at], trained[i]);
        }
    }
    CHECK_INT(s->n, at + 1);
    CHECK_INT(s->ids[at], tl_tokenizer_eos(t));
    CHECK_INT(s->trained[at], 1);
    tl_ids_reset(&ids);
}

TEST(every_token_of_a_text_is_learnt_and_its_end_too)
{
    tl_tokenizer *t = tokenizer();
    scratch_begin();
    tl_corpus *c = open_text(t, "{\"text\": \"chest pain\", \"note\": 3}\n{\"text\": \"\\u00e4 b\"}", 100);
    tl_sample s = next(c);
    check_sample(t, &s, (const char *[]){ "chest pain" }, (int[]){ 1 }, 1);
    tl_sample_reset(&s);
    s = next(c); /* the last line needs no newline */
    check_sample(t, &s, (const char *[]){ "\303\244 b" }, (int[]){ 1 }, 1);
    tl_sample_reset(&s);
    check_end(c);
    check_end(c);
    tl_corpus_close(c);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(of_spans_those_with_one_are_learnt_and_neighbours_of_a_kind_are_one_text)
{
    tl_tokenizer *t = tokenizer();
    scratch_begin();
    tl_corpus *c = open_text(t,
                             "{\"spans\": [[\"Message: pa\", 0], [\"in\\nUrgency:\", 0], [\" red\", 1], [\" B\", 0],"
                             " [\" gre\", 1], [\"en\", 1]]}\n{\"spans\": [[\"yes\", 1]]}\n",
                             100);
    tl_sample s = next(c);
    check_sample(t, &s, (const char *[]){ "Message: pain\nUrgency:", " red", " B", " green" }, (int[]){ 0, 1, 0, 1 },
                 4);
    tl_sample_reset(&s);
    s = next(c);
    check_sample(t, &s, (const char *[]){ "yes" }, (int[]){ 1 }, 1);
    tl_sample_reset(&s);
    tl_corpus_close(c);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(special_tokens_written_in_a_document_are_letters)
{
    tl_tokenizer *t = tokenizer();
    scratch_begin();
    tl_corpus *c = open_text(t, "{\"text\": \"a<|eos|>b\"}\n", 100);
    tl_sample s = next(c);
    for (int i = 1; i < s.n - 1; i++) CHECK(s.ids[i] != tl_tokenizer_eos(t));
    tl_sample_reset(&s);
    tl_corpus_close(c);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(a_longer_document_is_cut_and_counted)
{
    tl_tokenizer *t = tokenizer();
    scratch_begin();
    tl_corpus *c = open_text(t, "{\"text\": \"zqzqzqzqzqzqzqzqzqzq\"}\n{\"text\": \"a\"}\n", 6);
    tl_sample s = next(c);
    CHECK_INT(s.n, 6);
    CHECK_INT(s.ids[0], tl_tokenizer_bos(t));
    CHECK(s.ids[5] != tl_tokenizer_eos(t)); /* it did not end there */
    CHECK_INT(tl_corpus_cut(c), 1);
    tl_sample_reset(&s);
    s = next(c);
    CHECK_INT(s.n, 3);
    CHECK_INT(tl_corpus_cut(c), 1);
    tl_sample_reset(&s);
    tl_corpus_close(c);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(a_bad_line_is_refused_with_file_and_line)
{
    static const struct {
        const char *line, *part;
    } bad[] = {
        { "{\"text\": \"a\"", "JSON" },
        { "", "JSON" },
        { "[1]", "either text or spans" },
        { "{\"title\": \"a\"}", "either text or spans" },
        { "{\"text\": 3}", "either text or spans" },
        { "{\"text\": \"a\", \"spans\": []}", "either text or spans" },
        { "{\"spans\": [[\"a\", 1], [\"b\"]]}", "span 2" },
        { "{\"spans\": [[\"a\", 2]]}", "span 1" },
        { "{\"spans\": [[3, 1]]}", "span 1" },
        { "{\"spans\": [\"a\"]}", "span 1" },
    };
    tl_tokenizer *t = tokenizer();
    scratch_begin();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tl_err err = { 0 };
        tl_sample s = { 0 };
        bool more = false;
        char text[200];
        snprintf(text, sizeof text, "{\"text\": \"a\"}\n%s\n", bad[i].line);
        tl_corpus *c = open_text(t, text, 100);
        tl_sample first = next(c);
        tl_sample_reset(&first);
        int rc = tl_corpus_next(c, &s, &more, &err);
        if (rc != TL_EDATA) fail_msg("%s: %d (%s)", bad[i].line, rc, err.text);
        CHECK_HAS(err.text, "corpus.jsonl:2");
        CHECK_HAS(err.text, bad[i].part);
        CHECK(s.ids == NULL);
        tl_corpus_close(c);
    }
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(a_line_longer_than_the_bound_is_refused_with_file_and_line)
{
    tl_tokenizer *t = tokenizer();
    tl_err err = { 0 };
    tl_sample s = { 0 };
    bool more = false;
    static const char document[] = "{\"text\": \"a\"}\n";
    size_t size = TL_LINE_LIMIT + 100;
    char *text = malloc(size);
    CHECK(text != NULL);
    scratch_begin();
    memset(text, ' ', size); /* white space: JSON, but for its length */
    memcpy(text, document, sizeof document - 1);
    memcpy(text + size - sizeof document, document, sizeof document);
    tl_corpus *c = open_text(t, text, 100);
    tl_sample first = next(c);
    tl_sample_reset(&first);
    CHECK_INT(tl_corpus_next(c, &s, &more, &err), TL_EDATA);
    CHECK_HAS(err.text, "corpus.jsonl:2: the line has more than");
    CHECK(s.ids == NULL);
    tl_corpus_close(c);
    free(text);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(reading_goes_on_from_a_place_and_counts_lines_as_before)
{
    tl_tokenizer *t = tokenizer();
    tl_err err = { 0 };
    scratch_begin();
    const char *text = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n{\"text\": \"three\"}\n{\n";
    tl_corpus *c = open_text(t, text, 100);
    tl_sample s = next(c), a = next(c);
    long place = tl_corpus_tell(c);
    tl_sample b = next(c);
    tl_corpus *again = open_text(t, text, 100);
    CHECK_OK(tl_corpus_seek(again, place, &err), err);
    tl_sample same = next(again);
    CHECK_INT(same.n, b.n);
    CHECK(memcmp(same.ids, b.ids, (size_t)b.n * sizeof(int)) == 0);
    bool more;
    tl_sample none = { 0 };
    CHECK_INT(tl_corpus_next(again, &none, &more, &err), TL_EDATA);
    CHECK_HAS(err.text, "corpus.jsonl:4");
    CHECK_OK(tl_corpus_seek(again, 0, &err), err);
    tl_sample first = next(again);
    CHECK_INT(first.n, s.n);
    CHECK_INT(first.ids[1], s.ids[1]);
    CHECK_INT(tl_corpus_seek(again, 1000, &err), TL_EIO);
    CHECK_HAS(err.text, "byte 1000");
    tl_sample *all[] = { &s, &a, &b, &same, &first };
    for (int i = 0; i < 5; i++) tl_sample_reset(all[i]);
    tl_corpus_close(c);
    tl_corpus_close(again);
    scratch_end();
    tl_tokenizer_free(t);
}

TEST(a_corpus_that_is_not_there_is_named)
{
    tl_err err = { 0 };
    tl_corpus *c = NULL;
    tl_tokenizer *t = tokenizer();
    CHECK_INT(tl_corpus_open(&c, "/nowhere/corpus.jsonl", t, 10, 0, &err), TL_EIO);
    CHECK_HAS(err.text, "/nowhere/corpus.jsonl");
    CHECK(c == NULL);
    tl_tokenizer_free(t);
}

RUN_TESTS(CASE(every_token_of_a_text_is_learnt_and_its_end_too),
          CASE(of_spans_those_with_one_are_learnt_and_neighbours_of_a_kind_are_one_text),
          CASE(special_tokens_written_in_a_document_are_letters), CASE(a_longer_document_is_cut_and_counted),
          CASE(a_bad_line_is_refused_with_file_and_line),
          CASE(a_line_longer_than_the_bound_is_refused_with_file_and_line),
          CASE(reading_goes_on_from_a_place_and_counts_lines_as_before), CASE(a_corpus_that_is_not_there_is_named))

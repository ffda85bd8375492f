/* generate_test.c - tailor-generate from outside: what it writes is what a corpus, a probe and a task must be.
 *
 * Drives $BUILD/tailor-generate and reads its lines back with jansson. */
#include "base/clock.h"
#include "tests/check.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const triage_labels[] = { "immediate", "urgent", "soon", "routine", "home" };
static const char *const held_families[] = { "urgency", "music", "weather", "travel" };

/* The bytes of a file or of a command's standard output, NUL-terminated; the caller frees. */
static char *slurp(FILE *f, size_t *size)
{
    size_t used = 0, room = 1 << 16;
    char *data = malloc(room);
    assert_non_null(data);
    for (size_t n = 0; (n = fread(data + used, 1, room - used - 1, f)) > 0;) {
        used += n;
        if (room - used < 4096) data = realloc(data, room *= 2);
        assert_non_null(data);
    }
    data[used] = '\0';
    if (size) *size = used;
    return data;
}

/* Standard output of tailor-generate with these arguments; *code is its exit status. */
static char *generate(const char *arguments, size_t *size, int *code)
{
    char command[2000];
    const char *build = getenv("BUILD");
    snprintf(command, sizeof command, "%s/tailor-generate %s", build ? build : "build", arguments);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char *data = slurp(f, size);
    int status = pclose(f);
    if (code)
        *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    else if (status != 0)
        fail_msg("'%s' ended with status %d", command, status);
    return data;
}

static char *slurp_path(const char *dir, const char *name)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: not there", path);
    char *data = slurp(f, NULL);
    fclose(f);
    return data;
}

/* The lines of text, each parsed; ends with NULL.  Cuts text into lines; the caller frees both. */
static json_t **parse_lines(char *text, int *count)
{
    int n = 0, room = 1024;
    json_t **lines = malloc((size_t)room * sizeof *lines);
    for (char *s = text; *s;) {
        char *end = strchr(s, '\n');
        assert_non_null(end);
        *end = '\0';
        if (n == room) lines = realloc(lines, (size_t)(room *= 2) * sizeof *lines);
        assert_non_null(lines);
        json_error_t error;
        lines[n] = json_loads(s, JSON_REJECT_DUPLICATES, &error);
        if (!lines[n]) fail_msg("line %d is no JSON: %s: %.200s", n + 1, error.text, s);
        n++;
        s = end + 1;
    }
    *count = n;
    return lines;
}

static void free_lines(json_t **lines, int count)
{
    for (int i = 0; i < count; i++) json_decref(lines[i]);
    free(lines);
}

static const char *field(json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    if (!s) fail_msg("a line without \"%s\"", name);
    return s;
}

/* A growing table of words. */
typedef struct table {
    char (*words)[40];
    int count;
} table;

static int table_find(const table *t, const char *word)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->words[i], word) == 0) return i;
    return -1;
}

static int table_add(table *t, const char *word)
{
    int at = table_find(t, word);
    if (at >= 0) return at;
    if (t->count % 256 == 0) t->words = realloc(t->words, (size_t)(t->count + 256) * sizeof *t->words);
    assert_non_null(t->words);
    snprintf(t->words[t->count], sizeof *t->words, "%s", word);
    return t->count++;
}

/* The next run of letters in *s, in small letters; false at the end. */
static bool next_word(const char **s, char word[40])
{
    int n = 0;
    while (**s && !isalpha((unsigned char)**s)) ++*s;
    for (; isalpha((unsigned char)**s) && n < 39; ++*s) word[n++] = (char)tolower((unsigned char)**s);
    word[n] = '\0';
    return n > 0;
}

static bool among(const char *word, const char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, list[i]) == 0) return true;
    return false;
}

/* Text and loss of one [text, loss]. */
static const char *span_text(json_t *spans, size_t i)
{
    const char *s = json_string_value(json_array_get(json_array_get(spans, i), 0));
    assert_non_null(s);
    return s;
}

static json_int_t span_loss(json_t *spans, size_t i)
{
    json_t *loss = json_array_get(json_array_get(spans, i), 1);
    CHECK(json_is_integer(loss));
    return json_integer_value(loss);
}

/* ---- the corpus ------------------------------------------------------------------------------------------ */

static const char corpus_arguments[] = "corpus --seed 3 --tokens-about 1000000";

TEST(the_same_seed_gives_the_same_corpus_and_any_part_of_it_alone)
{
    size_t n = 0, m = 0, k = 0;
    char *a = generate(corpus_arguments, &n, NULL), *b = generate(corpus_arguments, &m, NULL);
    char *other = generate("corpus --seed 4 --tokens-about 1000000", &k, NULL);
    CHECK(n == m && memcmp(a, b, n) == 0);
    CHECK(n != k || memcmp(a, other, n) != 0);
    char *part = generate("corpus --seed 3 --tokens-about 1000000 --from 1000 --count 200", &m, NULL), *s = a;
    for (int i = 0; i < 1000; i++) s = strchr(s, '\n') + 1;
    CHECK(m > 1000 && (size_t)(a + n - s) > m && memcmp(s, part, m) == 0);
    free(a), free(b), free(other), free(part);
}

TEST(a_corpus_has_about_the_tokens_asked_for)
{
    char *text = generate(corpus_arguments, NULL, NULL);
    int count = 0;
    json_t **lines = parse_lines(text, &count);
    double words = 0;
    for (int i = 0; i < count; i++) {
        json_t *spans = json_object_get(lines[i], "spans");
        for (size_t j = 0; j < (spans ? json_array_size(spans) : 1); j++) {
            const char *s = spans ? span_text(spans, j) : field(lines[i], "text");
            /* A run of letters, a digit, a mark and a newline are one each. */
            for (; *s; s++) words += isalpha((unsigned char)*s) ? !isalpha((unsigned char)s[1]) : *s != ' ';
        }
    }
    if (!(words > 0.9e6 && words < 1.1e6)) fail_msg("1,000,000 tokens asked for, about %.0f found", words);
    free_lines(lines, count);
    free(text);
}

TEST(documents_are_prose_or_spans_with_something_to_learn)
{
    char *text = generate(corpus_arguments, NULL, NULL);
    int count = 0, prose = 0, few = 0, many = 0;
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        json_t *spans = json_object_get(lines[i], "spans");
        if (!spans) {
            CHECK(strlen(field(lines[i], "text")) > 20);
            prose++;
            continue;
        }
        CHECK_STR(field(lines[i], "kind"), "episode");
        /* An example is three spans: input, answer, what follows; only an answer may be learnt. */
        int learnt = 0, n = (int)json_array_size(spans);
        CHECK(n >= 3 && n % 3 == 0);
        for (int j = 0; j < n; j++) {
            CHECK_INT(json_array_size(json_array_get(spans, (size_t)j)), 2);
            json_int_t loss = span_loss(spans, (size_t)j);
            const char *s = span_text(spans, (size_t)j);
            CHECK(*s);
            CHECK(loss == 0 || (loss == 1 && j % 3 == 1));
            if (j % 3 == 1) CHECK(s[0] == ' ' && s[1] && s[1] != ' ' && !strchr(s, '\n'));
            if (j % 3 == 2) CHECK_STR(s, span_text(spans, 2)); /* the same throughout an episode */
            learnt += loss == 1;
        }
        CHECK(learnt > 0);
        few += n / 3 <= 4;
        many += n / 3 == 17;
    }
    CHECK(prose > count / 3 && prose < count * 2 / 3);
    CHECK(few > count / 200);
    CHECK(many > count / 100);
    free_lines(lines, count);
    free(text);
}

TEST(a_recall_answer_with_loss_was_shown_before_with_its_key)
{
    char *text = generate(corpus_arguments, NULL, NULL);
    int count = 0, checked = 0;
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        json_t *spans = json_object_get(lines[i], "spans");
        if (!spans || strncmp(field(lines[i], "family"), "recall", 6) != 0) continue;
        for (size_t j = 1; j < json_array_size(spans); j += 3) {
            if (span_loss(spans, j) == 0) continue;
            const char *key = span_text(spans, j - 1), *answer = span_text(spans, j);
            bool shown = false;
            for (size_t b = 1; b < j && !shown; b += 3) {
                const char *before = span_text(spans, b - 1);
                size_t n = strlen(before), m = strlen(key); /* the first one has the instruction in front */
                shown = n >= m && strcmp(before + n - m, key) == 0 && strcmp(span_text(spans, b), answer) == 0;
            }
            if (!shown) fail_msg("document %d: '%s%s' is trained on and was not shown before", i, key, answer);
            checked++;
        }
    }
    CHECK(checked > 1000);
    free_lines(lines, count);
    free(text);
}

TEST(held_out_families_and_labels_never_occur_as_answers_of_the_corpus)
{
    table held = { 0 }, in_prose = { 0 };
    char *text = generate("probe --seed 5 --queries 60", NULL, NULL), word[40];
    int count = 0;
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        if (!json_is_true(json_object_get(lines[i], "held_out"))) continue;
        json_t *labels = json_object_get(lines[i], "labels");
        for (size_t j = 0; j < json_array_size(labels); j++)
            table_add(&held, json_string_value(json_array_get(labels, j)) + 1);
    }
    free_lines(lines, count);
    free(text);
    CHECK(held.count >= 40);
    for (int i = 0; i < 5; i++) CHECK(table_find(&held, triage_labels[i]) < 0);

    text = generate(corpus_arguments, NULL, NULL);
    lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        json_t *spans = json_object_get(lines[i], "spans");
        if (!spans) {
            for (const char *s = field(lines[i], "text"); next_word(&s, word);)
                if (table_find(&held, word) >= 0) table_add(&in_prose, word);
            continue;
        }
        CHECK(!among(field(lines[i], "family"), held_families, 4));
        for (size_t j = 1; j < json_array_size(spans); j += 3)
            for (const char *s = span_text(spans, j); next_word(&s, word);)
                if (table_find(&held, word) >= 0) fail_msg("document %d: '%s' is held out and an answer", i, word);
    }
    CHECK_INT(in_prose.count, held.count);
    free_lines(lines, count);
    free(text), free(held.words), free(in_prose.words);
}

/* The shipped task's labels are words that the base has met as labels; what they stand for there is the task's alone.
 */
TEST(the_labels_of_the_task_are_known_one_by_one_and_never_together)
{
    bool known[5] = { false };
    char *text = generate(corpus_arguments, NULL, NULL);
    int count = 0;
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        json_t *spans = json_object_get(lines[i], "spans");
        bool here[5] = { false };
        int together = 0;
        for (size_t j = 1; j < json_array_size(spans); j += 3)
            for (int l = 0; l < 5; l++)
                if (strcmp(span_text(spans, j) + 1, triage_labels[l]) == 0) here[l] = known[l] = true;
        for (int l = 0; l < 5; l++) together += here[l];
        if (together > 2) fail_msg("document %d: %d labels of the task are answers in it", i, together);
    }
    for (int l = 0; l < 5; l++)
        if (!known[l]) fail_msg("'%s' is never an answer", triage_labels[l]);
    free_lines(lines, count);
    free(text);
}

TEST(the_corpus_is_made_faster_than_5_megabytes_a_second)
{
#if defined(__SANITIZE_ADDRESS__)
    SKIP("speed says nothing under a sanitizer");
#endif
    size_t n = 0;
    double start = tl_seconds();
    free(generate("corpus --seed 3 --tokens-about 3000000", &n, NULL));
    double rate = (double)n / (tl_seconds() - start) * 1e-6;
    if (rate < 5) fail_msg("%.1f MB/s", rate);
}

TEST(general_text_is_fixed_and_has_no_line_of_a_corpus)
{
    size_t n = 0, m = 0;
    char *a = generate("general --seed 3 --documents 80", &n, NULL);
    char *b = generate("general --seed 3 --documents 80", &m, NULL);
    char *corpus = generate(corpus_arguments, NULL, NULL);
    CHECK(n == m && memcmp(a, b, n) == 0);
    CHECK(n > 20000 && n < 100000);
    int count = 0;
    for (char *s = a, *end = NULL; (end = strchr(s, '\n')); s = end + 1) {
        *end = '\0';
        CHECK(!strstr(corpus, s));
        CHECK(strncmp(s, "{\"text\":", 8) == 0);
        count++;
    }
    CHECK_INT(count, 80);
    free(a), free(b), free(corpus);
}

/* ---- probes ---------------------------------------------------------------------------------------------- */

TEST(probes_ask_300_held_out_questions_a_setting_and_more_context_makes_more_knowable)
{
    static const int ks[] = { 0, 1, 2, 4, 8, 16 };
    int asked[3][17] = { { 0 } }, knowable[17] = { 0 }, count = 0;
    char *text = generate("probe --seed 5", NULL, NULL);
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i < count; i++) {
        const char *condition = field(lines[i], "condition"), *answer = field(lines[i], "answer");
        json_t *labels = json_object_get(lines[i], "labels");
        int k = (int)json_integer_value(json_object_get(lines[i], "k")), found = 0;
        int c = strcmp(condition, "true") == 0 ? 0 : strcmp(condition, "shuffled") == 0 ? 1 : 2;
        CHECK(k >= 0 && k <= 16);
        for (size_t j = 0; j < json_array_size(labels); j++)
            found += strcmp(json_string_value(json_array_get(labels, j)), answer) == 0;
        CHECK_INT(found, 1);
        CHECK(fabs(json_real_value(json_object_get(lines[i], "chance")) - 1.0 / (double)json_array_size(labels)) <
              1e-3);
        if (!json_is_true(json_object_get(lines[i], "held_out"))) continue;
        asked[c][k]++;
        knowable[k] += c == 0 && json_is_true(json_object_get(lines[i], "knowable"));
    }
    for (int i = 0; i < 6; i++) CHECK(asked[0][ks[i]] >= 300);
    for (int c = 1; c < 3; c++) CHECK(asked[c][8] >= 300 && asked[c][16] >= 300);
    CHECK_INT(knowable[0], 0);
    for (int i = 1; i < 6; i++) CHECK(knowable[ks[i]] > knowable[ks[i - 1]]);
    CHECK(knowable[8] > asked[0][8] * 6 / 10); /* the ceiling of an ideal reader, luck not counted */
    CHECK(knowable[16] > asked[0][16] * 8 / 10);
    free_lines(lines, count);
    free(text);
}

TEST(a_flipped_probe_differs_from_the_true_one_in_every_label)
{
    int count = 0, pairs = 0;
    char *text = generate("probe --seed 5 --queries 20", NULL, NULL);
    json_t **lines = parse_lines(text, &count);
    for (int i = 0; i + 9 < count; i += 10) {
        json_t *as_it_is = lines[i + 4], *flipped = lines[i + 8];
        CHECK_STR(field(as_it_is, "condition"), "true");
        CHECK_STR(field(flipped, "condition"), "flipped");
        CHECK(strcmp(field(as_it_is, "answer"), field(flipped, "answer")) != 0);
        CHECK_STR(field(flipped, "before"), field(as_it_is, "answer"));
        CHECK(strcmp(field(as_it_is, "prompt"), field(flipped, "prompt")) != 0);
        pairs++;
    }
    CHECK(pairs > 100);
    free_lines(lines, count);
    free(text);
}

/* ---- the task -------------------------------------------------------------------------------------------- */

typedef struct example {
    int label;
    int words[60]; /* ids, each once */
    int n;
} example;

static int read_examples(const char *dir, const char *name, table *vocabulary, example *out, int limit)
{
    char *text = slurp_path(dir, name), word[40];
    int count = 0;
    json_t **lines = parse_lines(text, &count);
    CHECK(count <= limit);
    for (int i = 0; i < count; i++) {
        example *x = &out[i];
        const char *label = field(lines[i], "label");
        x->n = 0;
        for (x->label = 0; x->label < 5 && strcmp(label, triage_labels[x->label]) != 0;) x->label++;
        CHECK(x->label < 5);
        CHECK(strlen(field(lines[i], "id")) > 4);
        for (const char *s = field(lines[i], "text"); next_word(&s, word);) {
            int id = table_add(vocabulary, word);
            bool again = false;
            for (int w = 0; w < x->n; w++) again |= x->words[w] == id;
            if (!again && x->n < 60) x->words[x->n++] = id;
        }
    }
    free_lines(lines, count);
    free(text);
    return count;
}

static char task_dir[] = "/tmp/generate-test-XXXXXX";

static void make_task(void)
{
    char arguments[200];
    static bool made;
    if (made) return;
    assert_non_null(mkdtemp(task_dir));
    snprintf(arguments, sizeof arguments, "task triage --seed 3 --output %s", task_dir);
    free(generate(arguments, NULL, NULL));
    made = true;
}

static const char *const task_files[] = { "train.jsonl", "validation.jsonl", "test.jsonl", "task.yaml", "README.md" };

TEST(the_committed_task_is_what_its_command_writes)
{
    make_task();
    for (int i = 0; i < 5; i++) {
        char *made = slurp_path(task_dir, task_files[i]), *kept = slurp_path("tasks/triage", task_files[i]);
        CHECK_STR(made, kept);
        free(made), free(kept);
    }
}

TEST(no_text_of_the_task_occurs_twice)
{
    make_task();
    int total = 0;
    const char *texts[2000];
    json_t **lines[3];
    int counts[3];
    char *bytes[3];
    for (int f = 0; f < 3; f++) {
        bytes[f] = slurp_path(task_dir, task_files[f]);
        lines[f] = parse_lines(bytes[f], &counts[f]);
        for (int i = 0; i < counts[f]; i++) texts[total++] = field(lines[f][i], "text");
    }
    CHECK_INT(counts[0], 1000);
    CHECK_INT(counts[1], 200);
    CHECK_INT(counts[2], 500);
    for (int i = 0; i < total; i++)
        for (int j = 0; j < i; j++) CHECK(strcmp(texts[i], texts[j]) != 0);
    for (int f = 0; f < 3; f++) {
        free_lines(lines[f], counts[f]);
        free(bytes[f]);
    }
}

TEST(every_word_of_the_task_is_known_from_the_corpus)
{
    make_task();
    static example examples[1000];
    table task = { 0 }, corpus = { 0 };
    char *text = generate(corpus_arguments, NULL, NULL), word[40];
    for (const char *s = text; next_word(&s, word);) table_add(&corpus, word);
    for (int f = 0; f < 3; f++) read_examples(task_dir, task_files[f], &task, examples, 1000);
    for (int i = 0; i < task.count; i++)
        if (table_find(&corpus, task.words[i]) < 0) fail_msg("'%s' is not in the corpus", task.words[i]);
    free(text), free(task.words), free(corpus.words);
}

static double naive_bayes(const example *train, int n, const example *test, int m, int vocabulary)
{
    double classes[5] = { 0 };
    double *seen = calloc((size_t)vocabulary * 5, sizeof *seen);
    assert_non_null(seen);
    for (int i = 0; i < n; i++) {
        classes[train[i].label]++;
        for (int w = 0; w < train[i].n; w++) seen[train[i].words[w] * 5 + train[i].label]++;
    }
    int right = 0;
    for (int i = 0; i < m; i++) {
        int best = 0;
        double top = -1e300;
        for (int c = 0; c < 5; c++) {
            double score = log((classes[c] + 0.5) / n);
            for (int w = 0; w < test[i].n; w++) score += log((seen[test[i].words[w] * 5 + c] + 0.3) / (classes[c] + 1));
            if (score > top) top = score, best = c;
        }
        right += best == test[i].label;
    }
    free(seen);
    return (double)right / m;
}

/* The label of the most similar of 16 examples; rare words count more, as a good reader would have it. */
static double nearest_of_16(const example *train, int n, const example *test, int m, int vocabulary)
{
    double *weight = calloc((size_t)vocabulary, sizeof *weight);
    assert_non_null(weight);
    for (int i = 0; i < n; i++)
        for (int w = 0; w < train[i].n; w++) weight[train[i].words[w]]++;
    for (int w = 0; w < vocabulary; w++) weight[w] = log((n + 1.0) / (weight[w] + 1.0));
    int right = 0, asked = 0;
    for (int draw = 0; draw + 16 <= n; draw += 16)
        for (int i = draw % 7; i < m; i += 7, asked++) {
            double top = -1;
            int best = 0;
            for (int e = draw; e < draw + 16; e++) {
                double score = 0;
                for (int a = 0; a < train[e].n; a++)
                    for (int b = 0; b < test[i].n; b++)
                        if (train[e].words[a] == test[i].words[b]) score += weight[train[e].words[a]];
                if (score > top) top = score, best = train[e].label;
            }
            right += best == test[i].label;
        }
    free(weight);
    return (double)right / asked;
}

TEST(the_task_rewards_a_thousand_examples_over_sixteen_and_sixteen_over_none)
{
    make_task();
    static example train[1000], test[500];
    table vocabulary = { 0 };
    int n = read_examples(task_dir, "train.jsonl", &vocabulary, train, 1000);
    int m = read_examples(task_dir, "test.jsonl", &vocabulary, test, 500), share[5] = { 0 };
    for (int i = 0; i < n; i++) share[train[i].label]++;
    for (int i = 0; i < m; i++) share[test[i].label]++;
    double majority = 0, critical = (double)share[0] / (n + m);
    for (int c = 0; c < 5; c++) majority = fmax(majority, (double)share[c] / (n + m));
    double many = naive_bayes(train, n, test, m, vocabulary.count);
    double few = nearest_of_16(train, n, test, m, vocabulary.count);
    print_message("majority %.3f, immediate %.3f, nearest of 16 examples %.3f, naive Bayes on 1,000 %.3f\n", majority,
                  critical, few, many);
    CHECK(majority <= 0.35);
    CHECK(critical >= 0.04 && critical <= 0.06);
    CHECK(many >= few + 0.15);
    CHECK(few >= 0.25);
    free(vocabulary.words);
}

/* ---- the program ----------------------------------------------------------------------------------------- */

TEST(every_command_has_help_and_refuses_flags_it_does_not_read)
{
    static const char *const commands[] = { "corpus", "probe", "task", "general" };
    char arguments[200];
    int code = 0;
    for (int i = 0; i < 4; i++) {
        snprintf(arguments, sizeof arguments, "%s --help", commands[i]);
        char *text = generate(arguments, NULL, &code);
        CHECK_INT(code, 0);
        CHECK_HAS(text, commands[i]);
        CHECK_HAS(text, "--seed");
        free(text);
        snprintf(arguments, sizeof arguments, "%s --frobnicate 2>&1", commands[i]);
        text = generate(arguments, NULL, &code);
        CHECK_INT(code, 2);
        CHECK_HAS(text, "--frobnicate");
        free(text);
    }
    static const char *const wrong[] = {
        "corpus 2>&1",
        "corpus --tokens-about 5 --documents 5 2>&1",
        "corpus --documents 10 --from 10 2>&1",
        "corpus --documents x 2>&1",
        "corpus --documents 5 more 2>&1",
        "probe --documents 5 2>&1",
        "task 2>&1",
        "task sums --output /tmp 2>&1",
        "general 2>&1",
        "nothing 2>&1",
        "corpus --documents 5 --output /dev/null 2>&1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *text = generate(wrong[i], NULL, &code);
        if (code != 2) fail_msg("'%s' ended with %d, wanted 2", wrong[i], code);
        CHECK_HAS(text, "tailor-generate: ");
        free(text);
    }
}

TEST(a_file_that_cannot_be_written_is_an_error_that_names_it)
{
    int code = 0;
    char *text = generate("corpus --documents 5 --output /nonexistent/x.jsonl 2>&1", NULL, &code);
    CHECK_INT(code, 1);
    CHECK_HAS(text, "/nonexistent/x.jsonl");
    free(text);
}

static int remove_task(void **state)
{
    (void)state;
    char path[200];
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", task_dir, task_files[i]);
        unlink(path);
    }
    rmdir(task_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_same_seed_gives_the_same_corpus_and_any_part_of_it_alone),
        CASE(a_corpus_has_about_the_tokens_asked_for),
        CASE(documents_are_prose_or_spans_with_something_to_learn),
        CASE(a_recall_answer_with_loss_was_shown_before_with_its_key),
        CASE(held_out_families_and_labels_never_occur_as_answers_of_the_corpus),
        CASE(the_labels_of_the_task_are_known_one_by_one_and_never_together),
        CASE(the_corpus_is_made_faster_than_5_megabytes_a_second),
        CASE(general_text_is_fixed_and_has_no_line_of_a_corpus),
        CASE(probes_ask_300_held_out_questions_a_setting_and_more_context_makes_more_knowable),
        CASE(a_flipped_probe_differs_from_the_true_one_in_every_label),
        CASE(the_committed_task_is_what_its_command_writes),
        CASE(no_text_of_the_task_occurs_twice),
        CASE(every_word_of_the_task_is_known_from_the_corpus),
        CASE(the_task_rewards_a_thousand_examples_over_sixteen_and_sixteen_over_none),
        CASE(every_command_has_help_and_refuses_flags_it_does_not_read),
        CASE(a_file_that_cannot_be_written_is_an_error_that_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, remove_task);
}

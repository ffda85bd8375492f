/* task_test.c - a good task is read as written; a bad one is refused with file, line and what is wrong. */
#define _GNU_SOURCE /* nftw */
#include "task/task.h"
#include "tests/check.h"
#include "tests/scratch.h"

#define HEAD     "name: triage\nkind: classification\n"
#define TEMPLATE "template:\n  input: \"Message: {text}\\nUrgency:\"\n  answer: \" {label}\"\n"
#define LABELS   "labels: [urgent, routine, not urgent]\n"
#define YAML     HEAD TEMPLATE LABELS

#define TRAIN                                                                                                          \
    "{\"text\": \"chest pain\", \"label\": \"urgent\"}\n"                                                              \
    "{\"text\": \"new address\", \"label\": \"routine\", \"id\": \"m7\"}\n"                                            \
    "{\"text\": \"a cold\", \"label\": \"not urgent\"}\n"
#define VALIDATION "{\"text\": \"a bill\", \"label\": \"routine\"}\n"
#define TEST_LINES "{\"text\": \"bleeding\", \"label\": \"urgent\"}" /* no newline at the end: fine */

static void write_task(const char *yaml, const char *train, const char *validation, const char *test)
{
    scratch_text("task.yaml", yaml);
    scratch_text("train.jsonl", train);
    scratch_text("validation.jsonl", validation);
    scratch_text("test.jsonl", test);
}

/* Opening what is in the scratch directory must fail with these words. */
static void refused(const char *words)
{
    tl_err err = { 0 };
    tl_task *t = NULL;
    int rc = tl_task_open(&t, scratch_dir, TL_TASK_ALL, &err);
    if (rc == 0) fail_msg("accepted, wanted: %s", words);
    CHECK(!t);
    CHECK_HAS(err.text, words);
    CHECK(!strchr(err.text, '\n'));
}

static void refused_yaml(const char *yaml, const char *words)
{
    write_task(yaml, TRAIN, VALIDATION, TEST_LINES);
    refused(words);
}

static void refused_train(const char *train, const char *words)
{
    write_task(YAML, train, VALIDATION, TEST_LINES);
    refused(words);
}

TEST(a_task_is_read_as_it_is_written)
{
    tl_err err;
    tl_task *t = NULL;
    char *answer = NULL, *same = NULL;
    scratch_begin();
    write_task(YAML "description: Messages.\nprovenance: synthetic\ninstruction: |\n  Say it.\nmetrics: [accuracy]\n"
                    "costs:\n- [0, 10, 1]\n- [0.5, 0, 1]\n- [1, 1, 0]\n",
               TRAIN, VALIDATION, TEST_LINES);
    CHECK_OK(tl_task_open(&t, scratch_dir, TL_TASK_ALL, &err), err);
    CHECK_STR(t->name, "triage");
    CHECK_STR(t->description, "Messages.");
    CHECK_STR(t->provenance, "synthetic");
    CHECK_STR(t->instruction, "Say it.\n");
    CHECK_STR(t->separator, "\n\n");
    CHECK_INT(t->n_labels, 3);
    CHECK_INT(t->n_metrics, 1);
    const double costs[9] = { 0, 10, 1, 0.5, 0, 1, 1, 1, 0 };
    CHECK_CLOSE(t->costs, costs, 9, 0, 0);

    const tl_examples *train = tl_task_split(t, TL_SPLIT_TRAIN);
    CHECK_INT(train->n, 3);
    CHECK_STR(train->items[0].input, "Message: chest pain\nUrgency:");
    CHECK_STR(train->items[0].id, "train:1");
    CHECK_STR(train->items[1].id, "m7");
    CHECK_STR(train->items[2].answer, "not urgent");
    CHECK_INT(train->items[2].label, 2);
    CHECK_INT(train->items[2].line, 3);
    tl_hash file = tl_hash_bytes(TRAIN, strlen(TRAIN));
    CHECK(!memcmp(&file, &train->hash, sizeof file));
    CHECK(memcmp(&train->items[0].hash, &train->items[1].hash, sizeof file));

    CHECK_OK(tl_task_label_answer(&answer, t, 2, &err), err);
    CHECK_STR(answer, " not urgent");
    CHECK_OK(tl_task_example_answer(&same, t, &train->items[2], &err), err);
    CHECK_STR(same, answer);
    free(answer);
    free(same);
    tl_task_free(t);
    scratch_end();
}

TEST(a_generation_keeps_its_answers_as_they_are)
{
    tl_err err;
    tl_task *t = NULL;
    char *answer = NULL;
    scratch_begin();
    write_task("name: note\nkind: generation\nmax_answer_tokens: 64\n"
               "template: {input: \"{{{age}}} {weight} {text}\", answer: \"Note: {note}.\", separator: \"\\n\"}\n",
               "{\"age\": 7, \"weight\": 20.1, \"text\": \"h\xc3\xa9\", \"note\": \"two\\nlines\"}\n", VALIDATION,
               TEST_LINES);
    CHECK_OK(tl_task_open(&t, scratch_dir, TL_TASK_TRAIN, &err),
             err); /* the other splits would not do, and are not read */
    const tl_example *x = tl_task_split(t, TL_SPLIT_TRAIN)->items;
    CHECK_STR(x->input, "{7} 20.1 h\xc3\xa9");
    CHECK_STR(x->answer, "two\nlines");
    CHECK_INT(x->label, -1);
    CHECK_INT(t->max_answer_tokens, 64);
    CHECK_STR(t->separator, "\n");
    CHECK_INT(tl_task_split(t, TL_SPLIT_TEST)->n, 0);
    CHECK_OK(tl_task_example_answer(&answer, t, x, &err), err);
    CHECK_STR(answer, "Note: two\nlines.");
    free(answer);
    tl_task_free(t);
    scratch_end();
}

TEST(a_task_yaml_that_cannot_be_meant_is_refused_by_key)
{
    scratch_begin();
    refused_yaml(YAML "labells: [a]\n", "task.yaml: the key labells is not known here, wanted one of name, kind");
    refused_yaml(HEAD LABELS "template: {input: \"{text}\", answer: \"{label}\", seperator: \"\"}\n",
                 "task.yaml: the key seperator is not known here, wanted one of input, answer, separator");
    refused_yaml(HEAD LABELS, "task.yaml: the key template is missing");
    refused_yaml("name: a\n" TEMPLATE LABELS, "task.yaml: the key kind is missing");
    refused_yaml("name: a\nkind: regression\n" TEMPLATE LABELS, "task.yaml:2: at the key kind: ");
    refused_yaml(YAML "name: b\n", "already seen: name");
    refused_yaml(YAML "metrics: accuracy\n", "at the key metrics");
    refused_yaml(HEAD TEMPLATE "labels: [urgent\n", "task.yaml:");
    refused_yaml("", "holds nothing");
    refused_yaml(YAML "---\nname: b\n", "holds several");
    refused_yaml(HEAD TEMPLATE "labels: [&a urgent, *a]\n", "alias");
    refused_yaml(HEAD TEMPLATE, "has 0 labels, a classification wants at least 2");
    refused_yaml(HEAD TEMPLATE "labels: [urgent]\n", "has 1 labels, a classification wants at least 2");
    refused_yaml(HEAD TEMPLATE "labels: [urgent, routine, urgent]\n", "labels: 'urgent' is there twice");
    refused_yaml(HEAD TEMPLATE "labels: [urgent, ' ']\n", "labels: the entry number 2 is empty");
    refused_yaml(YAML "metrics: [f1, f1]\n", "metrics: 'f1' is there twice");
    refused_yaml(YAML "max_answer_tokens: 5\n", "max_answer_tokens is for a generation");
    refused_yaml(YAML "costs: [[0, 1, 1], [1, 0, 1]]\n",
                 "task.yaml:7: costs want a row of 3 numbers for each of the 3 labels");
    refused_yaml(YAML "costs: [[0, 1, 1], [1, 0], [1, 1, 0]]\n", "costs want a row of 3 numbers");
    refused_yaml(YAML "costs: [[0, 1, 1], [1, 0, 1], [1, 1, 0, 1]]\n", "costs want a row of 3 numbers");
    refused_yaml(YAML "costs: [0, 1, 1]\n", "costs want a row of 3 numbers");
    refused_yaml(YAML "costs: []\n", "costs want a row of 3 numbers");
    refused_yaml(YAML "costs: [[0, 1, 1], [1, 0, 1x], [1, 1, 0]]\n", "costs: row 2, column 3 is '1x', wanted a number");
    refused_yaml(YAML "costs: [[0, 1, 1], [1, 0, nan], [1, 1, 0]]\n", "costs: row 2, column 3 is 'nan', wanted");
    refused_yaml(YAML "costs: [[0, 1, 1], [-1, 0, 1], [1, 1, 0]]\n", "costs: row 2, column 1 is '-1', wanted");
    refused_yaml("name: a\nkind: generation\nmax_answer_tokens: 5\ncosts: [[1, 2]]\n" TEMPLATE,
                 "costs are for a classification");
    refused_yaml("name: a\nkind: generation\n" TEMPLATE LABELS, "labels are for a classification");
    refused_yaml("name: a\nkind: generation\n" TEMPLATE, "max_answer_tokens is missing");
    refused_yaml("name: a\nkind: generation\nmax_answer_tokens: 0\n" TEMPLATE, "max_answer_tokens is '0', wanted");
    refused_yaml("name: a\nkind: generation\nmax_answer_tokens: 3x\n" TEMPLATE, "max_answer_tokens is '3x', wanted");
    refused_yaml("name: a\nkind: generation\nmax_answer_tokens: 2.5\n" TEMPLATE, "wanted a whole number");
    scratch_end();
}

TEST(a_template_that_cannot_be_filled_is_refused)
{
    scratch_begin();
    refused_yaml(HEAD LABELS "template: {input: \"all\", answer: \"{label}\"}\n", "template.input: names no field");
    refused_yaml(HEAD LABELS "template: {input: \"{text}\", answer: \"x\"}\n", "template.answer: names 0 fields");
    refused_yaml(HEAD LABELS "template: {input: \"{text}\", answer: \"{a}{b}\"}\n", "template.answer: names 2 fields");
    refused_yaml(HEAD LABELS "template: {input: \"{text} {label}\", answer: \"{label}\"}\n",
                 "names the field label, which holds the answer");
    refused_yaml(HEAD LABELS "template: {input: \"{text\", answer: \"{label}\"}\n", "is never closed");
    refused_yaml(HEAD LABELS "template: {input: \"{text} }\", answer: \"{label}\"}\n", "has a } without a {");
    refused_yaml(HEAD LABELS "template: {input: \"{text} {}\", answer: \"{label}\"}\n", "has {} without");
    refused_yaml(HEAD LABELS "template: {input: \"{text} { x}\", answer: \"{label}\"}\n", "names no field");
    refused_yaml(HEAD LABELS "template: {input: \"{txt}\", answer: \"{label}\"}\n",
                 "train.jsonl:1: the field txt is missing");
    scratch_end();
}

TEST(a_bad_line_is_refused_with_its_number)
{
    scratch_begin();
    refused_train(TRAIN "{\"text\": \"x\", \"label\": \"urgent\"\n", "train.jsonl:4: not JSON");
    refused_train("{\"text\": \"x\", \"label\": \"urgent\"}}\n", "train.jsonl:1: not JSON");
    refused_train("{\"text\": \"x\", \"text\": \"y\", \"label\": \"urgent\"}\n", "duplicate");
    refused_train("{\"text\": \"\xff\", \"label\": \"urgent\"}\n", "train.jsonl:1: not JSON");
    refused_train("[1]\n", "train.jsonl:1: is no JSON object");
    refused_train(TRAIN "\n" TRAIN, "train.jsonl:4: an empty line");
    refused_train(TRAIN "{\"text\": \"x\"}\n", "train.jsonl:4: the field label is missing");
    refused_train(TRAIN "{\"label\": \"urgent\"}\n", "train.jsonl:4: the field text is missing");
    refused_train(TRAIN "{\"text\": null, \"label\": \"urgent\"}\n",
                  "train.jsonl:4: the field text is null, wanted a string or a number");
    refused_train(TRAIN "{\"text\": \"x\", \"label\": [\"urgent\"]}\n", "the field label is an array");
    refused_train(TRAIN "{\"text\": \"x\", \"label\": \"Urgent\"}\n",
                  "train.jsonl:4: the label 'Urgent' is none of the labels: urgent, routine, not urgent");
    refused_train(TRAIN "{\"text\": \" \\n\", \"label\": \"urgent\"}\n", "train.jsonl:4: the field text is empty");
    refused_train("{\"text\": \"x\", \"label\": \"\"}\n", "train.jsonl:1: the field label is empty");
    refused_train("", "train.jsonl: is empty, wanted at least one example");
    scratch_end();
}

TEST(a_line_too_long_is_refused_before_it_is_parsed)
{
    size_t n = ((size_t)4 << 20) + 1;
    char *line = malloc(n + 1);
    CHECK(line);
    memset(line, ' ', n);
    line[n] = '\0';
    scratch_begin();
    refused_train(line, "train.jsonl:1: the line has 4194305 bytes, at most 4194304 are read");
    scratch_end();
    free(line);
}

TEST(an_input_in_two_splits_is_refused_with_both_lines)
{
    scratch_begin();
    write_task(YAML, TRAIN, VALIDATION, TEST_LINES "\n{\"label\": \"routine\", \"text\": \"a cold\"}\n");
    refused("test.jsonl:2: has the input of ");
    refused("train.jsonl:3, an input belongs to one split only");
    write_task(YAML, TRAIN, VALIDATION, VALIDATION);
    refused("test.jsonl:1: has the input of ");
    scratch_end();
}

TEST(a_missing_file_is_named)
{
    scratch_begin();
    refused("task.yaml: cannot be opened");
    scratch_text("task.yaml", YAML);
    refused("train.jsonl: cannot be opened");
    scratch_end();
}

TEST(an_input_twice_in_one_split_is_no_error)
{
    tl_err err;
    tl_task *t = NULL;
    scratch_begin();
    write_task(YAML, TRAIN TRAIN, VALIDATION, TEST_LINES);
    CHECK_OK(tl_task_open(&t, scratch_dir, TL_TASK_ALL, &err), err);
    CHECK_INT(tl_task_split(t, TL_SPLIT_TRAIN)->n, 6);
    tl_task_free(t);
    scratch_end();
}

TEST(the_shipped_task_opens)
{
    tl_err err;
    tl_task *t = NULL;
    CHECK_OK(tl_task_open(&t, "tasks/triage", TL_TASK_ALL, &err), err);
    CHECK(t->n_labels > 1 && t->costs);
    for (int l = 0; l < t->n_labels; l++) CHECK(t->costs[l * t->n_labels + l] == 0); /* right answers cost nothing */
    tl_task_free(t);
}

TEST(the_ktas_task_opens_once_prepared)
{
    /* Made-up records: the study's own are not shipped.  tests/ktas_prepare_test.sh looks at the script closer. */
    tl_err err;
    tl_task *t = NULL;
    char command[300], rows[8000] = "Sex,Age,Arrival mode,Injury,Chief_complain,Mental,Pain,Systolic BP,Diastolic BP,"
                                    "Heart Rate,Respiratory Rate,Body Temperature,KTAS_expert,\n";
    for (int i = 0; i < 60; i++)
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows),
                 "Male,%d,Walking,No,\"cough, dry\",Alert,No,120,80,70,16,36.5,%s,%d\n", 20 + i,
                 i % 3 ? "Emergency" : "Non-Emergency", i);
    scratch_begin();
    scratch_text("rows.csv", rows);
    snprintf(command, sizeof command, "tasks/triage-ktas/prepare %s/rows.csv %s >%s/said", scratch_dir, scratch_dir,
             scratch_dir);
    CHECK_INT(system(command), 0);
    CHECK_OK(tl_task_open(&t, scratch_dir, TL_TASK_ALL, &err), err);
    CHECK_STR(t->name, "triage-ktas");
    CHECK(t->costs[1] > t->costs[2]); /* a missed emergency costs more than a false alarm */
    int n = 0;
    for (int s = 0; s < TL_SPLIT_COUNT; s++) n += tl_task_split(t, (tl_split)s)->n;
    CHECK_INT(n, 60);
    CHECK_HAS(tl_task_split(t, TL_SPLIT_TEST)->items[0].input, "Complaint: cough, dry.");
    tl_task_free(t);
    scratch_end();
}

/* Examples with these many of each label, for the draws. */
enum {
    N_LABELS = 5
};
static const int many[N_LABELS] = { 70, 0, 1, 20, 9 };
static tl_example drawn[100];

static tl_examples make_examples(void)
{
    int n = 0;
    for (int l = 0; l < N_LABELS; l++)
        for (int i = 0; i < many[l]; i++) drawn[n++].label = l;
    return (tl_examples){ .items = drawn, .n = n };
}

TEST(a_draw_repeats_by_seed_and_a_smaller_one_begins_it)
{
    tl_err err;
    tl_examples e = make_examples();
    int all[100], few[100], other[100];
    for (int mode = 0; mode < 3; mode++) { /* shares, balanced, without labels */
        int labels = mode == 2 ? 0 : N_LABELS;
        CHECK_OK(tl_task_draw(&e, labels, 100, 7, mode == 1, all, &err), err);
        CHECK_OK(tl_task_draw(&e, labels, 13, 7, mode == 1, few, &err), err);
        CHECK_OK(tl_task_draw(&e, labels, 100, 8, mode == 1, other, &err), err);
        CHECK(!memcmp(all, few, 13 * sizeof *all));
        CHECK(memcmp(all, other, sizeof all));
        bool seen[100] = { false };
        for (int i = 0; i < 100; i++) {
            CHECK(all[i] >= 0 && all[i] < 100 && !seen[all[i]]);
            seen[all[i]] = true;
        }
    }
}

TEST(shares_are_kept_to_within_one_at_every_size)
{
    tl_err err;
    tl_examples e = make_examples();
    int all[100];
    for (uint64_t seed = 0; seed < 20; seed++) {
        int count[N_LABELS] = { 0 };
        CHECK_OK(tl_task_draw(&e, N_LABELS, 100, seed, false, all, &err), err);
        for (int k = 1; k <= 100; k++) {
            count[drawn[all[k - 1]].label]++;
            for (int l = 0; l < N_LABELS; l++) CHECK(abs(100 * count[l] - many[l] * k) < 100);
        }
    }
}

TEST(a_balanced_draw_takes_the_labels_in_turn_while_they_last)
{
    tl_err err;
    tl_examples e = make_examples();
    int all[100], count[N_LABELS] = { 0 };
    CHECK_OK(tl_task_draw(&e, N_LABELS, 28, 3, true, all, &err), err);
    for (int i = 0; i < 28; i++) count[drawn[all[i]].label]++;
    CHECK_INT(count[0], 9);
    CHECK_INT(count[1], 0);
    CHECK_INT(count[2], 1);
    CHECK_INT(count[3], 9);
    CHECK_INT(count[4], 9);
}

TEST(more_examples_than_there_are_cannot_be_drawn)
{
    tl_err err;
    tl_examples e = make_examples();
    char path[] = "train.jsonl";
    int one[1];
    e.path = path;
    CHECK_INT(tl_task_draw(&e, N_LABELS, 101, 3, true, one, &err), TL_EUSAGE);
    CHECK_STR(err.text, "train.jsonl: 101 examples wanted, it has 100");
}

RUN_TESTS(CASE(a_task_is_read_as_it_is_written), CASE(a_generation_keeps_its_answers_as_they_are),
          CASE(a_task_yaml_that_cannot_be_meant_is_refused_by_key), CASE(a_template_that_cannot_be_filled_is_refused),
          CASE(a_bad_line_is_refused_with_its_number), CASE(a_line_too_long_is_refused_before_it_is_parsed),
          CASE(an_input_in_two_splits_is_refused_with_both_lines), CASE(a_missing_file_is_named),
          CASE(an_input_twice_in_one_split_is_no_error), CASE(the_shipped_task_opens),
          CASE(the_ktas_task_opens_once_prepared), CASE(a_draw_repeats_by_seed_and_a_smaller_one_begins_it),
          CASE(shares_are_kept_to_within_one_at_every_size),
          CASE(a_balanced_draw_takes_the_labels_in_turn_while_they_last),
          CASE(more_examples_than_there_are_cannot_be_drawn))

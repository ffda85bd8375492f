/* task.h - what a model shall learn: an instruction, a template, and examples with their answers.
 *
 *     tl_task *t = NULL;
 *     TL_TRY(tl_task_open(&t, "tasks/triage", TL_TASK_ALL, err));
 *     const tl_examples *train = tl_task_split(t, TL_SPLIT_TRAIN);
 *     for (int i = 0; i < train->n; i++) ... train->items[i].input, train->items[i].label ...
 *     tl_task_free(t);
 *
 * A task is a directory: task.yaml, and train.jsonl, validation.jsonl, test.jsonl with one JSON object a line.
 *
 *     name: triage
 *     kind: classification            or generation
 *     description: Which of the messages to a practice cannot wait.
 *     provenance: synthetic           where the examples come from, in a word or a sentence
 *     instruction: Say how urgent the message is.
 *     template:
 *       input: "Message: {text}\nUrgency:"
 *       answer: " {label}"
 *       separator: "\n\n"             between worked examples; this where it is not given
 *     labels: [urgent, routine]       classification only
 *     metrics: [accuracy, macro_f1]
 *     costs: [[0, 10], [1, 0]]        optional, classification only: row the truth, column the prediction
 *     max_answer_tokens: 64           generation only
 *
 * {field} stands for that field of the line, a string or a number; {{ and }} stand for the braces.  The
 * answer template names exactly one field, which holds the answer (of a classification: the label), and
 * the input template does not name it.  The field id, where a line has it, names the example.  An unknown key
 * of task.yaml is an error: it would be an option that nothing reads.
 *
 * The instruction is kept as it is; the methods put it once in front of the prompt. */
#ifndef TL_TASK_TASK_H
#define TL_TASK_TASK_H

#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    TL_TASK_CLASSIFICATION,
    TL_TASK_GENERATION
} tl_task_kind;
typedef enum {
    TL_SPLIT_TRAIN,
    TL_SPLIT_VALIDATION,
    TL_SPLIT_TEST,
    TL_SPLIT_COUNT
} tl_split;

/* "train", "validation", "test". */
const char *tl_split_name(tl_split split);

typedef struct tl_example {
    char *id;     /* owned; the line's field id, or SPLIT:LINE */
    char *input;  /* owned; the input template, filled */
    char *answer; /* owned; the answer as in the line, without the template around it */
    int label;    /* index of answer in the task's labels; -1 for generation */
    int line;     /* in the split's file, from 1 */
    tl_hash hash; /* of input and answer */
} tl_example;

typedef struct tl_examples {
    tl_example *items; /* owned */
    int n;
    tl_hash hash; /* of the file's bytes */
    char *path;   /* owned; NULL for a split that was not read */
} tl_examples;

typedef struct tl_task {
    /* All owned by the task. */
    char *name;
    char *description; /* "" where task.yaml has none; likewise provenance and instruction */
    char *provenance;
    char *instruction;
    tl_task_kind kind;
    char **labels; /* n_labels of them, in the order of task.yaml */
    int n_labels;  /* 0 for generation */
    char **metrics;
    int n_metrics;         /* 0 where task.yaml leaves the choice to the evaluation */
    double *costs;         /* [n_labels, n_labels], row truth, column prediction; NULL where task.yaml has none */
    int max_answer_tokens; /* 0 for classification */
    char *input_template;
    char *answer_template;
    char *separator;
    char *answer_field;  /* the field that the answer template names */
    char *answer_before; /* the answer template up to the field, and after it */
    char *answer_after;
    char *dir;
    tl_hash yaml_hash; /* of task.yaml's bytes */
    tl_examples splits[TL_SPLIT_COUNT];
} tl_task;

/* Which splits tl_task_open reads; the others stay empty and are not checked. */
enum {
    TL_TASK_TRAIN = 1u << TL_SPLIT_TRAIN,
    TL_TASK_VALIDATION = 1u << TL_SPLIT_VALIDATION,
    TL_TASK_TEST = 1u << TL_SPLIT_TEST,
    TL_TASK_ALL = TL_TASK_TRAIN | TL_TASK_VALIDATION | TL_TASK_TEST,
};

/* Read and check the task in dir.  Refused, with file and line: bad JSON, a field that is missing or of the wrong
 * type, an unknown label, an empty split, input or answer, and an input that is in two splits.  A label that no
 * training example has, and an input twice in one split, are said on the log.  Bounds: 1 GiB a file, 4 MiB a line,
 * 1000 labels. */
int tl_task_open(tl_task **out, const char *dir, unsigned splits, tl_err *err);
void tl_task_free(tl_task *t);

const tl_examples *tl_task_split(const tl_task *t, tl_split split);

/* The text that stands after the input: the answer template filled with the label, or with the
 * example's answer.  *out is the caller's, to be freed. */
int tl_task_label_answer(char **out, const tl_task *t, int label, tl_err *err);
int tl_task_example_answer(char **out, const tl_task *t, const tl_example *e, tl_err *err);

/* Indices of k different examples, chosen by seed alone: the same for every k, so a smaller draw begins a larger one.
 * balanced takes the labels in turn, in a new order each round, while they last; otherwise every label keeps its
 * share of the examples, to within one.  n_labels 0 (generation) draws from all alike.  indices has room for k. */
int tl_task_draw(const tl_examples *e, int n_labels, int k, uint64_t seed, bool balanced, int *indices, tl_err *err);

#endif

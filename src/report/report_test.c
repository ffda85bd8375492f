/* report_test.c - a report of invented numbers and hostile names: what it says, and that no name can become markup,
 * a broken file or a moved cursor. */
#define _GNU_SOURCE /* nftw, open_memstream */
#include "report/report.h"
#include "tests/check.h"
#include "tests/scratch.h"

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HOSTILE "<script>alert(\"x\")</script> & 'y' \x1b[2J \xff\xc3"

enum {
    STEPS = 120,
    LABELS = 3
};

static const char *const labels[LABELS] = { "emergency", "<b>urgent</b>", "routine \"soon\"" };
static const double confusion[LABELS * LABELS] = { 80, 15, 5, 12, 140.5, 47.5, 3, 20, 177 };
static const uint64_t seeds[3] = { 1, 2, UINT64_MAX };
static const double scores[5][3] = { { 0.412, 0.412, 0.412 },
                                     { 0.49, 0.53, 0.516 },
                                     { 0.715, 0.702, 0.722 },
                                     { 0.728, 0.741, 0.724 },
                                     { 0.69, 0.71, NAN } };
static const tl_setting settings[] = { { "learning_rate", "0.002" }, { "r", "8" }, { "<i>note", "a & b" } };
static const tl_named_interval metrics[5][2] = {
    { { .name = "accuracy", .value = { 0.412, 0.369, 0.455, 500 }, .share = true },
      { .name = "macro_f1", .value = { 0.38, 0.338, 0.421, 500 }, .share = true } },
    { { .name = "accuracy", .value = { 0.512, 0.468, 0.556, 500 }, .share = true },
      { .name = "macro_f1", .value = { 0.495, 0.45, 0.538, 500 }, .share = true } },
    { { .name = "accuracy", .value = { 0.713, 0.672, 0.751, 500 }, .share = true },
      { .name = "macro_f1", .value = { 0.702, 0.66, 0.742, 500 }, .share = true } },
    { { .name = "accuracy", .value = { 0.731, 0.69, 0.768, 500 }, .share = true },
      { .name = "macro_f1", .value = { 0.722, 0.68, 0.76, 500 }, .share = true } },
    { { .name = "accuracy", .value = { 0.7, 0.658, 0.738, 500 }, .share = true },
      { .name = "macro_f1", .value = { NAN, NAN, NAN, 0 }, .share = true } },
};
static const tl_comparison comparisons[3] = {
    { "lora", "few-shot", { 0.201, 0.158, 0.245, 500 }, 1e-9, "exact McNemar" },
    { "few-shot", "lora+few-shot", { -0.219, -0.262, -0.175, 500 }, 0.02, "exact McNemar" },
    { "lora+few-shot", "lora", { 0.018, -0.008, 0.044, 500 }, 0.21, "exact McNemar" },
};
static tl_curve_point curve[STEPS];
static tl_method_result methods[5];

static tl_report made_report(void)
{
    static const char *const names[5] = { "zero-shot", "few-shot", "lora", "lora+few-shot", "full" };
    static const double ms[5] = { 41.2, 183, 43.9, 190, 41.5 }, stored[5] = { 0, 5200, 98304, 103500, 13.4e6 };
    for (int i = 0; i < STEPS; i++) {
        double wobble = 0.12 * ((i * 7919) % 13 - 6) / 6;
        curve[i] = (tl_curve_point){ i + 1, 0.5 + 2.2 / (1 + i * 0.08) + wobble,
                                     i % 20 == 19 ? 0.62 + 2 / (1 + i * 0.08) : NAN };
    }
    for (int i = 0; i < 5; i++) {
        bool trained = i > 1;
        methods[i] = (tl_method_result){
            .name = names[i],
            .metrics = metrics[i],
            .n_metrics = 2,
            .metrics_raw = metrics[i],
            .n_metrics_raw = i == 1,
            .confusion = i == 4 ? NULL : confusion,
            .loss_before = 2.313,
            .loss_after = trained ? 2.313 + 0.1 * i : 2.313,
            .forgetting = { trained ? 0.1 * i : 0, trained ? 0.08 * i : 0, trained ? 0.13 * i : 0, 64 },
            .cost = { trained ? i == 4 ? 3.4e6 : 24576 : 0, trained ? 51234 : 0, trained ? 73.4 : 0,
                      trained ? 1.23e12 : 0, 2.1e8, stored[i], i == 1 ? NAN : 64.5, ms[i] },
            .seeds = seeds,
            .seed_scores = scores[i],
            .n_seeds = 3,
            .settings = settings,
            .n_settings = trained ? 3 : 0,
            .curve = curve,
            .n_curve = trained ? STEPS : 0,
        };
    }
    tl_report r = {
        .task_name = "triage",
        .task_kind = "classification",
        .task_description = "How soon must a doctor see this?",
        .task_provenance = "invented",
        .n_train = 1200,
        .n_validation = 300,
        .n_test = 500,
        .train_hash = tl_hash_bytes("a", 1),
        .validation_hash = tl_hash_bytes("b", 1),
        .test_hash = { { 0 } },
        .labels = labels,
        .n_labels = LABELS,
        .base_name = "tailor-base",
        .base_type = "llama",
        .base_hash = tl_hash_bytes("d", 1),
        .base_parameters = 3.4e6,
        .base_bytes = 13.4e6,
        .general_name = "stories",
        .general_hash = tl_hash_bytes("e", 1),
        .command = "tailor compare --task tasks/triage",
        .version = "0.1.0",
        .backend = "avx2",
        .machine = "some CPU, 2 threads",
        .started = "2026-01-02T03:04:05Z",
        .seconds = 421.5,
        .methods = methods,
        .n_methods = 5,
        .comparisons = comparisons,
        .n_comparisons = 3,
    };
    return r;
}

static tl_report hostile_report(void)
{
    static const char *const bad_labels[LABELS] = { HOSTILE, HOSTILE "2", "</td></table>" };
    static const tl_comparison bad = { HOSTILE, HOSTILE, { 0.1, 0.05, 0.2, 5 }, NAN, HOSTILE };
    static const tl_setting bad_setting = { HOSTILE, HOSTILE };
    static tl_named_interval bad_metric = { .name = HOSTILE, .value = { 0.5, 0.4, 0.6, 10 } };
    tl_report r = made_report();
    r.task_name = r.task_kind = r.task_description = r.task_provenance = HOSTILE;
    r.base_name = r.base_type = r.general_name = r.command = r.version = r.backend = r.machine = r.started = HOSTILE;
    r.labels = bad_labels;
    r.comparisons = &bad;
    r.n_comparisons = 1;
    methods[0].metrics = &bad_metric;
    methods[0].n_metrics = 1;
    for (int i = 0; i < 5; i++) {
        methods[i].name = HOSTILE;
        methods[i].settings = &bad_setting;
        methods[i].n_settings = 1;
    }
    return r;
}

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is missing", path);
    char *text = calloc(1, 4 << 20);
    size_t n = fread(text, 1, (4 << 20) - 1, f);
    CHECK(n > 0 && n < (4 << 20) - 1);
    fclose(f);
    return text;
}

static char *written(const tl_report *r, const char *name)
{
    tl_err err;
    CHECK_OK(tl_report_write(r, scratch_dir, &err), err);
    return slurp(scratch(name));
}

static char *table(const tl_report *r, int width)
{
    static char *text; /* static: gcc takes the stream's pointer to it for one that escapes */
    size_t size;
    text = NULL;
    FILE *f = open_memstream(&text, &size);
    CHECK_INT(tl_report_table(r, f, width), 0);
    fclose(f);
    return text;
}

/* What a browser's parser would complain of: tags that do not close in order, a bare < or &. */
static void check_html(const char *html)
{
    char open[64][24];
    int depth = 0;
    const char *s = strstr(html, "<html");
    for (CHECK(s); *s; s++) {
        if (*s == '&') CHECK(s[1 + strspn(s + 1, "#0123456789abcdefghijklmnopqrstuvwxyz")] == ';');
        if (*s != '<') continue;
        bool closing = s[1] == '/';
        const char *name = s + 1 + closing;
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (n == 0 || n > 23) fail_msg("a bare < at '%.40s'", s);
        const char *stop = name;
        for (bool quoted = false; *stop && (quoted || *stop != '>'); stop++) {
            if (*stop == '"') quoted = !quoted;
            CHECK(*stop != '<');
        }
        CHECK(*stop == '>');
        bool empty = stop[-1] == '/' || (n == 2 && !strncmp(name, "br", 2)) || (n == 4 && !strncmp(name, "meta", 4));
        if (closing) {
            CHECK(depth > 0);
            depth--;
            if (strlen(open[depth]) != n || strncmp(open[depth], name, n))
                fail_msg("<%s> is closed by </%.*s> at '%.60s'", open[depth], (int)n, name, s);
        } else if (!empty) {
            CHECK(depth < 64);
            snprintf(open[depth++], 24, "%.*s", (int)n, name);
        }
        s = stop;
    }
    CHECK_INT(depth, 0);
}

static double number_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v)) fail_msg("%s is no number", key);
    return json_number_value(v);
}

static void check_keys(const json_t *o, const char *keys)
{
    char found[500] = "";
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)o, key, v)
    {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", used ? " " : "", key);
    }
    CHECK_STR(found, keys);
}

TEST(report_json_holds_the_documented_fields_and_no_other)
{
    scratch_begin();
    tl_report r = made_report();
    char *text = written(&r, "report.json");
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    CHECK(o);
    check_keys(o, "task base methods comparisons general_text command version backend machine started seconds");
    json_t *task = json_object_get(o, "task"), *splits = json_object_get(task, "splits");
    check_keys(task, "name kind description provenance labels splits");
    check_keys(splits, "train validation test");
    CHECK(number_at(json_object_get(splits, "train"), "n") == 1200);
    CHECK_STR(json_string_value(json_object_get(json_object_get(splits, "train"), "sha256")),
              "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
    CHECK(json_is_null(json_object_get(json_object_get(splits, "test"), "sha256")));
    check_keys(json_object_get(o, "base"), "name type sha256 parameters bytes");
    json_t *m = json_array_get(json_object_get(o, "methods"), 3);
    check_keys(m, "name metrics metrics_raw confusion forgetting cost seeds seed_scores settings curve");
    json_t *accuracy = json_object_get(json_object_get(m, "metrics"), "accuracy");
    check_keys(accuracy, "value low high n higher_is_better share");
    CHECK(json_is_true(json_object_get(accuracy, "higher_is_better")));
    CHECK(json_is_true(json_object_get(accuracy, "share")));
    CHECK(number_at(accuracy, "value") == 0.731 && number_at(accuracy, "low") == 0.69);
    CHECK(number_at(accuracy, "high") == 0.768 && number_at(accuracy, "n") == 500);
    json_t *row = json_array_get(json_object_get(m, "confusion"), 1);
    CHECK(json_number_value(json_array_get(row, 1)) == 140.5 && json_array_size(row) == LABELS);
    check_keys(json_object_get(m, "forgetting"), "loss_before loss_after change");
    check_keys(json_object_get(m, "cost"), "trainable_parameters trained_tokens train_seconds train_flops peak_bytes "
                                           "stored_bytes prompt_tokens ms_per_request");
    CHECK(number_at(json_object_get(m, "cost"), "stored_bytes") == 103500);
    CHECK_STR(json_string_value(json_array_get(json_object_get(m, "seeds"), 2)), "18446744073709551615");
    CHECK_STR(json_string_value(json_object_get(json_object_get(m, "settings"), "r")), "8");
    CHECK_INT(json_array_size(json_object_get(m, "curve")), STEPS);
    check_keys(json_array_get(json_object_get(m, "curve"), 0), "step loss validation");
    json_t *c = json_array_get(json_object_get(o, "comparisons"), 1);
    check_keys(c, "a b difference p test");
    CHECK(number_at(c, "p") == 0.02 && number_at(json_object_get(c, "difference"), "high") == -0.175);
    check_keys(json_object_get(o, "general_text"), "name sha256");
    json_decref(o);
    free(text);
    scratch_end();
}

TEST(what_was_not_measured_is_null_and_a_dash)
{
    scratch_begin();
    tl_report r = made_report();
    r.n_validation = -1;
    methods[2].cost.peak_bytes = -1;
    methods[2].forgetting.value = INFINITY;
    char *text = written(&r, "report.json");
    json_t *o = json_loads(text, 0, NULL), *all = json_object_get(o, "methods");
    json_t *split = json_object_get(json_object_get(json_object_get(o, "task"), "splits"), "validation");
    CHECK(json_is_null(json_object_get(split, "n")));
    json_t *lora = json_array_get(all, 2), *full = json_array_get(all, 4);
    CHECK(json_is_null(json_object_get(json_object_get(lora, "cost"), "peak_bytes")));
    CHECK(json_is_null(json_object_get(json_object_get(json_object_get(lora, "forgetting"), "change"), "value")));
    CHECK(json_is_null(json_object_get(json_object_get(json_object_get(full, "metrics"), "macro_f1"), "value")));
    CHECK(json_is_null(json_object_get(full, "confusion")));
    CHECK(json_is_null(json_array_get(json_object_get(full, "seed_scores"), 2)));
    CHECK(json_is_null(json_object_get(json_array_get(json_object_get(full, "curve"), 0), "validation")));
    char *t = table(&r, 200), *html = slurp(scratch("report.html"));
    const char *row = strstr(t, "\nfull ");
    CHECK(row);
    CHECK(strncmp(row + 1 + strlen("full") + 11, "0.700 [0.658, 0.738]  -   ", 26) == 0);
    CHECK(!strstr(t, "nan") && !strstr(t, "inf") && !strstr(html, ">nan") && !strstr(html, "\"nan") &&
          !strstr(html, "-nan") && !strstr(html, "inf\""));
    json_decref(o);
    free(text), free(t), free(html);
    scratch_end();
}

TEST(no_name_becomes_markup_or_breaks_a_file)
{
    scratch_begin();
    tl_report r = hostile_report();
    char *text = written(&r, "report.json"), *html = slurp(scratch("report.html"));
    json_t *o = json_loads(text, 0, NULL);
    CHECK(o);
    CHECK_STR(json_string_value(json_object_get(o, "machine")),
              "<script>alert(\"x\")</script> & 'y' \x1b[2J \xEF\xBF\xBD\xEF\xBF\xBD");
    check_html(html);
    CHECK(!strstr(html, "<script"));
    CHECK(!strstr(html, "</td></table>,"));
    CHECK_HAS(html, "&#60;script&#62;alert(&#34;x&#34;)");
    CHECK(!strchr(html, 0x1b) && !strchr(html, 0xff));
    json_decref(o);
    free(text), free(html);
    scratch_end();
}

TEST(a_name_that_stands_twice_is_refused)
{
    tl_err err;
    static const tl_setting twice[2] = { { "k", "8" }, { "k", "9" } };
    scratch_begin();
    tl_report r = made_report();
    methods[1].settings = twice;
    methods[1].n_settings = 2;
    CHECK_INT(tl_report_write(&r, scratch_dir, &err), TL_EDATA);
    CHECK_HAS(err.text, "'k' stands twice");
    CHECK_INT(scratch_count(scratch_dir), 0);
    scratch_end();
}

TEST(report_html_is_one_well_formed_file_that_loads_nothing)
{
    scratch_begin();
    tl_report r = made_report();
    char *html = written(&r, "report.html");
    check_html(html);
    static const char *const loads[] = { "http:", "https:", "src=", "href=", "url(", "@import", "<link", "<script" };
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        if (strstr(html, loads[i])) fail_msg("report.html contains '%s'", loads[i]);
    CHECK_HAS(html, "triage: the highest accuracy measured is 0.731 [0.690, 0.768], with lora+few-shot");
    CHECK_HAS(html, "Not told apart from it by the paired test: lora.");
    CHECK_HAS(html, "prefers-color-scheme:dark");
    CHECK_HAS(html, "tailor compare --task tasks/triage");
    free(html);
    scratch_end();
}

TEST(the_best_by_a_metric_of_which_less_is_better_has_the_lowest)
{
    scratch_begin();
    tl_report r = made_report();
    tl_named_interval ratings[5]; /* no word in the name says so */
    for (int i = 0; i < 5; i++) {
        ratings[i] = metrics[i][0];
        ratings[i].name = "misgrading";
        ratings[i].lower_is_better = true;
        ratings[i].share = false;
        methods[i].metrics = &ratings[i];
        methods[i].n_metrics = 1;
    }
    char *text = written(&r, "report.json"), *html = slurp(scratch("report.html"));
    CHECK_HAS(html, "triage: the lowest misgrading measured is 0.412 [0.369, 0.455], with zero-shot");
    json_t *o = json_loads(text, 0, NULL), *m = json_array_get(json_object_get(o, "methods"), 0);
    json_t *metric = json_object_get(json_object_get(m, "metrics"), "misgrading");
    CHECK(json_is_false(json_object_get(metric, "higher_is_better")));
    CHECK(json_is_false(json_object_get(metric, "share")));
    json_decref(o);
    free(text), free(html);
    scratch_end();
}

TEST(a_report_of_nothing_is_written_too)
{
    scratch_begin();
    tl_report r = { .n_test = -1 };
    char *html = written(&r, "report.html"), *t = table(&r, 80);
    check_html(html);
    CHECK_HAS(html, "nothing was measured");
    free(html), free(t);
    scratch_end();
}

TEST(odd_numbers_stay_inside_the_figures)
{
    static const double odd[] = { 0, -1, 1e-300, 1e300, -1e300, 1.7e308, INFINITY, -INFINITY, NAN, 5 };
    enum {
        N = sizeof odd / sizeof *odd
    };
    scratch_begin();
    for (int a = 0; a < N; a++) {
        tl_report r = made_report();
        static tl_named_interval m[5];
        static tl_curve_point odd_curve[N];
        for (int i = 0; i < N; i++) odd_curve[i] = (tl_curve_point){ i, odd[i], odd[(i + a) % N] };
        for (int i = 0; i < 5; i++) {
            m[i] = (tl_named_interval){ .name = "accuracy",
                                        .value = { odd[(a + i) % N], odd[(a + 2 * i) % N], odd[(a + 3) % N], -1 },
                                        .share = true };
            methods[i].metrics = &m[i];
            methods[i].n_metrics = 1;
            methods[i].n_metrics_raw = 0;
            methods[i].forgetting = m[i].value;
            methods[i].cost.stored_bytes = odd[(a + i) % N];
            methods[i].cost.ms_per_request = odd[(a + 2 * i) % N];
            methods[i].curve = odd_curve;
            methods[i].n_curve = N;
        }
        char *html = written(&r, "report.html");
        check_html(html);
        for (const char *s = html; (s = strstr(s, "x1=\"")) != NULL; s++) {
            double x = strtod(s + 4, NULL);
            if (!(x >= -1 && x <= 401)) fail_msg("a line begins at x = %g of 400", x);
        }
        CHECK(strlen(html) < 200000);
        free(html);
    }
    scratch_end();
}

TEST(a_long_training_makes_no_long_page_and_keeps_its_peak)
{
    enum {
        LONG = 200000
    };
    scratch_begin();
    tl_curve_point *steps = calloc(LONG, sizeof *steps);
    for (int i = 0; i < LONG; i++) steps[i] = (tl_curve_point){ i, 1 + (i == 123457), NAN };
    tl_report r = made_report();
    methods[2].curve = steps;
    methods[2].n_curve = LONG;
    tl_err err;
    CHECK_OK(tl_report_write(&r, scratch_dir, &err), err);
    char *html = slurp(scratch("report.html"));
    CHECK(strlen(html) < 150000);
    const char *figure = strstr(html, "m2 train");
    CHECK(figure);
    bool peak = false; /* the highest point of this panel lies above all others */
    double top = 1e9, second = 1e9;
    for (const char *s = strchr(figure, 'L'); *s != '"'; s++) {
        if (*s != 'L') continue;
        double y = strtod(strchr(s, ' '), NULL);
        if (y < top)
            second = top, top = y, peak = true;
        else if (y > top && y < second)
            second = y;
    }
    CHECK(peak && second - top > 20);
    free(steps), free(html);
    scratch_end();
}

/* Every line within width columns; the text is ASCII. */
static void check_width(const char *text, int width)
{
    for (const char *s = text; s && *s; s += strcspn(s, "\n") + 1)
        if (strcspn(s, "\n") > (size_t)width) fail_msg("wider than %d: '%.*s'", width, (int)strcspn(s, "\n"), s);
}

TEST(the_table_fits_the_terminal_and_says_what_it_left_out)
{
    tl_report r = made_report();
    for (int width = 40; width <= 200; width++) {
        char *t = table(&r, width);
        check_width(t, width);
        CHECK_HAS(t, "0.731 [0.690, 0.768]");
        CHECK_HAS(t, "n=500");
        char *rule = strstr(t, "\n---"); /* above it stand the heads */
        CHECK(rule);
        *rule = '\0';
        bool all = strstr(t, "FLOPs") && strstr(t, "peak") && strstr(t, "prompt") && strstr(t, "params");
        *rule = '\n';
        if (all == (strstr(t, "Left out") != NULL)) fail_msg("at %d columns: %s", width, t);
        if (width == 80) CHECK_HAS(t, "ms per");
        if (width == 200) CHECK(all);
        CHECK(!strchr(t, 0x1b));
        free(t);
    }
}

TEST(pairs_are_told_in_words_with_the_better_one_above)
{
    tl_report r = made_report();
    char *t = table(&r, 140);
    CHECK_HAS(t, "\n- lora is above few-shot by 0.201 [0.158, 0.245], p < 0.001 (exact McNemar)");
    CHECK_HAS(t, "few-shot is below lora+few-shot by 0.219 [0.175, 0.262], p = 0.020 (exact McNemar)");
    CHECK_HAS(t, "lora+few-shot and lora are not told apart: the difference is +0.018 [-0.008, +0.044], p = 0.21");
    CHECK_HAS(t, "not corrected");
    free(t);
}

TEST(no_name_moves_the_cursor_or_breaks_the_columns)
{
    tl_report r = hostile_report();
    char *t = table(&r, 120);
    CHECK(!strchr(t, 0x1b) && !strchr(t, 0xff));
    CHECK_HAS(t, "<script>alert(\"x\")</scr~");
    free(t);
}

/* A child that may write only so many bytes to a file meets what a full disk is: a write that fails. */
static int write_with_limit(const tl_report *r, const char *dir, rlim_t bytes)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        tl_err err = { 0 };
        struct rlimit limit = { bytes, bytes };
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        int rc = tl_report_write(r, dir, &err);
        _exit(rc < 0 && err.text[0] ? 1 : rc < 0 ? 2 : 0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(a_failed_write_is_an_error_and_leaves_no_half_file)
{
    tl_err err;
    scratch_begin();
    tl_report r = made_report();
    CHECK(tl_report_write(&r, scratch("missing"), &err) < 0);
    CHECK_HAS(err.text, "missing");
    CHECK_INT(scratch_count(scratch_dir), 0);
    CHECK_INT(write_with_limit(&r, scratch_dir, 4096), 1);
    CHECK_INT(scratch_count(scratch_dir), 0);
    CHECK_INT(mkdir(scratch("report.html"), 0700), 0); /* a directory in the file's place */
    CHECK(tl_report_write(&r, scratch_dir, &err) < 0);
    CHECK_INT(scratch_count(scratch_dir), 1);
    CHECK_INT(rmdir(scratch("report.html")), 0);
    if (geteuid() != 0) { /* root may write everywhere */
        CHECK_INT(chmod(scratch_dir, 0500), 0);
        CHECK(tl_report_write(&r, scratch_dir, &err) < 0);
        CHECK_INT(chmod(scratch_dir, 0700), 0);
        CHECK_INT(scratch_count(scratch_dir), 0);
    }
    CHECK_OK(tl_report_write(&r, scratch_dir, &err), err);
    CHECK_INT(scratch_count(scratch_dir), 2);
    scratch_end();
}

TEST(a_table_that_cannot_be_written_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    if (!full) SKIP("there is no /dev/full");
    tl_report r = made_report();
    CHECK_INT(tl_report_table(&r, full, 100), TL_EIO);
    fclose(full);
}

RUN_TESTS(CASE(report_json_holds_the_documented_fields_and_no_other), CASE(what_was_not_measured_is_null_and_a_dash),
          CASE(no_name_becomes_markup_or_breaks_a_file), CASE(a_name_that_stands_twice_is_refused),
          CASE(report_html_is_one_well_formed_file_that_loads_nothing),
          CASE(the_best_by_a_metric_of_which_less_is_better_has_the_lowest), CASE(a_report_of_nothing_is_written_too),
          CASE(odd_numbers_stay_inside_the_figures), CASE(a_long_training_makes_no_long_page_and_keeps_its_peak),
          CASE(the_table_fits_the_terminal_and_says_what_it_left_out),
          CASE(pairs_are_told_in_words_with_the_better_one_above), CASE(no_name_moves_the_cursor_or_breaks_the_columns),
          CASE(a_failed_write_is_an_error_and_leaves_no_half_file), CASE(a_table_that_cannot_be_written_is_an_error))

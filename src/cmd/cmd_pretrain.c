/* cmd_pretrain.c - train a base from nothing on a corpus of JSON lines; stops and resumes. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "cmd/memory_flags.h"
#include "cmd/options.h"
#include "io/atomic.h"
#include "io/json.h"
#include "model/init_mimetic.h"
#include "text/tokenizer_copy.h"
#include "train/checkpoint.h"
#include "train/corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    const char *config, *base, *tokenizer, *data, *output, *init, *schedule, *precision;
    double tokens, lr, last_ratio, beta2, weight_decay, table_lr_ratio, clip, text_weight;
    int batch_tokens, max_rows, warmup, save_every, seed, threads;
    int stop_after;
    tl_memory_flags memory;
} o = { .init = "mimetic",
        .schedule = "cosine",
        .precision = "bf16",
        .tokens = 1e7,
        .lr = 2e-3,
        .last_ratio = 0.1,
        .beta2 = 0.98,
        .weight_decay = 0.1,
        .table_lr_ratio = 1,
        .clip = 1,
        .text_weight = 1,
        .batch_tokens = 8192,
        .max_rows = 2048,
        .warmup = 50,
        .save_every = 200,
        .seed = 1 };

static const tl_option rows[] = {
    { "config", 's', &o.config, "FILE", "config.json of the base to make" },
    { "base", 's', &o.base, "DIR", "go on with the weights of this base instead of new ones" },
    { "tokenizer", 's', &o.tokenizer, "DIR", "its tokenizer" },
    { "data", 's', &o.data, "FILE", "corpus: JSON lines with text or spans" },
    { "output", 's', &o.output, "DIR", "where the base goes; DIR.checkpoint beside it while training" },
    { "tokens", 'd', &o.tokens, "N", "how many tokens to train on" },
    { "batch-tokens", 'i', &o.batch_tokens, "N", "tokens of a step" },
    { "micro-batch", 'i', &o.max_rows, "N", "tokens run at once" },
    { "text-weight", 'd', &o.text_weight, "W", "of a token of plain text in the loss, beside an answer of an episode" },
    { "init", 's', &o.init, "KIND", "normal or mimetic" },
    { "learning-rate", 'd', &o.lr, "RATE", "peak" },
    { "table-lr-ratio", 'd', &o.table_lr_ratio, "RATIO", "learning rate of the token table, of the peak" },
    { "schedule", 's', &o.schedule, "KIND", "constant, linear or cosine" },
    { "last-ratio", 'd', &o.last_ratio, "RATIO", "of the peak, where the schedule ends" },
    { "warmup", 'i', &o.warmup, "STEPS", "linear warm-up" },
    { "beta2", 'd', &o.beta2, "B", "of AdamW" },
    { "weight-decay", 'd', &o.weight_decay, "W", "of AdamW, on matrices" },
    { "max-grad-norm", 'd', &o.clip, "NORM", "clipping; 0: none" },
    { "precision", 's', &o.precision, "KIND", "of products: f32 or bf16" },
    TL_MEMORY_ROWS(o.memory),
    { "save-every", 'i', &o.save_every, "STEPS", "checkpoint; a run that finds one goes on from it" },
    { "stop-after", 'i', &o.stop_after, "STEPS", "end this run with a checkpoint after so many steps; 0: at the end" },
    { "seed", 'i', &o.seed, "N", "of the first weights" },
    { "threads", 'i', &o.threads, "N", "0: all" },
    { 0 },
};

typedef struct run {
    tl_config config;
    tl_tokenizer *tokenizer;
    tl_corpus *corpus;
    tl_model *model;
    tl_stream stream;
    tl_trainer *trainer;
    tl_sample *samples; /* of the step */
    const tl_sample **list;
    int n_samples, room;
    tl_sample ahead; /* read, and left for the next step */
    bool has_ahead;
    long place, ahead_place; /* in the data: behind the step's samples; before ahead */
    char checkpoint[4096];
    tl_buf text; /* the settings that a resume must repeat */
} run;

/* Samples for one step: documents while they fit into batch_tokens rows. */
static int gather(run *r, bool *more, tl_err *err)
{
    for (int i = 0; i < r->n_samples; i++) tl_sample_reset(&r->samples[i]);
    r->n_samples = 0;
    int tokens = 0;
    for (;;) {
        if (!r->has_ahead) {
            r->ahead_place = tl_corpus_tell(r->corpus);
            TL_TRY(tl_corpus_next(r->corpus, &r->ahead, &r->has_ahead, err));
            if (!r->has_ahead) break;
        }
        if (tokens + r->ahead.n - 1 > o.batch_tokens && r->n_samples > 0) break;
        if (r->n_samples == r->room) {
            int room = r->room ? 2 * r->room : 64;
            tl_sample *samples = realloc(r->samples, (size_t)room * sizeof *samples);
            if (samples) r->samples = samples;
            const tl_sample **list = realloc(r->list, (size_t)room * sizeof *list);
            if (list) r->list = list;
            if (!samples || !list) return tl_fail(err, TL_ENOMEM, "batch: no memory for %d documents", room);
            r->room = room;
        }
        tokens += r->ahead.n - 1;
        r->samples[r->n_samples++] = r->ahead;
        r->has_ahead = false;
    }
    for (int i = 0; i < r->n_samples; i++) r->list[i] = &r->samples[i];
    r->place = r->has_ahead ? r->ahead_place : tl_corpus_tell(r->corpus);
    *more = r->n_samples > 0;
    return 0;
}

static int write_base(run *r, tl_err *err)
{
    tl_dir *d = NULL;
    TL_TRY(tl_dir_begin(&d, o.output, "config.json", err));
    int rc = tl_tokenizer_copy(o.tokenizer, tl_dir_path(d), err);
    if (rc == 0) rc = tl_model_write(r->model, tl_dir_path(d), TL_DTYPE_BF16, err);
    if (rc == 0) return tl_dir_commit(d, err);
    tl_dir_abort(d);
    return rc;
}

static int save(run *r, tl_err *err)
{
    return tl_checkpoint_save(r->trainer, r->checkpoint, r->text.data, r->place, err);
}

static int train(run *r, long total, tl_err *err)
{
    tl_progress p = tl_progress_start("pretrain", total);
    double started = tl_seconds(), tokens = 0, smooth = 0;
    bool more = true;
    int rc = 0, done = 0;
    while (rc == 0 && r->trainer->step < total) {
        tl_train_report report = { 0 };
        rc = gather(r, &more, err);
        if (rc == 0 && !more) {
            rc = tl_fail(err, TL_EDATA, "%s: ends after %ld steps, %ld were wanted", o.data, r->trainer->step, total);
            break;
        }
        if (rc == 0) rc = tl_train_step(r->trainer, r->list, r->n_samples, &report, err);
        if (rc < 0) break;
        tokens += report.tokens;
        smooth = done == 0 ? report.loss : 0.95 * smooth + 0.05 * report.loss;
        tl_progress_show(&p, r->trainer->step, "loss %.3f  norm %.2f  lr %.5f  %.0f tokens/s", smooth, report.grad_norm,
                         report.lr, tokens / (tl_seconds() - started));
        done++;
        bool last = r->trainer->step == total || (o.stop_after > 0 && done >= o.stop_after) || tl_interrupted();
        if (last || (o.save_every > 0 && r->trainer->step % o.save_every == 0)) rc = save(r, err);
        if (rc == 0 && o.stop_after > 0 && done >= o.stop_after) break;
        if (rc == 0) rc = tl_interrupt_check("pretrain", err);
    }
    tl_progress_end(&p);
    return rc;
}

/* " sha256 ..." of the corpus, so that a run does not go on with other documents under the same path; nothing for a
 * pipe, which can be read only once. */
static int corpus_digest(char out[80], tl_err *err)
{
    struct stat st;
    tl_hash h;
    char hex[65];
    out[0] = '\0';
    if (stat(o.data, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
    TL_TRY(tl_hash_file(&h, o.data, err));
    tl_hash_hex(hex, &h);
    snprintf(out, 80, " sha256 %s", hex);
    return 0;
}

static int prepare(run *r, long *total, tl_err *err)
{
    char digest[80];
    json_t *config = NULL;
    tl_train_options t = tl_train_defaults();
    TL_TRY(tl_schedule_kind_parse(&t.schedule.kind, o.schedule, err));
    TL_TRY(tl_memory_parse(&t.memory, o.memory.recompute, o.memory.weights, o.memory.state, o.memory.gradients, err));
    bool bf16 = strcmp(o.precision, "bf16") == 0, mimetic = strcmp(o.init, "mimetic") == 0;
    if (!bf16 && strcmp(o.precision, "f32") != 0)
        return tl_fail(err, TL_EUSAGE, "--precision '%s': f32 and bf16 are known", o.precision);
    if (!mimetic && strcmp(o.init, "normal") != 0)
        return tl_fail(err, TL_EUSAGE, "--init '%s': normal and mimetic are known", o.init);
    if (!(o.text_weight > 0)) return tl_fail(err, TL_EUSAGE, "--text-weight must be above 0");
    if (o.batch_tokens < 1 || o.max_rows < 2 || o.tokens < 1)
        return tl_fail(err, TL_EUSAGE, "--tokens, --batch-tokens and --micro-batch must be positive");
    if (o.base) {
        const tl_model_options wide = { TL_DTYPE_F32, TL_DTYPE_F32 };
        TL_TRY(tl_model_open_as(&r->model, o.base, &wide, err));
        r->config = r->model->config;
    } else {
        TL_TRY(tl_json_load(&config, o.config, err));
        int rc = tl_config_parse(&r->config, config, o.config, err);
        json_decref(config);
        TL_TRY(rc);
    }
    TL_TRY(tl_tokenizer_open(&r->tokenizer, o.tokenizer, err));
    if (tl_tokenizer_size(r->tokenizer) > r->config.V)
        return tl_fail(err, TL_ESHAPE, "%s: vocab_size is %d, the tokenizer in %s has %d", o.base ? o.base : o.config,
                       r->config.V, o.tokenizer, tl_tokenizer_size(r->tokenizer));
    int longest = (r->config.T < o.max_rows ? r->config.T : o.max_rows) + 1;
    TL_TRY(tl_corpus_open(&r->corpus, o.data, r->tokenizer, longest, (float)o.text_weight, err));
    if (!o.base) TL_TRY(tl_model_create(&r->model, &r->config, (uint64_t)o.seed, err));
    if (!o.base && mimetic && tl_init_mimetic(r->model, (uint64_t)o.seed, err) < 0)
        return tl_fail_in(err, "--init mimetic (--init normal takes every base)");
    TL_TRY(tl_stream_create(&r->stream, o.threads, bf16 ? TL_PRECISION_BF16 : TL_PRECISION_F32, r->config.T,
                            r->config.h, err));
    *total = (long)(o.tokens / o.batch_tokens + 0.5);
    if (*total < 1) *total = 1;
    t.schedule.peak = o.lr;
    t.schedule.last_ratio = o.last_ratio;
    t.schedule.warmup = o.warmup;
    t.schedule.total = *total;
    t.beta2 = (float)o.beta2;
    t.weight_decay = (float)o.weight_decay;
    t.max_grad_norm = (float)o.clip;
    t.table_lr_ratio = (float)o.table_lr_ratio;
    t.max_rows = o.max_rows;
    t.seed = (uint64_t)o.seed;
    tl_unfreeze how = tl_memory_unfreeze(&t.memory);
    TL_TRY(tl_model_unfreeze_as(r->model, &how, err)); /* new weights were f32 up to here */
    TL_TRY(tl_trainer_create(&r->trainer, r->model, NULL, &r->stream, &t, err));
    if (snprintf(r->checkpoint, sizeof r->checkpoint, "%s.checkpoint", o.output) >= (int)sizeof r->checkpoint)
        return tl_fail(err, TL_EUSAGE, "--output: a path of %zu bytes is too long", strlen(o.output));
    TL_TRY(corpus_digest(digest, err));
    TL_TRY(tl_buf_printf(
        &r->text, err,
        "base %s data %s%s tokens %.0f batch %d micro %d init %s lr %g ratio %g %s %g warmup %d beta2 %g "
        "decay %g clip %g text %g %s seed %d",
        o.base ? o.base : "new", o.data, digest, o.tokens, o.batch_tokens, o.max_rows, o.init, o.lr, o.table_lr_ratio,
        o.schedule, o.last_ratio, o.warmup, o.beta2, o.weight_decay, o.clip, o.text_weight, o.precision, o.seed));
    if (tl_memory_plain(&t.memory)) return 0;
    char text[120];
    t.memory.recompute = TL_RECOMPUTE_AUTO; /* on or off, the bits are the same */
    tl_memory_text(text, sizeof text, &t.memory);
    return tl_buf_printf(&r->text, err, " %s", text);
}

static int resume(run *r, tl_err *err)
{
    if (access(r->checkpoint, F_OK) != 0) return 0;
    TL_TRY(tl_checkpoint_load(r->trainer, r->checkpoint, r->text.data, &r->place, err));
    TL_TRY(tl_corpus_seek(r->corpus, r->place, err));
    tl_log("pretrain: going on from step %ld of %s", r->trainer->step, r->checkpoint);
    return 0;
}

static void release(run *r)
{
    for (int i = 0; i < r->n_samples; i++) tl_sample_reset(&r->samples[i]);
    if (r->has_ahead) tl_sample_reset(&r->ahead);
    free(r->samples);
    free(r->list);
    tl_trainer_free(r->trainer);
    tl_model_free(r->model);
    tl_corpus_close(r->corpus);
    tl_tokenizer_free(r->tokenizer);
    tl_stream_free(&r->stream);
    tl_buf_reset(&r->text);
}

static int run_pretrain(int argc, char **argv, tl_err *err)
{
    tl_positional p;
    TL_TRY(tl_options_parse(&tl_cmd_pretrain, rows, argc, argv, 0, &p, err));
    if (p.help) return 0;
    if (o.base && o.config) return tl_fail(err, TL_EUSAGE, "tailor pretrain: --base brings its own config");
    if (!o.base && !o.config) return tl_fail(err, TL_EUSAGE, "tailor pretrain: --config or --base is wanted");
    if (!o.tokenizer || !o.data || !o.output)
        return tl_fail(err, TL_EUSAGE, "tailor pretrain: --tokenizer, --data and --output are wanted");
    run r = { .text = tl_buf_make(1 << 16) };
    long total = 0;
    int rc = prepare(&r, &total, err);
    if (rc == 0) rc = resume(&r, err);
    if (rc == 0) {
        tl_log("pretrain: %zu parameters, %ld steps of %d tokens, %s, %d threads", tl_model_parameters(r.model), total,
               o.batch_tokens, r.model->backend->name, r.stream.threads);
        rc = train(&r, total, err);
    }
    if (rc == 0) rc = write_base(&r, err);
    if (rc == 0) tl_log("pretrain: %s written after step %ld", o.output, r.trainer->step);
    release(&r);
    return rc;
}

const tl_command tl_cmd_pretrain = { "pretrain", "train a base from nothing",
                                     "--config FILE --tokenizer DIR --data FILE --output DIR", run_pretrain };

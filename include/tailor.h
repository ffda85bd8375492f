/* tailor.h - the public C API: everything the program itself is made of.
 *
 *     #include <tailor.h>                    cc app.c $(pkg-config --cflags --libs --static tailor)
 *
 *     tl_err err;
 *     tl_model *m = NULL;
 *     tl_stream s;
 *     tl_engine *e = NULL;
 *     if (tl_model_open(&m, "models/tailor-base", &err) < 0 ||
 *         tl_stream_create(&s, 0, TL_PRECISION_F32, m->config.T, m->config.h, &err) < 0) ...err.text...
 *     tl_engine_options o = tl_engine_defaults();
 *     if (tl_engine_create(&e, m, &s, &o, &err) < 0) ...
 *
 * Each header below is the contract of its module: shapes, units, owners, threads, errors. */
#ifndef TAILOR_H
#define TAILOR_H

#include "base/err.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "eval/calibration.h"
#include "eval/forgetting.h"
#include "eval/interval.h"
#include "eval/metrics.h"
#include "eval/predict.h"
#include "eval/rouge.h"
#include "eval/score.h"
#include "infer/engine.h"
#include "io/hub_env.h"
#include "io/hub_pull.h"
#include "io/safetensors.h"
#include "method/method.h"
#include "method/prompt.h"
#include "method/variant.h"
#include "model/adapter.h"
#include "model/forward.h"
#include "model/model.h"
#include "report/compare.h"
#include "report/report.h"
#include "task/task.h"
#include "text/bpe_train.h"
#include "text/template_model.h"
#include "text/tokenizer.h"
#include "train/train.h"

#endif

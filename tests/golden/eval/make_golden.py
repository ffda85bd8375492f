"""Writes metrics.json, rouge.json, interval.json and calibration.json: the peers' numbers for src/eval's tests."""
import json
import os
import random
import warnings

import numpy as np
from rouge_score import rouge_scorer
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, cases):
    with open(os.path.join(HERE, name), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c, allow_nan=False, separators=(",", ":")) for c in cases) + "\n]\n")
    print(name, len(cases), "cases")


def label_case(K, truth, pred):
    truth, pred, labels = np.array(truth), np.array(pred), list(range(K))
    p, r, f, s = metrics.precision_recall_fscore_support(truth, pred, labels=labels, zero_division=0)
    confusion = metrics.confusion_matrix(truth, pred, labels=labels + [-1])[:K]
    # The project's rule for no answer: the place furthest from the truth, of two the last.
    placed = np.where(pred == -1, np.where(truth > K - 1 - truth, 0, K - 1), pred)
    kappa = metrics.cohen_kappa_score(truth, placed, labels=labels, weights="quadratic") if K > 1 else float("nan")
    cost = np.abs(np.subtract.outer(labels, labels)) ** 1.5 * np.where(np.subtract.outer(labels, labels) < 0, 3.0, 1.0)
    per_item = [cost[t].max() if q == -1 else cost[t, q] for t, q in zip(truth, pred)]
    answered = pred != -1
    return {
        "labels": K, "truth": truth.tolist(), "predicted": pred.tolist(),
        "accuracy": metrics.accuracy_score(truth, pred),
        "macro_f1": metrics.f1_score(truth, pred, labels=labels, average="macro", zero_division=0),
        "precision": p.tolist(), "recall": r.tolist(), "f1": f.tolist(), "support": [int(x) for x in s],
        "confusion": confusion.ravel().tolist(),
        "kappa": None if np.isnan(kappa) else kappa,
        "cost_matrix": cost.ravel().tolist(), "cost": float(np.mean(per_item)),
        "under": float(np.mean(answered & (pred > truth))), "over": float(np.mean(answered & (pred < truth))),
        "unanswered": float(np.mean(~answered)),
    }


def label_cases(r):
    cases = [(1, [0], [0]), (1, [0], [-1]), (2, [0], [1]), (2, [1], [1]), (3, [1, 1, 1], [1, 1, 1]),
             (3, [1, 1, 1], [2, 2, 2]), (3, [0, 1, 2], [-1, -1, -1]), (4, [0, 1, 2, 3], [3, 2, 1, 0])]
    for i in range(232):
        K, n = r.choice([1, 2, 3, 4, 4, 5, 6, 7, 7]), r.choice([1, 2, 3, 10, 40, 80])
        truth = [r.randrange(K) for _ in range(n)]
        kind = i % 6
        if kind == 0:
            pred = truth[:]
        elif kind == 1:
            pred = [(t + 1 + r.randrange(K - 1)) % K if K > 1 else -1 for t in truth]  # all wrong
        elif kind == 2:
            pred = [r.randrange(K)] * n
        elif kind == 3:
            truth, pred = [r.randrange(K)] * n, [r.randrange(-1, K) for _ in range(n)]
        elif kind == 4:
            pred = [t if r.random() < 0.7 else r.randrange(-1, K) for t in truth]
        else:
            pred = [r.randrange(K) for _ in range(n)]
        cases.append((K, truth, pred))
    return [label_case(*c) for c in cases]


def rouge_cases(r):
    words = "a the patient pain chest fever since 3 days no denies BP 120/80 x-ray naïve İki \u212alvin ß 痛み".split()

    def text(length, newline, words=words):
        return "".join(r.choice(words) + r.choice(["\n", "\n\n"] if r.random() < newline else [" ", ", ", ". ", "  "])
                       for _ in range(length))

    pairs = [("", ""), ("pain", ""), ("", "pain"), ("...", "!?"), ("\n\n", "\n"), ("pain", "Pain."), ("a b", "b a"),
             ("a", "a a a"), ("a a a", "a"), ("a b c d", "a b c d"), ("a b\nc d", "c d\na b"), ("a b\nc d", "a b c d"),
             ("a b c\na b c", "a b c"), ("a\nb", "a\r\nb"), ("don't", "dont"), ("\u0130stanbul", "i stanbul"),
             ("4\u212a", "4k"), ("e\u0301", "e"), ("1 2 1 2 1", "2 1 2 1 2"), ("x" * 300, "x" * 300), ("x" * 300, "x" * 299)]
    for i in range(280):
        newline = r.choice([0, 0.05, 0.2, 0.5])
        few = words[: r.choice([2, 3, len(words)])]  # of few words many subsequences are longest
        ref = text(r.choice([1, 2, 5, 20, 60]), newline, few)
        if i % 3 == 0:  # an edit of the reference
            pieces = ref.split(" ")
            can = " ".join(r.choice(words) if r.random() < 0.2 else p for p in pieces if r.random() < 0.9)
        else:
            can = text(r.choice([0, 1, 3, 10, 40]), newline, few)
        pairs.append((ref, can))
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
    return [{"reference": ref, "candidate": can, **{k: list(v) for k, v in scorer.score(ref, can).items()}}
            for ref, can in pairs]


def interval_cases(r, g):
    cases = []
    for n in [1, 2, 3, 7, 50, 101]:
        x = sorted(round(r.gauss(0, 1), 6) for _ in range(n))
        for q in [0, 0.025, 0.3, 0.5, 0.975, 1]:
            cases.append({"kind": "quantile", "x": x, "q": q, "value": float(np.quantile(x, q))})
    for n in [1, 2, 5, 30, 100, 1234]:
        for k in sorted({0, 1, n // 3, n - 1, n}):
            ci = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
            cases.append({"kind": "share", "right": k, "n": n, "low": ci.low, "high": ci.high})
    for a, b in [(0, 0), (1, 0), (0, 1), (5, 5), (3, 9), (12, 2), (0, 20), (60, 90), (700, 800), (5, 800), (5, 1500), (2000, 2000)]:
        p = stats.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        cases.append({"kind": "mcnemar", "a": a, "b": b, "p": float(p)})
    for i in range(40):
        n = r.randint(1, 11)
        digits = r.choice([0, 1, 6])  # few digits: many ties and zeros
        a = [round(r.uniform(0, 3), digits) for _ in range(n)]
        b = [round(r.uniform(0, 2), digits) for _ in range(n)]
        if n == 1:
            p = 1.0
        else:
            p = stats.permutation_test((np.array(a), np.array(b)), lambda x, y, axis: np.mean(x - y, axis=axis),
                                       permutation_type="samples", n_resamples=np.inf, vectorized=True).pvalue
        cases.append({"kind": "permutation", "a": a, "b": b, "p": float(p)})
    for n in [10, 30, 100, 300]:
        for draw in [lambda: g.normal(5, 2, n), lambda: g.exponential(1, n), lambda: (g.random(n) < 0.8) * 1.0]:
            x = np.round(draw(), 6)
            ci = stats.bootstrap((x,), np.mean, method="percentile", n_resamples=100000, batch=1000, rng=g)
            cases.append({"kind": "bootstrap", "x": x.tolist(), "low": float(ci.confidence_interval.low),
                          "high": float(ci.confidence_interval.high)})
    return cases


def calibration_cases(r, g):
    cases = []
    for i in range(40):
        K, n, bins = r.randint(2, 6), r.choice([1, 2, 20, 100]), r.choice([1, 5, 10, 15])
        p = g.dirichlet([r.choice([0.1, 0.5, 2])] * K, n)
        if i % 4 == 0:
            p = np.eye(K)[g.integers(0, K, n)]  # all certain
        truth = g.integers(0, K, n)
        confidence, right = p.max(axis=1), p.argmax(axis=1) == truth
        true, said = calibration_curve(right, confidence, n_bins=bins, pos_label=True)
        ids = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
        weight = np.bincount(ids, minlength=bins)
        weight = weight[weight > 0] / n
        cases.append({"labels": K, "bins": bins, "p": p.ravel().tolist(), "truth": truth.tolist(),
                      "ece": float(np.sum(weight * np.abs(true - said))),
                      "brier": float(metrics.brier_score_loss(truth, p, labels=list(range(K)), scale_by_half=False)),
                      "log_loss": float(metrics.log_loss(truth, p, labels=list(range(K))))})
    return cases


rng, gen = random.Random(7), np.random.default_rng(7)
write("metrics.json", label_cases(rng))
write("rouge.json", rouge_cases(rng))
write("interval.json", interval_cases(rng, gen))
write("calibration.json", calibration_cases(rng, gen))

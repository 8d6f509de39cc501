"""One model in depth, its versions side by side."""

from __future__ import annotations

from boards.panels import (
    GREEN,
    OUTCOMES,
    QUANTILES,
    RED,
    STAGES,
    STATES,
    YELLOW,
    Dashboard,
    Query,
    Variable,
    heatmap,
    lines,
    row,
    stat,
    steps,
    table,
)
from boards.promql import burn, failed_share, increase, mean, of_objective, quantile, rate

THIS = 'model="$model", version=~"$version"'
VERSION = "version"
DURATION = "model_request_duration_seconds"
STAGE = "model_stage_duration_seconds"
OBJECTIVE = f"min(model_latency_objective_seconds{{{THIS}}})"

NOW = row(
    "$model, now",
    stat(
        "Requests",
        "Per second, of the chosen versions. None where there should be some: see its share on the Overview; "
        "docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total", THIS)),
        unit="reqps",
    ),
    stat(
        "Failed requests",
        "Share of 5xx. Above the objective (table below) see Errors; docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share(THIS)),
        unit="percentunit",
        thresholds=steps((0.001, YELLOW), (0.01, RED)),
        decimals=2,
    ),
    stat(
        "p99",
        "Of the successful requests. Whether it is too much says the panel beside; which stage it is, the panels "
        "below.",
        Query(quantile(0.99, DURATION, THIS)),
        unit="s",
    ),
    stat(
        "p99, of its objective",
        "The worst of the chosen versions. Above 100 % the model misses what its model.yaml promises; "
        "docs/guides/runbook.md#latencyoverobjective.",
        Query(f"max({of_objective(THIS)})"),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (1, RED)),
        decimals=0,
    ),
    stat(
        "Ready workers",
        "At 0 the model answers 503: see its worker's last words with `scripts/stack logs`; "
        "docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{THIS}, state="ready"}})'),
        unit="none",
        thresholds=steps((1, GREEN), base=RED),
    ),
    stat(
        "Restarts of workers",
        "In the time range shown. More than one or two: a crash loop, often memory; "
        "docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", THIS)),
        unit="none",
        thresholds=steps((0.5, YELLOW), (3, RED)),
        decimals=0,
    ),
    table(
        "What is served",
        "Engine and precision are those in use: a worker that had to fall back says so, see its log for the reason "
        "and rebuild the model. An accuracy is that of the test set; docs/guides/runbook.md#canaryworse.",
        Query(f"max by (version, engine, precision, weights, trained, accuracy, sha256) (model_info{{{THIS}}})"),
        Query(f"max by (version) (model_latency_objective_seconds{{{THIS}}})"),
        Query(f"max by (version) (model_availability_objective_ratio{{{THIS}}})"),
        columns={
            "version": "Version",
            "engine": "Engine",
            "precision": "Precision",
            "weights": "Weights",
            "trained": "Trained",
            "accuracy": "Accuracy",
            "Value #B": "Objective p99",
            "Value #C": "Objective availability",
            "sha256": "Archive's sha256",
        },
        height=5,
        units={"Objective p99": "s", "Objective availability": "percentunit"},
    ),
)

REQUESTS = row(
    "Traffic and errors",
    lines(
        "Requests by outcome",
        "2xx answered, 4xx the client's mistakes, 5xx ours. 4xx: a client sends what this model does not read. 5xx: "
        "docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(rate("model_requests_total", THIS, "outcome"), "{{outcome}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
    lines(
        "Requests by version",
        "A canary has the share that `scripts/stack release canary` gave it, and what names it. A version that should "
        "have traffic and has none: `scripts/stack release list`.",
        Query(rate("model_requests_total", THIS, VERSION), "{{version}}"),
        unit="reqps",
    ),
    lines(
        "Failed requests by version",
        "Share of 5xx. A canary above the stable version: `scripts/stack release rollback $model`; "
        "docs/guides/runbook.md#canaryworse.",
        Query(failed_share(THIS, VERSION), "{{version}}"),
        unit="percentunit",
    ),
    lines(
        "Burn of the error budget, 5 min and 1 h",
        "How many times faster than the objective allows errors came. Above 1 (dashed) the budget will not last; "
        "docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(burn(THIS, VERSION, "5m"), "{{version}}, 5 min"),
        Query(burn(THIS, VERSION, "1h"), "{{version}}, 1 h"),
        unit="none",
        bad=1,
    ),
    lines(
        "Requests in flight",
        "Accepted and not answered, the queue included. One that only rises: a worker that hangs; "
        "docs/guides/runbook.md#queuefilling.",
        Query(f"sum by (version) (model_requests_in_flight{{{THIS}}})", "{{version}}"),
        unit="none",
    ),
    lines(
        "Requests by protocol",
        "HTTP and gRPC, of the chosen versions; nothing here is bad by itself, it says which clients a fault concerns.",
        Query(rate("model_requests_total", THIS, "protocol"), "{{protocol}}"),
        unit="reqps",
    ),
)

LATENCY = row(
    "Latency",
    lines(
        "p50, p90, p99",
        "Of the successful requests, and the objective for the p99 (dashed). Above it: which stage grows? "
        "docs/guides/runbook.md#latencyoverobjective.",
        *[Query(quantile(share, DURATION, THIS), f"p{share * 100:.0f}") for share in (0.5, 0.9, 0.99)],
        Query(OBJECTIVE, "objective"),
        colours=QUANTILES,
        unit="s",
        wide_range=True,
        width=12,
    ),
    lines(
        "p99 by version",
        "A canary that is slower than the stable version: `scripts/stack release rollback $model`; "
        "docs/guides/runbook.md#canaryworse.",
        Query(quantile(0.99, DURATION, THIS, VERSION), "{{version}}"),
        Query(OBJECTIVE, "objective"),
        unit="s",
        wide_range=True,
        width=12,
    ),
    heatmap(
        "All requests by duration",
        "Each column is a moment, each cell how many requests took so long. Two bands are two kinds of requests, or "
        "two versions; a band that climbs is a queue; docs/guides/runbook.md#latencyoverobjective.",
        Query(f"sum by (le) (increase({DURATION}_bucket{{{THIS}}}[$__rate_interval]))"),
        unit="s",
        width=24,
        height=9,
    ),
)

WHERE_THE_TIME_GOES = row(
    "Stages: where the time goes",
    lines(
        "Mean of each stage",
        "Stacked: the whole is the time of a mean request in the server. queue grows with load, so add workers or "
        "raise the batch size; decode with the pictures' size; inference with the engine and the CPU; "
        "docs/guides/runbook.md#latencyoverobjective.",
        *[Query(mean(STAGE, f'{THIS}, stage="{stage}"'), stage) for stage in STAGES],
        colours=STAGES,
        unit="s",
        stacked=True,
        width=12,
    ),
    lines(
        "p99 of each stage",
        "The stage that is worst for the slowest requests; they need not add up. A slow queue with a fast inference "
        "is a burst; docs/guides/runbook.md#queuefilling.",
        *[Query(quantile(0.99, STAGE, f'{THIS}, stage="{stage}"'), stage) for stage in STAGES],
        colours=STAGES,
        unit="s",
        width=12,
    ),
    lines(
        "Mean inference by version",
        "The engine alone. A new version that is slower here has a heavier network, or fell back to another engine "
        "(table above).",
        Query(mean(STAGE, f'{THIS}, stage="inference"', VERSION), "{{version}}"),
        unit="s",
        width=12,
    ),
    lines(
        "Mean time in the queue by version",
        "Waiting for a worker and for the batch to fill (maxBatchDelay). Above the inference's time: more workers; "
        "docs/guides/runbook.md#queuefilling.",
        Query(mean(STAGE, f'{THIS}, stage="queue"', VERSION), "{{version}}"),
        unit="s",
        width=12,
    ),
)

CAPACITY = row(
    "Queue, batches, workers",
    lines(
        "Queue and its capacity",
        "Requests that wait. At the capacity (dashed) further ones get 503 at once; "
        "docs/guides/runbook.md#queuefilling.",
        Query(f"sum by (version) (model_queue_depth{{{THIS}}})", "{{version}}"),
        Query(f"sum(model_queue_capacity{{{THIS}}})", "capacity"),
        unit="none",
    ),
    lines(
        "Mean batch size",
        "Requests that share one run of the model. 1 under load: batchSize or maxBatchDelay is too small; "
        "`scripts/stack tune` finds better ones.",
        Query(mean("model_batch_size", THIS, VERSION), "{{version}}"),
        unit="none",
    ),
    heatmap(
        "Batches by size",
        "How many batches of each size. Always the largest: a larger batchSize may carry more; `scripts/stack tune`.",
        Query(f"sum by (le) (increase(model_batch_size_bucket{{{THIS}}}[$__rate_interval]))"),
        unit="none",
        width=8,
    ),
    lines(
        "Workers by state",
        "starting for long, or failed: the worker does not load; its log says why (`scripts/stack logs $model`); "
        "docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"sum by (state, version) (model_workers{{{THIS}}})", "{{state}} {{version}}"),
        colours=STATES,
        unit="none",
    ),
    lines(
        "Restarts over time",
        "Each is a worker that died and the requests that it held. Again and again: "
        "docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", THIS, VERSION, "$__rate_interval"), "{{version}}"),
        unit="none",
    ),
    lines(
        "Memory of the workers",
        "Resident, shared pages counted in each. One that only rises is a leak: "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by (version) (model_worker_memory_bytes{{{THIS}}})", "{{version}}"),
        unit="bytes",
    ),
)

MODEL = Dashboard(
    uid="stack-model",
    title="Model",
    description="One model in depth, its versions side by side.",
    rows=(NOW, REQUESTS, LATENCY, WHERE_THE_TIME_GOES, CAPACITY),
    variables=(
        Variable("model", "Model", "label_values(model_info, model)"),
        Variable("version", "Version", 'label_values(model_info{model="$model"}, version)', many=True),
    ),
)

"""The dashboard Model: one model in depth, with its versions side by side."""

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
        "Per second, for the chosen versions. If there should be some but are none, check the version's share on the "
        "Overview; see docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total", THIS)),
        unit="reqps",
    ),
    stat(
        "Failed requests",
        "Share of 5xx. If it is above the objective (table below), see docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share(THIS)),
        unit="percentunit",
        thresholds=steps((0.001, YELLOW), (0.01, RED)),
        decimals=2,
    ),
    stat(
        "p99",
        "Of the successful requests. The next panel compares it with the objective; the panels below show which stage "
        "takes the time.",
        Query(quantile(0.99, DURATION, THIS)),
        unit="s",
    ),
    stat(
        "p99 relative to its objective",
        "The worst of the chosen versions. Above 100 %, the model misses the objective in its model.yaml; see "
        "docs/guides/runbook.md#latencyoverobjective.",
        Query(f"max({of_objective(THIS)})"),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (1, RED)),
        decimals=0,
    ),
    stat(
        "Ready workers",
        "At 0, the model answers with 503: read its worker's last log lines with `scripts/stack logs`; "
        "see docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f'sum(model_workers{{{THIS}, state="ready"}})'),
        unit="none",
        thresholds=steps((1, GREEN), base=RED),
    ),
    stat(
        "Worker restarts",
        "In the time range shown. More than one or two mean a crash loop, often for lack of memory; "
        "see docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", THIS)),
        unit="none",
        thresholds=steps((0.5, YELLOW), (3, RED)),
        decimals=0,
    ),
    table(
        "Served versions",
        "Engine and precision are the ones in use. If a worker had to fall back to others, its log has the reason; "
        "then rebuild the model. The accuracy was measured on the test set; see docs/guides/runbook.md#canaryworse.",
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
            "sha256": "Archive SHA-256",
        },
        height=5,
        units={"Objective p99": "s", "Objective availability": "percentunit"},
    ),
)

REQUESTS = row(
    "Traffic and errors",
    lines(
        "Requests by outcome",
        "2xx are answers, 4xx are the client's errors (it sends what this model cannot read), 5xx are ours: see "
        "docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(rate("model_requests_total", THIS, "outcome"), "{{outcome}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
    lines(
        "Requests by version",
        "A canary gets the share set by `scripts/stack release canary`, plus the requests that name it. If a version "
        "should have traffic but has none, run `scripts/stack release list`.",
        Query(rate("model_requests_total", THIS, VERSION), "{{version}}"),
        unit="reqps",
    ),
    lines(
        "Failed requests by version",
        "Share of 5xx. If the canary is above the stable version, run `scripts/stack release rollback $model`; "
        "see docs/guides/runbook.md#canaryworse.",
        Query(failed_share(THIS, VERSION), "{{version}}"),
        unit="percentunit",
    ),
    lines(
        "Error budget burn rate, 5 min and 1 h",
        "How many times faster errors occur than the objective allows. Above 1 (dashed) the budget will not last; "
        "see docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(burn(THIS, VERSION, "5m"), "{{version}}, 5 min"),
        Query(burn(THIS, VERSION, "1h"), "{{version}}, 1 h"),
        unit="none",
        bad=1,
    ),
    lines(
        "Requests in flight",
        "Accepted but not yet answered, including the queue. If the number only rises, a worker hangs; "
        "see docs/guides/runbook.md#queuefilling.",
        Query(f"sum by (version) (model_requests_in_flight{{{THIS}}})", "{{version}}"),
        unit="none",
    ),
    lines(
        "Requests by protocol",
        "HTTP and gRPC, for the chosen versions. Neither is a problem by itself, but it shows which clients a fault "
        "affects.",
        Query(rate("model_requests_total", THIS, "protocol"), "{{protocol}}"),
        unit="reqps",
    ),
)

LATENCY = row(
    "Latency",
    lines(
        "p50, p90, p99",
        "Of the successful requests, with the objective for the p99 (dashed). If the p99 is above it, find out which "
        "stage grows; see docs/guides/runbook.md#latencyoverobjective.",
        *[Query(quantile(share, DURATION, THIS), f"p{share * 100:.0f}") for share in (0.5, 0.9, 0.99)],
        Query(OBJECTIVE, "objective"),
        colours=QUANTILES,
        unit="s",
        wide_range=True,
        width=12,
    ),
    lines(
        "p99 by version",
        "If the canary is slower than the stable version, run `scripts/stack release rollback $model`; "
        "see docs/guides/runbook.md#canaryworse.",
        Query(quantile(0.99, DURATION, THIS, VERSION), "{{version}}"),
        Query(OBJECTIVE, "objective"),
        unit="s",
        wide_range=True,
        width=12,
    ),
    heatmap(
        "All requests by duration",
        "Each column is a point in time, each cell the number of requests with that duration. Two bands are two kinds "
        "of requests or two versions; a rising band is a queue; see docs/guides/runbook.md#latencyoverobjective.",
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
        "Stacked, so that the top is the mean time of a request in the server. queue grows with the load: add workers "
        "or raise the batch size. decode depends on the pictures' size, inference on the engine and the CPU; see "
        "docs/guides/runbook.md#latencyoverobjective.",
        *[Query(mean(STAGE, f'{THIS}, stage="{stage}"'), stage) for stage in STAGES],
        colours=STAGES,
        unit="s",
        stacked=True,
        width=12,
    ),
    lines(
        "p99 of each stage",
        "Shows which stage is slowest for the slowest requests; the values do not add up. A slow queue with a fast "
        "inference means a burst; see docs/guides/runbook.md#queuefilling.",
        *[Query(quantile(0.99, STAGE, f'{THIS}, stage="{stage}"'), stage) for stage in STAGES],
        colours=STAGES,
        unit="s",
        width=12,
    ),
    lines(
        "Mean inference by version",
        "The engine only. If a new version is slower here, its network is heavier or it fell back to another engine "
        "(table above).",
        Query(mean(STAGE, f'{THIS}, stage="inference"', VERSION), "{{version}}"),
        unit="s",
        width=12,
    ),
    lines(
        "Mean time in the queue by version",
        "Time spent waiting for a worker and for the batch to fill (maxBatchDelay). If it is longer than the "
        "inference, add workers; see docs/guides/runbook.md#queuefilling.",
        Query(mean(STAGE, f'{THIS}, stage="queue"', VERSION), "{{version}}"),
        unit="s",
        width=12,
    ),
)

CAPACITY = row(
    "Queue, batches, workers",
    lines(
        "Queue and its capacity",
        "Waiting requests. At the capacity (dashed), further ones get a 503 at once; "
        "see docs/guides/runbook.md#queuefilling.",
        Query(f"sum by (version) (model_queue_depth{{{THIS}}})", "{{version}}"),
        Query(f"sum(model_queue_capacity{{{THIS}}})", "capacity"),
        unit="none",
    ),
    lines(
        "Mean batch size",
        "Requests that share one run of the model. If it is 1 under load, batchSize or maxBatchDelay is too small; "
        "`scripts/stack tune` finds better values.",
        Query(mean("model_batch_size", THIS, VERSION), "{{version}}"),
        unit="none",
    ),
    heatmap(
        "Batches by size",
        "Number of batches of each size. If most have the largest size, a larger batchSize may help; run "
        "`scripts/stack tune`.",
        Query(f"sum by (le) (increase(model_batch_size_bucket{{{THIS}}}[$__rate_interval]))"),
        unit="none",
        width=8,
    ),
    lines(
        "Workers by state",
        "A worker that is failed, or starting for long, cannot load the model; its log says why (`scripts/stack logs "
        "$model`); see docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"sum by (state, version) (model_workers{{{THIS}}})", "{{state}} {{version}}"),
        colours=STATES,
        unit="none",
    ),
    lines(
        "Restarts over time",
        "Each one is a worker that died together with its current requests. If they recur, see "
        "docs/guides/runbook.md#workercrashloop.",
        Query(increase("model_worker_restarts_total", THIS, VERSION, "$__rate_interval"), "{{version}}"),
        unit="none",
    ),
    lines(
        "Memory of the workers",
        "Resident memory, with shared pages counted in each. If it only rises, it leaks: see "
        "docs/guides/runbook.md#memorynearlimit.",
        Query(f"sum by (version) (model_worker_memory_bytes{{{THIS}}})", "{{version}}"),
        unit="bytes",
    ),
)

MODEL = Dashboard(
    uid="stack-model",
    title="Model",
    description="One model in depth, with its versions side by side.",
    rows=(NOW, REQUESTS, LATENCY, WHERE_THE_TIME_GOES, CAPACITY),
    variables=(
        Variable("model", "Model", "label_values(model_info, model)"),
        Variable("version", "Version", 'label_values(model_info{model="$model"}, version)', many=True),
    ),
)

"""All models and the edge by the four golden signals: what to look at first."""

from __future__ import annotations

from boards.panels import GREEN, GREY, OUTCOMES, RED, YELLOW, Dashboard, Query, lines, row, stat, steps, table
from boards.promql import OBSERVED, burn, failed_share, increase, of_objective, quantile, rate

DAY = 86400
MODEL = "model, version"
NAME = "{{model}} {{version}}"
# Without the requests that named no model that is served.
KNOWN = 'model!="-"'
EDGE = 'proxy="edge"'
FIRING = 'ALERTS{alertstate="firing"}'
READY = f'sum by ({MODEL}) (model_workers{{state="ready"}})'

NOW = row(
    "Now",
    stat(
        "Alerts firing",
        "Each has a section in docs/guides/runbook.md: read it before you change anything. 0 is good.",
        Query(f"count({FIRING}) or vector(0)"),
        unit="none",
        thresholds=steps((1, RED)),
    ),
    stat(
        "Models without a ready worker",
        "They answer 503. See what their worker says with `scripts/stack logs MODEL`; "
        "docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"count({READY} == 0) or vector(0)"),
        unit="none",
        thresholds=steps((1, RED)),
    ),
    stat(
        "Requests",
        "Predictions and explanations per second, whatever became of them. None at all where there should be some: is "
        "the edge reachable? docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total")),
        unit="reqps",
    ),
    stat(
        "Failed requests",
        "Share of 5xx. Above 0.1 %, the default objective, see which model it is below, under Errors; "
        "docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share()),
        unit="percentunit",
        thresholds=steps((0.001, YELLOW), (0.01, RED)),
        decimals=2,
    ),
    stat(
        "Slowest p99, of its objective",
        "The 99th percentile of the model that is nearest to its objective, or furthest above it. Above 100 % see "
        "which it is below, under Latency; docs/guides/runbook.md#latencyoverobjective.",
        Query(f"max({of_objective(KNOWN)})"),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (1, RED)),
        decimals=0,
    ),
    stat(
        "Certificate expires in",
        "Of the edge's TLS certificate. Under 14 days write a new one (`scripts/stack certs`, or your own "
        "authority's) and see the edge reload it; docs/guides/runbook.md#certificateexpiring.",
        Query("min(edge_certificate_expiry_timestamp_seconds) - time() or vector(-1)"),
        unit="s",
        thresholds=steps((0, RED), (3 * DAY, YELLOW), (14 * DAY, GREEN), base=GREY),
        mappings=[{"type": "value", "options": {"-1": {"text": "no TLS", "index": 0}}}],
    ),
    table(
        "What fires",
        "Start with the most severe one: its section in docs/guides/runbook.md has the alert's name.",
        Query(f'{FIRING} or on() label_replace(vector(0), "alertname", "nothing", "", "")'),
        columns={
            "alertname": "Alert",
            "severity": "Severity",
            "model": "Model",
            "version": "Version",
            "instance": "Where",
        },
        height=4,
        links={"Model": "/d/stack-model?var-model=${__value.text}"},
    ),
)

LATENCY = row(
    "Latency",
    lines(
        "p99 by model",
        "From a request's arrival at TorchServe to its answer, of the successful ones. One that rises: open the "
        "model's dashboard and see which of its stages grows; docs/guides/runbook.md#latencyoverobjective.",
        Query(quantile(0.99, "model_request_duration_seconds", KNOWN, MODEL), NAME),
        unit="s",
        wide_range=True,
    ),
    lines(
        "p99 in parts of the objective",
        "Above the dashed line a model misses the p99 that its model.yaml promises; "
        "docs/guides/runbook.md#latencyoverobjective.",
        Query(of_objective(KNOWN), NAME),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "At the edge, mean of the last 1,024 requests",
        "What HAProxy saw: waiting for a connection, connecting, and TorchServe's whole answer. Where the edge's "
        "figure is far above the models', the time is lost in between: too few TorchServes, or a starved edge "
        "(Hardware).",
        Query('max(haproxy_backend_response_time_average_seconds{proxy="torchserve"})', "answer"),
        Query('max(haproxy_backend_queue_time_average_seconds{proxy="torchserve"})', "waiting"),
        Query('max(haproxy_backend_connect_time_average_seconds{proxy="torchserve"})', "connecting"),
        unit="s",
    ),
)

TRAFFIC = row(
    "Traffic",
    lines(
        "Requests by model",
        "Predictions and explanations; - are those that named no model that is served. A sudden end of one model's "
        "traffic: did a release change (below)? docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total", by=MODEL), NAME),
        unit="reqps",
    ),
    lines(
        "Requests by outcome",
        "2xx answered, 4xx the client's mistakes, 5xx ours. Many 4xx: a client that sends what no model reads; see "
        "its lines with `scripts/stack logs`. 5xx: docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(rate("model_requests_total", by="outcome"), "{{outcome}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
    lines(
        "Requests by protocol",
        "HTTP and gRPC. What comes directly to TorchServe's ports is here too; what came through the edge is beside.",
        Query(rate("model_requests_total", by="protocol"), "{{protocol}}"),
        Query(rate("haproxy_frontend_http_requests_total", EDGE), "at the edge"),
        unit="reqps",
    ),
    lines(
        "Share of each version",
        "Of the requests that name no version, as `scripts/stack release` has set it. A canary that is worse than the "
        "stable version: `scripts/stack release rollback MODEL`; docs/guides/runbook.md#canaryworse.",
        Query(f"max by ({MODEL}, role) (edge_release_weight_percent)", "{{model}} {{version}} {{role}}"),
        unit="percent",
        top=100,
        width=12,
    ),
    lines(
        "Reloads of the edge",
        "ok: a release, a key or a certificate was read anew. refused: the edge goes on with the old ones; its log "
        "says why (`scripts/stack logs`).",
        Query(increase("edge_reloads_total", by="result", over=OBSERVED), "{{result}}"),
        unit="none",
        width=12,
    ),
)

ERRORS = row(
    "Errors",
    lines(
        "Failed requests by model",
        "Share of 5xx. Dashed: 0.1 %, the default objective. Open the model's dashboard: 503 with a full queue is "
        "load, any other 5xx is the handler or its worker; docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share(by=MODEL), NAME),
        unit="percentunit",
        bad=0.001,
    ),
    lines(
        "Burn of the error budget, 1 h",
        "How many times faster than the availability objective allows errors came in the last hour. Above 1 (dashed) "
        "the budget will not last; above 14.4 it is gone in two days; docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(burn(KNOWN, over="1h"), NAME),
        unit="none",
        bad=1,
    ),
    lines(
        "Answers of the edge by code",
        "What clients got, 429 (too many), 401 and 403 (keys) included. 5xx that no model counted are the edge's own: "
        "no TorchServe was ready; docs/guides/runbook.md#servicedown.",
        Query(rate("haproxy_frontend_http_responses_total", f'{EDGE}, code=~"[245]xx"', "code"), "{{code}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
)

SATURATION = row(
    "Saturation",
    lines(
        "Queues, of their capacity",
        "At 100 % further requests are answered with 503 at once. Above half for long: more workers, a larger batch, "
        "or more TorchServes; docs/guides/runbook.md#queuefilling.",
        Query(f"max by ({MODEL}) (model_queue_depth / model_queue_capacity)", NAME),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "CPU, of the limit",
        "Of each container. At 100 % work waits for CPU and every stage slows down: raise TORCHSERVE_CPUS or add "
        "TorchServes; throttled time is on the dashboard Hardware.",
        Query(f"max by (job) (rate(container_cpu_seconds_total[{OBSERVED}]) / container_cpu_limit_cores)", "{{job}}"),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "Memory, of the limit",
        "Of each container, without what the kernel can drop. At 100 % the kernel kills a worker: fewer workers or a "
        "higher TORCHSERVE_MEMORY; docs/guides/runbook.md#memorynearlimit.",
        Query("max by (job) (container_memory_bytes / container_memory_limit_bytes)", "{{job}}"),
        unit="percentunit",
        bad=0.9,
        top=1,
    ),
    lines(
        "Requests in flight",
        "Accepted and not answered, those in the queue included. One that only rises: a worker that does not answer; "
        "docs/guides/runbook.md#queuefilling.",
        Query(f"sum by ({MODEL}) (model_requests_in_flight)", NAME),
        unit="none",
        width=12,
    ),
    lines(
        "Connections of the edge, of their limit",
        "At 100 % new clients wait before the edge reads them: clients that keep connections for nothing, or a flood; "
        "EDGE_RATE limits each client.",
        Query("max by (job) (haproxy_process_current_connections / haproxy_process_max_connections)", "connections"),
        unit="percentunit",
        bad=1,
        width=12,
    ),
)

OVERVIEW = Dashboard(
    uid="stack-overview",
    title="Overview",
    description="All models and the edge by the four golden signals.",
    rows=(NOW, LATENCY, TRAFFIC, ERRORS, SATURATION),
)

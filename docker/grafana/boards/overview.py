"""The dashboard Overview, the one to look at first: all models and the edge by the four golden signals."""

from __future__ import annotations

from boards.panels import GREEN, GREY, OUTCOMES, RED, YELLOW, Dashboard, Query, lines, row, stat, steps, table
from boards.promql import OBSERVED, burn, failed_share, increase, of_objective, quantile, rate

DAY = 86400
MODEL = "model, version"
NAME = "{{model}} {{version}}"
# Leaves out requests that did not name a served model.
KNOWN = 'model!="-"'
EDGE = 'proxy="edge"'
FIRING = 'ALERTS{alertstate="firing"}'
READY = f'sum by ({MODEL}) (model_workers{{state="ready"}})'

NOW = row(
    "Now",
    stat(
        "Alerts firing",
        "Each alert has a section in docs/guides/runbook.md: read it before you change anything. 0 is good.",
        Query(f"count({FIRING}) or vector(0)"),
        unit="none",
        thresholds=steps((1, RED)),
    ),
    stat(
        "Models without a ready worker",
        "They answer with 503. Read their workers' log with `scripts/stack logs MODEL`; "
        "see docs/guides/runbook.md#modelwithoutreadyworker.",
        Query(f"count({READY} == 0) or vector(0)"),
        unit="none",
        thresholds=steps((1, RED)),
    ),
    stat(
        "Requests",
        "Predictions and explanations per second, whatever their outcome. If there should be some but are none, check "
        "whether the edge is reachable; see docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total")),
        unit="reqps",
    ),
    stat(
        "Failed requests",
        "Share of 5xx. Above 0.1 %, the default objective, look under Errors below for the model; "
        "see docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share()),
        unit="percentunit",
        thresholds=steps((0.001, YELLOW), (0.01, RED)),
        decimals=2,
    ),
    stat(
        "Worst p99 relative to its objective",
        "The 99th percentile of the model that is closest to its objective or furthest above it. Above 100 %, look "
        "under Latency below for the model; see docs/guides/runbook.md#latencyoverobjective.",
        Query(f"max({of_objective(KNOWN)})"),
        unit="percentunit",
        thresholds=steps((0.8, YELLOW), (1, RED)),
        decimals=0,
    ),
    stat(
        "Certificate expires in",
        "The edge's TLS certificate. Below 14 days, write a new one (with `scripts/stack certs`, or from your own "
        "authority) and check that the edge reloads it; see docs/guides/runbook.md#certificateexpiring.",
        Query("min(edge_certificate_expiry_timestamp_seconds) - time() or vector(-1)"),
        unit="s",
        thresholds=steps((0, RED), (3 * DAY, YELLOW), (14 * DAY, GREEN), base=GREY),
        mappings=[{"type": "value", "options": {"-1": {"text": "no TLS", "index": 0}}}],
    ),
    table(
        "Firing alerts",
        "Start with the most severe one: docs/guides/runbook.md has a section with the name of the alert.",
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
        "From a request's arrival at TorchServe to its answer, for successful requests. If it rises, open the model's "
        "dashboard to see which stage grows; see docs/guides/runbook.md#latencyoverobjective.",
        Query(quantile(0.99, "model_request_duration_seconds", KNOWN, MODEL), NAME),
        unit="s",
        wide_range=True,
    ),
    lines(
        "p99 relative to the objective",
        "Above the dashed line, a model misses the p99 objective in its model.yaml; "
        "see docs/guides/runbook.md#latencyoverobjective.",
        Query(of_objective(KNOWN), NAME),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "At the edge, mean of the last 1,024 requests",
        "As HAProxy saw it: waiting for a connection, connecting, and TorchServe's whole answer. If the edge's values "
        "are far above the models', the time is lost in between: there are too few TorchServes, or the edge lacks CPU "
        "(see Hardware).",
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
        "Predictions and explanations; - stands for requests that did not name a served model. If a model's traffic "
        "stops suddenly, check whether a release changed (below); see docs/guides/runbook.md#servicedown.",
        Query(rate("model_requests_total", by=MODEL), NAME),
        unit="reqps",
    ),
    lines(
        "Requests by outcome",
        "2xx are answers, 4xx the client's errors, 5xx ours. Many 4xx: a client sends what no model can read; find its "
        "lines with `scripts/stack logs`. For 5xx, see docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(rate("model_requests_total", by="outcome"), "{{outcome}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
    lines(
        "Requests by protocol",
        "HTTP and gRPC, including requests sent directly to TorchServe's ports; those through the edge are a separate "
        "line.",
        Query(rate("model_requests_total", by="protocol"), "{{protocol}}"),
        Query(rate("haproxy_frontend_http_requests_total", EDGE), "at the edge"),
        unit="reqps",
    ),
    lines(
        "Share of each version",
        "Share of the requests that do not name a version, as set by `scripts/stack release`. If the canary is worse "
        "than the stable version, run `scripts/stack release rollback MODEL`; see docs/guides/runbook.md#canaryworse.",
        Query(f"max by ({MODEL}, role) (edge_release_weight_percent)", "{{model}} {{version}} {{role}}"),
        unit="percent",
        top=100,
        width=12,
    ),
    lines(
        "Edge reloads",
        "ok: a new release, key or certificate was loaded. refused: the edge keeps the old ones; its log says why "
        "(`scripts/stack logs`).",
        Query(increase("edge_reloads_total", by="result", over=OBSERVED), "{{result}}"),
        unit="none",
        width=12,
    ),
)

ERRORS = row(
    "Errors",
    lines(
        "Failed requests by model",
        "Share of 5xx. Dashed: 0.1 %, the default objective. Open the model's dashboard: a 503 with a full queue is "
        "due to load, any other 5xx to the handler or its worker; see docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(failed_share(by=MODEL), NAME),
        unit="percentunit",
        bad=0.001,
    ),
    lines(
        "Error budget burn rate, 1 h",
        "How many times faster errors occurred in the last hour than the availability objective allows. Above 1 "
        "(dashed) the budget will not last; above 14.4 it is gone in two days; see "
        "docs/guides/runbook.md#modelerrorbudgetburn.",
        Query(burn(KNOWN, over="1h"), NAME),
        unit="none",
        bad=1,
    ),
    lines(
        "Edge responses by code",
        "What clients got, including 429 (too many requests), 401 and 403 (keys). 5xx that no model counted are the "
        "edge's own: no TorchServe was ready; see docs/guides/runbook.md#servicedown.",
        Query(rate("haproxy_frontend_http_responses_total", f'{EDGE}, code=~"[245]xx"', "code"), "{{code}}"),
        colours=OUTCOMES,
        unit="reqps",
        stacked=True,
    ),
)

SATURATION = row(
    "Saturation",
    lines(
        "Queues relative to their capacity",
        "At 100 %, further requests get a 503 at once. If it stays above half, use more workers, a larger batch, or "
        "more TorchServes; see docs/guides/runbook.md#queuefilling.",
        Query(f"max by ({MODEL}) (model_queue_depth / model_queue_capacity)", NAME),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "CPU relative to its limit",
        "By container. At 100 %, work waits for CPU and every stage slows down: raise TORCHSERVE_CPUS or add "
        "TorchServes. The dashboard Hardware shows throttling.",
        Query(f"max by (job) (rate(container_cpu_seconds_total[{OBSERVED}]) / container_cpu_limit_cores)", "{{job}}"),
        unit="percentunit",
        bad=1,
    ),
    lines(
        "Memory relative to its limit",
        "By container, without cache that the kernel can reclaim. At 100 %, the kernel kills a worker: use fewer "
        "workers or raise TORCHSERVE_MEMORY; see docs/guides/runbook.md#memorynearlimit.",
        Query("max by (job) (container_memory_bytes / container_memory_limit_bytes)", "{{job}}"),
        unit="percentunit",
        bad=0.9,
        top=1,
    ),
    lines(
        "Requests in flight",
        "Accepted but not yet answered, including those in the queue. If the number only rises, a worker does not "
        "answer; see docs/guides/runbook.md#queuefilling.",
        Query(f"sum by ({MODEL}) (model_requests_in_flight)", NAME),
        unit="none",
        width=12,
    ),
    lines(
        "Edge connections relative to their limit",
        "At 100 %, new clients wait until the edge can accept them: clients keep connections open needlessly, or there "
        "is a flood. EDGE_RATE limits each client.",
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

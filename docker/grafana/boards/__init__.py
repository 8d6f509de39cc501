"""Grafana's dashboards as code: generates docker/grafana/dashboards, runs their queries, draws them. For the host."""

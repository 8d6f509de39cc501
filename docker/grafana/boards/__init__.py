"""Grafana's dashboards as code: makes docker/grafana/dashboards, asks their queries, draws them. Runs on the host."""

/** Collects the metrics of requests, models, workers, Java and the container for port 8082. */
package stack.metrics;

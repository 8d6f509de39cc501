/** Counts and measures requests, models, workers, Java and the container, for port 8082. */
package stack.metrics;

/** Handles requests to the inference port, between TorchServe's HTTP codec and its own handlers. */
package stack.http;

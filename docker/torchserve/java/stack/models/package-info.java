/** Restores, adds and removes models, queues their requests, and tracks when they are ready. */
package stack.models;

/** Restores, queues, adds and removes models, and knows when they are ready. */
package stack.models;

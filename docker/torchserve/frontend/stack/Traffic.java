package stack;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/** What is going on at the inference port: connections, and requests that are not answered yet. */
final class Traffic {
  // A client that keeps its connection sends its next request within this time, or can be left.
  private static final long QUIET_NANOS = 1_000_000_000L;
  private static final long LOOK_MS = 20;

  private final AtomicInteger connections = new AtomicInteger();
  private final AtomicInteger requests = new AtomicInteger();
  private volatile boolean draining;

  void connected() {
    connections.incrementAndGet();
  }

  /** unanswered: requests that the connection takes along. */
  void disconnected(int unanswered) {
    requests.addAndGet(-unanswered);
    connections.decrementAndGet();
  }

  void requested() {
    requests.incrementAndGet();
  }

  void answered() {
    requests.decrementAndGet();
  }

  /** From now on every answer ends its connection. */
  void drain() {
    draining = true;
  }

  boolean isDraining() {
    return draining;
  }

  /**
   * Waits until no connection is left, nothing was in flight for a second, or `limit` is over.
   *
   * @return what happened, for the log
   */
  String waitUntilQuiet(Duration limit) {
    long started = System.nanoTime();
    long busy = started;
    int most = requests.get();
    while (connections.get() > 0) {
      long now = System.nanoTime();
      int waiting = requests.get();
      most = Math.max(most, waiting);
      busy = waiting > 0 ? now : busy;
      if (now - busy >= QUIET_NANOS) {
        break;
      }
      if (now - started >= limit.toNanos()) {
        return String.format("%s s are over with %d requests in flight; they are lost", limit.toSeconds(), waiting);
      }
      try {
        Thread.sleep(LOOK_MS);
      } catch (InterruptedException error) {
        return String.format("interrupted with %d requests in flight; they are lost", waiting);
      }
    }
    double seconds = (System.nanoTime() - started) / 1e9;
    return String.format("nothing in flight after %.1f s (most at once: %d)", seconds, most);
  }
}

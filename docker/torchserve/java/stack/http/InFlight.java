package stack.http;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/** Counts the inference port's open connections and unanswered requests, and waits for them to end. */
public final class InFlight {
  // A client that keeps its connection open but sends nothing for this long is taken to be finished.
  private static final long QUIET_NANOS = 1_000_000_000L;
  private static final long POLL_MS = 20;

  private final AtomicInteger connections = new AtomicInteger();
  private final AtomicInteger requests = new AtomicInteger();
  private volatile boolean draining;

  void connected() {
    connections.incrementAndGet();
  }

  /** unanswered: the number of the connection's requests that will no longer be answered. */
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

  /** Makes every answer from now on close its connection. */
  public void drain() {
    draining = true;
  }

  public boolean isDraining() {
    return draining;
  }

  /**
   * Waits until no connection is left, until no request has been in flight for a second, or for `limit` at most.
   *
   * @return what happened, for the log
   */
  public String waitUntilQuiet(Duration limit) {
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
        return String.format("timed out after %s s; %d requests in flight are lost", limit.toSeconds(), waiting);
      }
      try {
        Thread.sleep(POLL_MS);
      } catch (InterruptedException error) {
        return String.format("interrupted; %d requests in flight are lost", waiting);
      }
    }
    double seconds = (System.nanoTime() - started) / 1e9;
    return String.format("no requests in flight after %.1f s (at most %d at once)", seconds, most);
  }
}

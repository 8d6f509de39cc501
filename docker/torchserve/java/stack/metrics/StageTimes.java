package stack.metrics;

import java.util.Arrays;

/**
 * Parses what a worker spent a batch's time on, written as Server-Timing (https://www.w3.org/TR/server-timing/):
 * `decode;dur=0.051, inference;dur=0.570`, in milliseconds. Each answer of the batch carries it; it is parsed once.
 */
final class StageTimes {
  private static final String DURATION = ";dur=";

  private final String text;
  // Indexed by stage; NaN for a stage that is not named.
  private final double[] seconds;

  /** stages: the names to look for; any others that a handler writes are not counted. */
  StageTimes(String text, String[] stages) {
    this.text = text;
    seconds = new double[stages.length];
    Arrays.fill(seconds, Double.NaN);
    for (String entry : text.split(",")) {
      int at = entry.indexOf(DURATION);
      int stage = at < 0 ? -1 : Arrays.asList(stages).indexOf(entry.substring(0, at).trim());
      if (stage >= 0) {
        seconds[stage] = toSeconds(entry.substring(at + DURATION.length()));
      }
    }
  }

  private static double toSeconds(String milliseconds) {
    try {
      return Double.parseDouble(milliseconds) / 1000;
    } catch (NumberFormatException foreign) {
      return Double.NaN;
    }
  }

  boolean says(String other) {
    return text.equals(other);
  }

  /** NaN if that stage is not named. */
  double seconds(int stage) {
    return seconds[stage];
  }
}

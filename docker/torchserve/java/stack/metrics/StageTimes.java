package stack.metrics;

import java.util.Arrays;

/**
 * Parses how a worker spent a batch's time, written as Server-Timing (https://www.w3.org/TR/server-timing/):
 * `decode;dur=0.051, inference;dur=0.570`, in milliseconds. All answers of a batch carry it, but it is parsed only
 * once.
 */
final class StageTimes {
  private static final String DURATION = ";dur=";

  private final String text;
  // Indexed by stage; NaN for a stage that is missing.
  private final double[] seconds;

  /** stages: the names to look for; other names that a handler writes are ignored. */
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

  /** Returns NaN if that stage is missing. */
  double seconds(int stage) {
    return seconds[stage];
  }
}

package stack;

import java.util.Arrays;

/**
 * What a worker says that a batch's time went to, as Server-Timing (https://www.w3.org/TR/server-timing/):
 * `decode;dur=0.051, inference;dur=0.570`, in milliseconds. Read once, though each answer of the batch carries it.
 */
final class Timing {
  private static final String DURATION = ";dur=";

  private final String text;
  // By the number of the stage; NaN for one that is not there.
  private final double[] seconds;

  /** stages: those to look for; what else a handler writes there is not ours to count. */
  Timing(String text, String[] stages) {
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

  /** NaN where it says nothing of that stage. */
  double seconds(int stage) {
    return seconds[stage];
  }
}

package stack.metrics;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads a process's memory and CPU time from Linux (proc(5)). */
final class ProcessFacts {
  // sysconf's _SC_CLK_TCK and _SC_PAGESIZE on every Linux that runs TorchServe's images.
  private static final double TICKS_PER_SECOND = 100;
  private static final long PAGE_BYTES = 4096;
  // Fields of /proc/PID/stat, counted after the name in parentheses.
  private static final int USER = 11;
  private static final int SYSTEM = 12;
  private static final int RESIDENT = 21;

  private final String[] fields;

  private ProcessFacts(String[] fields) {
    this.fields = fields;
  }

  /** Returns null if there is no such process, or no longer. */
  static ProcessFacts of(long pid) {
    try {
      String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"), StandardCharsets.ISO_8859_1);
      return new ProcessFacts(stat.substring(stat.lastIndexOf(')') + 2).split(" "));
    } catch (IOException gone) {
      return null;
    }
  }

  double residentBytes() {
    return Long.parseLong(fields[RESIDENT]) * (double) PAGE_BYTES;
  }

  double cpuSeconds() {
    return (Long.parseLong(fields[USER]) + Long.parseLong(fields[SYSTEM])) / TICKS_PER_SECOND;
  }
}

package stack;

import io.prometheus.client.Collector.MetricFamilySamples;
import io.prometheus.client.CounterMetricFamily;
import io.prometheus.client.GaugeMetricFamily;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What the kernel counts of this container (cgroup v2's files; of v1, which has others, it says nothing). */
final class Container {
  private static final Path CGROUP = Path.of("/sys/fs/cgroup");
  private static final double MICROS = 1e6;
  private static final Map<String, String> HELP =
      Map.of(
          "container_memory_bytes", "Memory that cannot be taken back: all, without the files' pages not in use.",
          "container_memory_limit_bytes", "More than this, and the kernel ends a process.",
          "container_cpu_seconds", "CPU time of all processes.",
          "container_cpu_throttled_seconds", "Time in which processes were kept from running by the limit.",
          "container_cpu_limit_cores", "CPUs that may be used.");

  private Container() {}

  /** Values by name; a name is missing where there is no such limit or no such file. */
  static Map<String, Double> read() {
    Map<String, Double> values = new LinkedHashMap<>();
    try {
      Map<String, Double> memory = table("memory.stat");
      values.put("container_memory_bytes", number("memory.current") - memory.getOrDefault("inactive_file", 0.0));
      Map<String, Double> cpu = table("cpu.stat");
      values.put("container_cpu_seconds", cpu.getOrDefault("usage_usec", 0.0) / MICROS);
      values.put("container_cpu_throttled_seconds", cpu.getOrDefault("throttled_usec", 0.0) / MICROS);
      values.put("container_cpu_limit_cores", cpus());
      values.put("container_memory_limit_bytes", number("memory.max"));
    } catch (IOException | NumberFormatException unlimited) {
      return values;
    }
    return values;
  }

  static MetricFamilySamples family(String name, double value) {
    return name.endsWith("_seconds")
        ? new CounterMetricFamily(name, HELP.get(name), value)
        : new GaugeMetricFamily(name, HELP.get(name), value);
  }

  /** The quota's, or without one the machine's. */
  private static double cpus() throws IOException {
    String[] quota = text("cpu.max").split(" ");
    return "max".equals(quota[0])
        ? Runtime.getRuntime().availableProcessors()
        : Double.parseDouble(quota[0]) / Double.parseDouble(quota[1]);
  }

  private static Map<String, Double> table(String file) throws IOException {
    Map<String, Double> values = new LinkedHashMap<>();
    for (String line : text(file).split("\n")) {
      String[] pair = line.split(" ");
      values.put(pair[0], Double.valueOf(pair[1]));
    }
    return values;
  }

  private static double number(String file) throws IOException {
    return Double.parseDouble(text(file));
  }

  private static String text(String file) throws IOException {
    return Files.readString(CGROUP.resolve(file)).trim();
  }
}

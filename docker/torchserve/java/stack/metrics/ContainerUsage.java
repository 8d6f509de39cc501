package stack.metrics;

import io.prometheus.client.Collector.MetricFamilySamples;
import io.prometheus.client.CounterMetricFamily;
import io.prometheus.client.GaugeMetricFamily;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Reads this container's resource usage and limits from the files of cgroup v2 or, in other units, of v1. */
final class ContainerUsage {
  private static final Path CGROUP = Path.of("/sys/fs/cgroup");
  // cgroup v1 expresses "no limit" as the largest page-aligned number; no machine has half of that.
  private static final double NO_LIMIT_BYTES = 1L << 62;

  private final List<MetricFamilySamples> families = new ArrayList<>();

  private ContainerUsage() {}

  /** Returns the families that have a value, leaving out limits that are not set and files that cannot be read. */
  static List<MetricFamilySamples> families() {
    ContainerUsage usage = new ContainerUsage();
    if (Files.exists(CGROUP.resolve("cgroup.controllers"))) {
      usage.readV2();
    } else {
      usage.readV1();
    }
    return usage.families;
  }

  private void readV2() {
    addMemory(number("memory.current") - field("memory.stat", "inactive_file"), number("memory.max"));
    addCpu(field("cpu.stat", "usage_usec") / 1e6, field("cpu.stat", "throttled_usec") / 1e6);
    String[] quota = text("cpu.max").split(" ");
    addCores(quota.length == 2 ? parsed(quota[0]) / parsed(quota[1]) : Double.NaN);
  }

  private void readV1() {
    double used = number("memory/memory.usage_in_bytes") - field("memory/memory.stat", "total_inactive_file");
    double limit = number("memory/memory.limit_in_bytes");
    addMemory(used, limit < NO_LIMIT_BYTES ? limit : Double.NaN);
    addCpu(number("cpuacct/cpuacct.usage") / 1e9, field("cpu/cpu.stat", "throttled_time") / 1e9);
    double quota = number("cpu/cpu.cfs_quota_us");
    addCores(quota > 0 ? quota / number("cpu/cpu.cfs_period_us") : Double.NaN);
  }

  private void addMemory(double used, double limit) {
    add("container_memory_bytes", "Memory in use, without cache that the kernel can reclaim at once.", used);
    add("container_memory_limit_bytes", "Memory limit, at which the kernel kills a process.", limit);
  }

  private void addCpu(double used, double throttled) {
    add("container_cpu_seconds_total", "CPU time used.", used);
    add("container_cpu_throttled_seconds_total", "Time throttled by the CPU limit.", throttled);
  }

  private void addCores(double quota) {
    double cores = Double.isNaN(quota) ? Runtime.getRuntime().availableProcessors() : quota;
    add("container_cpu_limit_cores", "CPUs that the container may use.", cores);
  }

  private void add(String name, String help, double value) {
    if (!Double.isNaN(value)) {
      families.add(
          name.endsWith("_total")
              ? new CounterMetricFamily(name, help, value)
              : new GaugeMetricFamily(name, help, value));
    }
  }

  /**
   * Returns the number in a line `NAME NUMBER`; 0 if there is none, because the kernel leaves out what it does not
   * count.
   */
  private static double field(String file, String name) {
    for (String line : text(file).split("\n")) {
      if (line.startsWith(name + " ")) {
        return parsed(line.substring(name.length() + 1));
      }
    }
    return 0;
  }

  private static double number(String file) {
    return parsed(text(file));
  }

  /** Returns NaN for "max" and for an empty text. */
  private static double parsed(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException unlimited) {
      return Double.NaN;
    }
  }

  private static String text(String file) {
    try {
      return Files.readString(CGROUP.resolve(file)).trim();
    } catch (IOException missing) {
      return "";
    }
  }
}

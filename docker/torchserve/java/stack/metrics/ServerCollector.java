package stack.metrics;

import io.prometheus.client.Collector;
import io.prometheus.client.CounterMetricFamily;
import io.prometheus.client.GaugeMetricFamily;
import io.prometheus.client.SummaryMetricFamily;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.management.MemoryUsage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Reads metrics of the Java process, by the names that the Prometheus client for Java uses (TorchServe's jar lacks that
 * part of the client), and of its container.
 */
public final class ServerCollector extends Collector {
  private static final double MILLIS = 1000;

  @Override
  public List<MetricFamilySamples> collect() {
    List<MetricFamilySamples> families = new ArrayList<>();
    addMemory(families);
    addCollections(families);
    families.add(
        new GaugeMetricFamily(
            "jvm_threads_current", "Threads in the JVM.", ManagementFactory.getThreadMXBean().getThreadCount()));
    addProcess(families);
    families.addAll(ContainerUsage.families());
    return families;
  }

  private static void addMemory(List<MetricFamilySamples> families) {
    MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
    Map<String, MemoryUsage> areas =
        Map.of("heap", memory.getHeapMemoryUsage(), "nonheap", memory.getNonHeapMemoryUsage());
    GaugeMetricFamily used = new GaugeMetricFamily("jvm_memory_bytes_used", "Bytes used by area.", List.of("area"));
    GaugeMetricFamily most =
        new GaugeMetricFamily("jvm_memory_bytes_max", "Maximum bytes by area; -1 if unlimited.", List.of("area"));
    areas.forEach(
        (area, usage) -> {
          used.addMetric(List.of(area), usage.getUsed());
          most.addMetric(List.of(area), usage.getMax());
        });
    families.addAll(List.of(used, most));
  }

  private static void addCollections(List<MetricFamilySamples> families) {
    SummaryMetricFamily seconds =
        new SummaryMetricFamily("jvm_gc_collection_seconds", "Time spent in a garbage collector.", List.of("gc"));
    for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
      seconds.addMetric(
          List.of(collector.getName()), collector.getCollectionCount(), collector.getCollectionTime() / MILLIS);
    }
    families.add(seconds);
  }

  private static void addProcess(List<MetricFamilySamples> families) {
    ProcessFacts process = ProcessFacts.of(ProcessHandle.current().pid());
    if (process == null) {
      return;
    }
    double started = ManagementFactory.getRuntimeMXBean().getStartTime() / MILLIS;
    families.add(new CounterMetricFamily("process_cpu_seconds_total", "CPU time of Java.", process.cpuSeconds()));
    families.add(new GaugeMetricFamily("process_resident_memory_bytes", "Resident memory of Java.", process.residentBytes()));
    families.add(new GaugeMetricFamily("process_start_time_seconds", "When Java started, since 1970.", started));
  }
}

package stack.http;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Logs a line for every failed prediction or, with ACCESS_LOG=all, for every prediction. All other requests are in
 * TorchServe's own access log (log4j2.xml), which has no request IDs.
 */
final class AccessLog {
  private static final boolean LOGS_ALL = "all".equals(System.getenv("ACCESS_LOG"));
  private static final int FIRST_FAILURE = 400;
  // The same paths that log4j2.xml leaves out of TorchServe's own access log.
  private static final Pattern PATHS = Pattern.compile("/(predictions|explanations|v2|ping)\\b.*");
  private static final Logger LOG = LoggerFactory.getLogger("stack.access");
  private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder().appendInstant(3).toFormatter();

  private AccessLog() {}

  /** nanos: from the complete request to its answer. */
  static void answered(CountedRequest request, int status, long nanos) {
    if (!(LOGS_ALL || status >= FIRST_FAILURE) || !PATHS.matcher(request.path()).matches()) {
      return;
    }
    JsonObject line = new JsonObject();
    line.addProperty("time", TIME.format(Instant.now()));
    line.addProperty("logger", "access");
    line.addProperty("request_id", request.id());
    line.addProperty("method", request.method());
    line.addProperty("path", request.path());
    line.addProperty("model", request.model());
    line.addProperty("version", request.version());
    line.addProperty("status", status);
    line.addProperty("ms", nanos / 1000 / 1000.0);
    LOG.info(line.toString());
  }
}

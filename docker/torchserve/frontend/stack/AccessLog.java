package stack;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A line per prediction that failed, with ACCESS_LOG=all per prediction; TorchServe's own access log, which knows no request
 * id, has the rest (log4j2.xml).
 */
final class AccessLog {
  private static final boolean LOGS_ALL = "all".equals(System.getenv("ACCESS_LOG"));
  private static final Logger LOG = LoggerFactory.getLogger("stack.access");
  private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder().appendInstant(3).toFormatter();

  private AccessLog() {}

  /** nanos: from the complete request to its answer. */
  static void answered(Requested request, int status, long nanos) {
    if (!(LOGS_ALL || status >= 400) || !request.isLogged()) {
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

package stack;

import com.google.gson.JsonObject;
import java.time.Instant;

/** A line of the log where log4j does not write: before it is there, and when it is gone. */
final class Log {
  private Log() {}

  static void say(String level, String message) {
    JsonObject line = new JsonObject();
    line.addProperty("time", Instant.now().toString());
    line.addProperty("level", level);
    line.addProperty("logger", "Server");
    line.addProperty("message", message);
    System.out.println(line);
  }
}

package stack;

import com.google.gson.JsonObject;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** A line of the log where log4j does not write: before it is there, and when it is gone. */
final class Log {
  private static final PrintStream OUT = System.out;

  private Log() {}

  /** What TorchServe prints by itself becomes such a line; log4j writes bytes, and those pass as they are. */
  static void takePrints() {
    System.setOut(
        new PrintStream(OUT, true, StandardCharsets.UTF_8) {
          @Override
          public void println(String text) {
            say("INFO", text);
          }
        });
  }

  static void say(String level, String message) {
    JsonObject line = new JsonObject();
    line.addProperty("time", Instant.now().toString());
    line.addProperty("level", level);
    line.addProperty("logger", "Server");
    line.addProperty("message", message);
    OUT.println(line);
  }
}

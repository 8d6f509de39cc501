package stack;

import com.google.gson.JsonObject;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** Writes lines to the log when log4j cannot: before it has started, and after it has ended. */
final class ServerLog {
  private static final PrintStream OUT = System.out;

  private ServerLog() {}

  /** Turns everything that TorchServe prints into log lines; log4j writes bytes, which pass unchanged. */
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

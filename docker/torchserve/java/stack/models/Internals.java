package stack.models;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;

/** Accesses private members of TorchServe 0.12.0's classes that have no public counterpart. */
final class Internals {
  private Internals() {}

  /** Returns the value of the owner's field. Throws IllegalStateException if its class has no such field. */
  @SuppressWarnings("unchecked")
  static <T> T get(Object owner, String name) {
    try {
      Field field = owner.getClass().getDeclaredField(name);
      field.setAccessible(true);
      return (T) field.get(owner);
    } catch (ReflectiveOperationException error) {
      throw unexpected(owner, name, error);
    }
  }

  /**
   * Calls the owner's method with that name and number of parameters, and returns its result. Throws what the method
   * throws, and IllegalStateException if the class has no such method.
   */
  @SuppressWarnings("unchecked")
  static <T> T call(Object owner, String name, Object... arguments) throws Exception {
    try {
      Method method =
          Arrays.stream(owner.getClass().getDeclaredMethods())
              .filter(one -> one.getName().equals(name) && one.getParameterCount() == arguments.length)
              .findAny()
              .orElseThrow(() -> new NoSuchMethodException("none with " + arguments.length + " parameters"));
      method.setAccessible(true);
      return (T) method.invoke(owner, arguments);
    } catch (InvocationTargetException thrown) {
      throw thrown.getCause() instanceof Exception ? (Exception) thrown.getCause() : thrown;
    } catch (ReflectiveOperationException | IllegalArgumentException error) {
      throw unexpected(owner, name, error);
    }
  }

  private static IllegalStateException unexpected(Object owner, String name, Exception error) {
    return new IllegalStateException(
        String.format("expected %s.%s of TorchServe 0.12.0, found %s", owner.getClass().getSimpleName(), name, error),
        error);
  }
}

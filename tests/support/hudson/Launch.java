import java.lang.reflect.Field;
import java.util.List;
import java.util.Map;

/** Starts a Hudson of 2011 on a Java of today, and wakes those whom its web server forgets. */
public class Launch {
    private static final String HANDLER = "winstone.RequestHandlerThread";
    private static final long LOOK_MILLISECONDS = 200;

    public static void main(String[] arguments) throws Exception {
        // Hudson reads private fields only of a virtual machine that says it is Sun's.
        System.setProperty("java.vm.vendor", "Sun Microsystems Inc.");
        System.setProperty("java.vendor", "Sun Microsystems Inc.");
        Thread keeper = new Thread(Launch::keepAwake, "Winstone's keeper");
        keeper.setDaemon(true);
        keeper.start();
        Class.forName("Main").getMethod("main", String[].class).invoke(null, (Object) arguments);
    }

    /**
     * A handler of Winstone's offers itself to the next connection, and only then begins to wait for
     * one. If one comes in between, nobody wakes it any more, and its client waits for ever.
     */
    private static void keepAwake() {
        while (true) {
            try {
                Thread.sleep(LOOK_MILLISECONDS);
                for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
                    if (waitsForConnections(each.getValue())) {
                        wakeIfForgotten(handlerOf(each.getKey()));
                    }
                }
            } catch (InterruptedException | ReflectiveOperationException error) {
                error.printStackTrace();
                return;
            }
        }
    }

    private static boolean waitsForConnections(StackTraceElement[] stack) {
        int depth = 0;
        while (depth < stack.length && stack[depth].getClassName().equals("java.lang.Object")) {
            depth++;
        }
        return depth > 0
            && depth < stack.length
            && stack[depth].getClassName().equals(HANDLER)
            && stack[depth].getMethodName().equals("run");
    }

    private static Object handlerOf(Thread thread) throws ReflectiveOperationException {
        try {
            return read(thread, Thread.class, "target");
        } catch (NoSuchFieldException error) {
            // Since Java 19.
            Object holder = read(thread, Thread.class, "holder");
            return read(holder, holder.getClass(), "task");
        }
    }

    private static void wakeIfForgotten(Object handler) throws ReflectiveOperationException {
        if (handler == null) {
            return; // it ended meanwhile
        }
        Object pool = read(handler, handler.getClass(), "objectPool");
        List<?> used = (List<?>) read(pool, pool.getClass(), "usedRequestHandlerThreads");
        // Who has a connection cannot become free while this is held, so no idle one is woken.
        synchronized (read(pool, pool.getClass(), "requestHandlerSemaphore")) {
            if (used.contains(handler)) {
                synchronized (handler) {
                    handler.notifyAll();
                }
            }
        }
    }

    private static Object read(Object object, Class<?> owner, String name) throws ReflectiveOperationException {
        Field field = owner.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }
}

package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.pyflinktriton.WorkerException;

import org.apache.flink.api.common.cache.DistributedCache;
import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.core.fs.Path;
import org.apache.flink.table.functions.FunctionContext;
import org.junit.jupiter.api.Test;

import java.io.File;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;

/** The way to a job's files through contexts that hide them. */
class JobFilesTest {

    private static final File FILE = new File("/archive.zip");

    /** Hides the files; the context that knows them is behind a handler, not in a field of its own. */
    private static final class Hiding implements InvocationHandler {

        private final RuntimeContext wrapped;

        Hiding(RuntimeContext wrapped) {
            this.wrapped = wrapped;
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) {
            assertNotNull(wrapped);
            throw new UnsupportedOperationException(method.getName());
        }
    }

    @Test
    void aContextThatHidesItsFilesElsewhereIsRefused() {
        RuntimeContext hiding = context(new Hiding(knowing()));
        JobFiles files = new JobFiles(new FunctionContext(hiding));
        String said = assertThrows(WorkerException.class, () -> files.apply("a")).getMessage();
        assertEquals(
                "This version of Flink gives async functions no way to the job's archives; set "
                        + "'python.executable' to the path of a Python on every TaskManager.",
                said);
    }

    @Test
    void aContextThatKnowsTheFilesIsAsked() {
        assertEquals(FILE, new JobFiles(new FunctionContext(knowing())).apply("a"));
    }

    private static RuntimeContext knowing() {
        Future<Path> file = CompletableFuture.completedFuture(new Path(FILE.getPath()));
        DistributedCache cache = new DistributedCache(Map.of("a", file));
        return context((proxy, method, arguments) -> cache);
    }

    private static RuntimeContext context(InvocationHandler handler) {
        return (RuntimeContext)
                Proxy.newProxyInstance(
                        JobFilesTest.class.getClassLoader(),
                        new Class<?>[] {RuntimeContext.class},
                        handler);
    }
}

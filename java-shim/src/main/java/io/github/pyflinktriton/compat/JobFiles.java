package io.github.pyflinktriton.compat;

import io.github.pyflinktriton.WorkerException;

import org.apache.flink.api.common.functions.RuntimeContext;
import org.apache.flink.table.functions.FunctionContext;

import java.io.File;
import java.lang.reflect.Field;
import java.util.function.Function;

/** The files of the job, by their names in Flink's distributed cache. */
public final class JobFiles implements Function<String, File> {

    private final FunctionContext context;

    public JobFiles(FunctionContext context) {
        this.context = context;
    }

    @Override
    public File apply(String name) {
        try {
            return context.getCachedFile(name);
        } catch (UnsupportedOperationException hidden) {
            return unwrapped(name);
        }
    }

    private File unwrapped(String name) {
        try {
            return innermost().getDistributedCache().getFile(name);
        } catch (UnsupportedOperationException e) {
            throw unknown(e);
        }
    }

    /** Flink wraps an async function's context in one that refuses the distributed cache. */
    private RuntimeContext innermost() {
        RuntimeContext found = wrappedIn(context, FunctionContext.class);
        if (found == null) {
            throw unknown(null);
        }
        RuntimeContext next = found;
        while (next != null) {
            found = next;
            next = wrappedIn(found, found.getClass());
        }
        return found;
    }

    private static RuntimeContext wrappedIn(Object context, Class<?> type) {
        try {
            for (Field field : type.getDeclaredFields()) {
                if (field.getType() == RuntimeContext.class) {
                    field.setAccessible(true);
                    return (RuntimeContext) field.get(context);
                }
            }
            return null;
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw unknown(e);
        }
    }

    private static WorkerException unknown(Exception cause) {
        return new WorkerException(
                "This version of Flink gives async functions no way to the job's archives; set"
                        + " 'python.executable' to the path of a Python on every TaskManager.",
                cause);
    }
}

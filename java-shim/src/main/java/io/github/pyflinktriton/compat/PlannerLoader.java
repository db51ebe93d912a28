package io.github.pyflinktriton.compat;

import org.apache.flink.table.api.TableEnvironment;

import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.Optional;
import java.util.WeakHashMap;

/**
 * Loads the classes of the package {@code planner} so that they see the classes of Flink's planner,
 * which has a class loader that does not know this jar.
 */
final class PlannerLoader extends ClassLoader {

    static final String PACKAGE = "io.github.pyflinktriton.planner.";
    private static final String FLINK = "org.apache.flink.table.planner.";
    private static final String MODULE = FLINK + "loader.PlannerModule";

    /** Weak in both, because a loader holds its planner, and a job's planner ends with the job. */
    private static final Map<ClassLoader, WeakReference<PlannerLoader>> LOADERS =
            new WeakHashMap<>();

    private final ClassLoader planner;
    private final String copied;
    private final byte[] copy;

    private PlannerLoader(ClassLoader planner, String copied, byte[] copy) {
        super(planner);
        this.planner = planner;
        this.copied = copied;
        this.copy = copy;
    }

    /** One for each planner, so that statements share the classes. */
    static PlannerLoader of(ClassLoader planner) {
        synchronized (LOADERS) {
            WeakReference<PlannerLoader> known = LOADERS.get(planner);
            PlannerLoader loader = known == null ? null : known.get();
            if (loader == null) {
                loader = new PlannerLoader(planner, null, null);
                LOADERS.put(planner, new WeakReference<>(loader));
            }
            return loader;
        }
    }

    /** A loader of its own, with other code for one class of the planner. */
    static PlannerLoader withCopy(ClassLoader planner, String copied, byte[] copy) {
        return new PlannerLoader(planner, copied, copy);
    }

    /** The class loader of the planner that is calling, else of the one that sessions have. */
    static ClassLoader calling() {
        return StackWalker.getInstance(StackWalker.Option.RETAIN_CLASS_REFERENCE)
                .walk(
                        frames ->
                                frames.map(StackWalker.StackFrame::getDeclaringClass)
                                        .filter(c -> c.getName().startsWith(FLINK))
                                        .findFirst())
                .map(Class::getClassLoader)
                .orElseGet(PlannerLoader::ofSessions);
    }

    /**
     * The class loader of the planner that sessions have: Flink's distribution gives it its own.
     * Else it is beside Flink or in the jar of the job.
     */
    static ClassLoader ofSessions() {
        return ofSessions(TableEnvironment.class.getClassLoader());
    }

    static ClassLoader ofSessions(ClassLoader flink) {
        try {
            Class<?> module = Class.forName(MODULE, true, flink);
            Object planner = module.getMethod("getInstance").invoke(null);
            return (ClassLoader) module.getMethod("getSubmoduleClassLoader").invoke(planner);
        } catch (ReflectiveOperationException e) {
            ClassLoader job = Thread.currentThread().getContextClassLoader();
            return seenBy(flink).or(() -> seenBy(job)).orElse(flink);
        }
    }

    private static Optional<ClassLoader> seenBy(ClassLoader loader) {
        try {
            return Optional.of(Class.forName(ModelPlans.WANTED, false, loader).getClassLoader());
        } catch (ClassNotFoundException | LinkageError e) {
            return Optional.empty();
        }
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!name.startsWith(PACKAGE) && !isCopied(name)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? define(name) : loaded;
        }
    }

    /** A class sees its nested ones only where one loader has defined both. */
    private boolean isCopied(String name) {
        return copied != null && (name.equals(copied) || name.startsWith(copied + "$"));
    }

    private Class<?> define(String name) throws ClassNotFoundException {
        byte[] bytes = name.equals(copied) ? copy : read(name);
        return defineClass(name, bytes, 0, bytes.length);
    }

    private byte[] read(String name) throws ClassNotFoundException {
        ClassLoader source = isCopied(name) ? planner : PlannerLoader.class.getClassLoader();
        try (InputStream code = source.getResourceAsStream(name.replace('.', '/') + ".class")) {
            if (code == null) {
                throw new ClassNotFoundException(name);
            }
            return code.readAllBytes();
        } catch (IOException e) {
            throw new ClassNotFoundException(name, e);
        }
    }
}

package io.github.pyflinktriton.compat;

import org.apache.flink.table.api.TableEnvironment;

import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;

/**
 * Loads the classes of the package {@code planner} where they see Flink's planner: it has a class
 * loader of its own, which knows nothing of this jar.
 */
final class PlannerLoader extends ClassLoader {

    static final String PACKAGE = "io.github.pyflinktriton.planner.";
    private static final String MODULE = "org.apache.flink.table.planner.loader.PlannerModule";
    private static final Map<ClassLoader, PlannerLoader> LOADERS = new HashMap<>();

    private PlannerLoader(ClassLoader planner) {
        super(planner);
    }

    /** One for each planner, so that statements share the classes. */
    static PlannerLoader of(ClassLoader planner) {
        synchronized (LOADERS) {
            return LOADERS.computeIfAbsent(planner, PlannerLoader::new);
        }
    }

    /** The class loader of the planner that Flink's sessions have: as Flink comes, one of its own. */
    static ClassLoader ofSessions() {
        ClassLoader flink = TableEnvironment.class.getClassLoader();
        try {
            Class<?> module = Class.forName(MODULE, true, flink);
            Object planner = module.getMethod("getInstance").invoke(null);
            return (ClassLoader) module.getMethod("getSubmoduleClassLoader").invoke(planner);
        } catch (ReflectiveOperationException e) {
            return flink;
        }
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!name.startsWith(PACKAGE)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? define(name) : loaded;
        }
    }

    private Class<?> define(String name) throws ClassNotFoundException {
        String file = "/" + name.replace('.', '/') + ".class";
        try (InputStream code = PlannerLoader.class.getResourceAsStream(file)) {
            if (code == null) {
                throw new ClassNotFoundException(name);
            }
            byte[] bytes = code.readAllBytes();
            return defineClass(name, bytes, 0, bytes.length);
        } catch (IOException e) {
            throw new ClassNotFoundException(name, e);
        }
    }
}

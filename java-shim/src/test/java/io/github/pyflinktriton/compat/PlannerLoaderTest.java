package io.github.pyflinktriton.compat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import org.apache.flink.table.api.TableEnvironment;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.Optional;
import java.util.TreeSet;

/** A Flink without the loader of its planner; the planner is in the jar of each job. */
@Timeout(60)
class PlannerLoaderTest {

    private static final String MODULE = "org.apache.flink.table.planner.loader.PlannerModule";

    private final ClassLoader flink =
            new AlteredLoader(TableEnvironment.class.getClassLoader()).with(MODULE, code -> null);

    @Test
    void thePlannerOfTheJobIsFound() throws IOException {
        URL[] planner = ((URLClassLoader) PlannerLoader.ofSessions()).getURLs();
        try (URLClassLoader job = new URLClassLoader(planner, flink);
                URLClassLoader started = new URLClassLoader(new URL[0], job)) {
            assertSame(job, ofSessions(started));
            assertEquals(Optional.empty(), FlinkFunctions.objection(job, new TreeSet<>()));
            assertEquals(Optional.empty(), PlannerParts.objection(job));
        }
    }

    @Test
    void withoutAPlannerItIsFlinksLoader() {
        assertSame(flink, ofSessions(flink));
        assertSame(flink, ofSessions(null));
    }

    @Test
    void aJobThatHasEndedIsForgotten() throws Exception {
        WeakReference<ClassLoader> job =
                new WeakReference<>(new URLClassLoader(new URL[0], PlannerLoader.ofSessions()));
        assertNotSame(PlannerLoader.of(flink), PlannerLoader.of(job.get()));
        PlannerLoader.of(job.get()).loadClass(PlannerLoader.PACKAGE + "ModelPrograms");
        while (job.get() != null) {
            System.gc();
            Thread.sleep(10);
        }
    }

    private ClassLoader ofSessions(ClassLoader context) {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(context);
        try {
            return PlannerLoader.ofSessions(flink);
        } finally {
            thread.setContextClassLoader(before);
        }
    }
}

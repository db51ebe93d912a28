package bench;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * What one job did, from its first row at the source to the end of its input at the sink. The jar
 * is on Flink's own class path, so all jobs of this JVM share these fields.
 */
public final class Tally {

    private static long began;
    private static long ended;
    private static String beganWith;
    private static String endedWith;
    private static long rows;
    private static double[] sums;
    private static StringBuilder nanos;

    private Tally() {}

    /** Forgets the job before. */
    public static synchronized void reset() {
        began = 0;
        ended = 0;
        rows = 0;
        sums = new double[0];
        nanos = new StringBuilder();
    }

    static synchronized void begin() {
        if (began == 0) {
            beganWith = processes();
            began = System.nanoTime();
        }
    }

    static synchronized void end(long more, double[] moreSums, long[] moreNanos) {
        ended = System.nanoTime();
        endedWith = processes();
        rows += more;
        sums = Arrays.copyOf(sums, moreSums.length);
        for (int c = 0; c < sums.length; c++) {
            sums[c] += moreSums[c];
        }
        for (long nano : moreNanos) {
            nanos.append(nanos.length() == 0 ? "" : ",").append(nano);
        }
    }

    /** Returns the job as JSON; {@code before} and {@code after} are "pid parent ticks;" of each process. */
    public static synchronized String report() {
        return String.format(
                "{\"began\": %d, \"seconds\": %s, \"rows\": %d, \"sums\": %s, \"nanos\": [%s],"
                        + " \"before\": \"%s\", \"after\": \"%s\"}",
                began, (ended - began) / 1e9, rows, Arrays.toString(sums), nanos, beganWith, endedWith);
    }

    /** Returns the milliseconds since 1970 at which the first row left the source. */
    public static synchronized long firstRowMillis() {
        return began == 0 ? 0 : System.currentTimeMillis() - (System.nanoTime() - began) / 1_000_000;
    }

    /** Processes; the threads that compile stand apart from the rest of this one, as a process 0. */
    private static String processes() {
        StringBuilder lines = new StringBuilder("0 0 " + compilerTicks() + ";");
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path entry : entries) {
                try {
                    String[] fields = fields(entry);
                    lines.append(entry.getFileName()).append(' ').append(fields[1]).append(' ');
                    lines.append(ticks(fields)).append(';');
                } catch (IOException ended) {
                    continue; // this process has ended
                }
            }
        } catch (IOException noProc) {
            return "";
        }
        return lines.toString();
    }

    private static long compilerTicks() {
        long ticks = 0;
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path thread : threads) {
                try {
                    if (Files.readString(thread.resolve("comm")).matches("C[12] Comp.*\\s*")) {
                        ticks += ticks(fields(thread));
                    }
                } catch (IOException ended) {
                    continue; // this thread has ended
                }
            }
        } catch (IOException noProc) {
            return 0;
        }
        return ticks;
    }

    private static String[] fields(Path entry) throws IOException {
        String line = Files.readString(entry.resolve("stat"));
        // The name in brackets may hold anything; what counts stands behind it.
        return line.substring(line.lastIndexOf(')') + 2).split(" ");
    }

    private static long ticks(String[] fields) {
        return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }
}

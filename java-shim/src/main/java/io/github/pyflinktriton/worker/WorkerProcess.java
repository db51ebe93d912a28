package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;
import io.github.pyflinktriton.WorkerException;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** The process of a worker: its start, its pipes and its end. */
final class WorkerProcess {

    private static final int SIGNAL_BASE = 128;

    private final WorkerCommand command;
    private final Process process;
    private final StderrPump stderr;
    private final Thread stderrThread;

    private WorkerProcess(String worker, WorkerCommand command, Process process) {
        this.command = command;
        this.process = process;
        this.stderr = new StderrPump(worker, process.getErrorStream());
        this.stderrThread = daemon("stderr of " + worker, stderr);
    }

    static WorkerProcess start(String worker, WorkerCommand command) {
        try {
            return new WorkerProcess(worker, command, command.processBuilder().start());
        } catch (IOException e) {
            throw new WorkerException(
                    String.format(
                            "Cannot start the Python worker '%s': %s. Set '%s' to a Python into"
                                    + " which 'pip install pyflink-triton' has put the package.",
                            command, e.getMessage(), command.option),
                    e);
        }
    }

    static Thread daemon(String name, Runnable work) {
        Thread thread = new Thread(work, "pyflink-triton: " + name);
        thread.setDaemon(true);
        thread.setContextClassLoader(WorkerProcess.class.getClassLoader());
        thread.start();
        return thread;
    }

    InputStream stdout() {
        return process.getInputStream();
    }

    OutputStream stdin() {
        return process.getOutputStream();
    }

    /** Describes how the process ended, after its output has ended; a running process is killed. */
    String describeEnd(boolean greeted) {
        boolean ended = waitFor(Duration.ofSeconds(1));
        String how = "closed its standard output";
        if (ended) {
            int code = process.exitValue();
            how = "exited with code " + code;
            if (code > SIGNAL_BASE) {
                how += " (killed by signal " + (code - SIGNAL_BASE) + ")";
            }
        }
        if (!greeted) {
            how +=
                    String.format(
                            " before it was ready. It was started as '%s': that Python needs"
                                    + " 'pip install pyflink-triton'; '%s' chooses another",
                            command, command.option);
        }
        return "The Python worker " + how + "." + killedWords();
    }

    /** Kills the process and returns its last lines, as the end of a message. */
    String killedWords() {
        killTree();
        waitFor(Duration.ofSeconds(1));
        join(stderrThread, Duration.ofSeconds(2));
        kill();
        String tail = stderr.tail();
        return tail.isEmpty() ? "" : " Its last lines on standard error:\n" + tail;
    }

    /** Ends the worker and its threads: waits for the grace, then kills. */
    void end(Duration grace) {
        waitFor(grace);
        kill();
        waitFor(Duration.ofSeconds(5));
        join(stderrThread, Duration.ofSeconds(1));
    }

    void kill() {
        killTree();
        process.destroyForcibly();
    }

    /** Kills by handles: a Process closes its pipes with what was not read yet, the last lines. */
    private void killTree() {
        // A wrapper script may stand between us and Python.
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.toHandle().destroyForcibly();
    }

    /** Closes the pipes; to be called when no thread reads or writes them. */
    void closePipes() {
        for (Closeable pipe :
                new Closeable[] {process.getOutputStream(), process.getInputStream()}) {
            try {
                pipe.close();
            } catch (IOException e) {
                Log.LOG.debug("A pipe to the Python worker was broken when closed", e);
            }
        }
    }

    /** Waits also when interrupted, but then kills first, because a cancelled task is ending. */
    private boolean waitFor(Duration limit) {
        try {
            return process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            kill();
            boolean ended = waitFor(limit);
            Thread.currentThread().interrupt();
            return ended;
        }
    }

    /** Waits for a thread that is about to end; false if it did not. */
    static boolean join(Thread thread, Duration limit) {
        boolean interrupted = Thread.interrupted();
        long end = System.nanoTime() + limit.toNanos();
        while (thread.isAlive() && System.nanoTime() < end) {
            try {
                thread.join(Math.max(1, (end - System.nanoTime()) / 1_000_000));
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !thread.isAlive();
    }
}

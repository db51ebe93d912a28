package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.Log;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;

/** Moves the worker's standard error into the log and keeps its last lines for messages. */
final class StderrPump implements Runnable {

    private static final int KEPT_LINES = 20;
    private static final int KEPT_CHARS = 4096;

    private final String worker;
    private final InputStream stderr;
    private final Deque<String> tail = new ArrayDeque<>();
    private int tailChars;

    StderrPump(String worker, InputStream stderr) {
        this.worker = worker;
        this.stderr = stderr;
    }

    @Override
    public void run() {
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(stderr, StandardCharsets.UTF_8))) {
            StringBuilder line = new StringBuilder();
            int c;
            while ((c = reader.read()) >= 0) {
                // A line without an end must not grow without a limit.
                if (c == '\n' || line.length() == KEPT_CHARS) {
                    keep(line.toString());
                    line.setLength(0);
                }
                if (c != '\n') {
                    line.append((char) c);
                }
            }
            if (line.length() > 0) {
                keep(line.toString());
            }
        } catch (IOException e) {
            Log.LOG.debug("[{}] standard error was closed", worker, e);
        }
    }

    private void keep(String line) {
        Log.LOG.info("[{}] {}", worker, line);
        synchronized (tail) {
            tail.addLast(line);
            tailChars += line.length();
            while (tail.size() > KEPT_LINES || (tailChars > KEPT_CHARS && tail.size() > 1)) {
                tailChars -= tail.removeFirst().length();
            }
        }
    }

    String tail() {
        synchronized (tail) {
            return String.join("\n", tail);
        }
    }
}

package io.github.pyflinktriton.worker;

import io.github.pyflinktriton.WorkerException;

import com.fasterxml.jackson.databind.JsonNode;

/** How much the worker takes at once, as it says when it opens a model. */
final class InFlightLimits {

    final int frameRows;
    final long frameBytes;
    /** Of those that are not full; the others are limited by their rows and bytes. */
    final int framesInFlight;

    final int rowsInFlight;
    final long maxInFlightBytes;

    InFlightLimits(
            int frameRows,
            long frameBytes,
            int framesInFlight,
            int rowsInFlight,
            long maxInFlightBytes) {
        this.frameRows = frameRows;
        this.frameBytes = frameBytes;
        this.framesInFlight = framesInFlight;
        this.rowsInFlight = rowsInFlight;
        this.maxInFlightBytes = maxInFlightBytes;
    }

    static InFlightLimits of(JsonNode opened) {
        return new InFlightLimits(
                (int) positive(opened, "frame_rows"),
                positive(opened, "frame_bytes"),
                (int) positive(opened, "frames_in_flight"),
                (int) positive(opened, "rows_in_flight"),
                positive(opened, "max_in_flight_bytes"));
    }

    private static long positive(JsonNode opened, String field) {
        long value = opened.path(field).asLong();
        if (value <= 0) {
            throw new WorkerException(
                    "The Python worker opened without a positive '" + field + "'.");
        }
        return value;
    }
}

package io.github.pyflinktriton.worker;

import com.fasterxml.jackson.databind.JsonNode;

import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.runtime.metrics.DescriptiveStatisticsHistogram;

import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/** Adds what the worker counts to Flink's metric group; called by one thread. */
final class BridgeMetrics implements Consumer<JsonNode> {

    private static final int WINDOW = 1000;

    private final MetricGroup group;
    private final Map<String, Counter> counters = new HashMap<>();
    private final Map<String, Histogram> histograms = new HashMap<>();
    private final Map<String, Double> gauges = new ConcurrentHashMap<>();

    BridgeMetrics(MetricGroup group) {
        this.group = group;
    }

    @Override
    public void accept(JsonNode metrics) {
        metrics.path("counters")
                .fields()
                .forEachRemaining(
                        delta ->
                                counters.computeIfAbsent(delta.getKey(), group::counter)
                                        .inc(delta.getValue().asLong()));
        metrics.path("histograms")
                .fields()
                .forEachRemaining(
                        samples -> {
                            Histogram histogram =
                                    histograms.computeIfAbsent(samples.getKey(), this::histogram);
                            samples.getValue()
                                    .forEach(s -> histogram.update(Math.round(s.asDouble())));
                        });
        metrics.path("gauges")
                .fields()
                .forEachRemaining(value -> gauge(value.getKey(), value.getValue().asDouble()));
    }

    private Histogram histogram(String name) {
        return group.histogram(name, new DescriptiveStatisticsHistogram(WINDOW));
    }

    private void gauge(String name, double value) {
        if (gauges.put(name, value) == null) {
            group.gauge(name, (Gauge<Double>) () -> gauges.get(name));
        }
    }
}

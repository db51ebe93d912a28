package io.github.pyflinktriton.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.junit.jupiter.api.Test;

import java.io.InputStream;
import java.util.Map;
import java.util.TreeMap;

/** Each metric that Python declares becomes one of Flink's, of its type and by its name. */
class BridgeMetricsTest {

    @Test
    void eachDeclaredMetricArrives() throws Exception {
        Map<String, String> declared = new TreeMap<>();
        ObjectNode deltas = new ObjectMapper().createObjectNode();
        ObjectNode counters = deltas.putObject("counters");
        ObjectNode histograms = deltas.putObject("histograms");
        ObjectNode gauges = deltas.putObject("gauges");
        declared()
                .fields()
                .forEachRemaining(
                        metric -> {
                            String name = metric.getKey();
                            declared.put(name, metric.getValue().asText());
                            switch (metric.getValue().asText()) {
                                case "counter":
                                    counters.put(name, 3);
                                    break;
                                case "histogram":
                                    histograms.putArray(name).add(5).add(6.6);
                                    break;
                                default:
                                    gauges.put(name, 7);
                            }
                        });
        Group group = new Group();
        BridgeMetrics metrics = new BridgeMetrics(group);
        metrics.accept(deltas);
        metrics.accept(deltas);
        assertEquals(declared, group.types);
        group.counters.forEach((name, counter) -> assertEquals(6, counter.getCount(), name));
        group.histograms.forEach(
                (name, histogram) -> {
                    assertEquals(4, histogram.getCount(), name);
                    assertEquals(5, histogram.getStatistics().getMin(), name);
                    assertEquals(7, histogram.getStatistics().getMax(), name);
                });
        group.gauges.forEach((name, gauge) -> assertEquals(7.0, gauge.getValue(), name));
    }

    private static JsonNode declared() throws Exception {
        try (InputStream in = BridgeMetricsTest.class.getResourceAsStream("/metrics.json")) {
            return new ObjectMapper().readTree(in);
        }
    }

    private static final class Group extends UnregisteredMetricsGroup {
        private final Map<String, String> types = new TreeMap<>();
        private final Map<String, Counter> counters = new TreeMap<>();
        private final Map<String, Histogram> histograms = new TreeMap<>();
        private final Map<String, Gauge<?>> gauges = new TreeMap<>();

        @Override
        public Counter counter(String name) {
            types.put(name, "counter");
            return counters.computeIfAbsent(name, super::counter);
        }

        @Override
        public <H extends Histogram> H histogram(String name, H histogram) {
            types.put(name, "histogram");
            histograms.put(name, histogram);
            return histogram;
        }

        @Override
        public <T, G extends Gauge<T>> G gauge(String name, G gauge) {
            types.put(name, "gauge");
            gauges.put(name, gauge);
            return gauge;
        }
    }
}

import org.apache.flink.table.functions.ScalarFunction;

/** A clock finer than SQL's own, to time a row's way through ML_PREDICT, and a pause before it. */
public class NanoTime extends ScalarFunction {
    public long eval() {
        return System.nanoTime();
    }

    /** Waits first: rows that come one at a time find an idle operator. */
    public long eval(long pauseMillis) throws InterruptedException {
        Thread.sleep(pauseMillis);
        return System.nanoTime();
    }

    @Override
    public boolean isDeterministic() {
        return false;
    }
}

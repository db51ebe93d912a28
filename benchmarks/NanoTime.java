import org.apache.flink.table.functions.ScalarFunction;

/** A clock finer than SQL's own, to time a row's way through ML_PREDICT. */
public class NanoTime extends ScalarFunction {
    public long eval() {
        return System.nanoTime();
    }

    @Override
    public boolean isDeterministic() {
        return false;
    }
}

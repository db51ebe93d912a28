package io.github.pyflinktriton.compat;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.python.PythonAsyncScalarFunction;
import org.apache.flink.table.types.inference.TypeInference;

/** PyFlink's function while it is planned: takes bytes for text. Jobs get PyFlink's own. */
public final class BytesPythonAsyncFunction extends PythonAsyncScalarFunction {

    private static final long serialVersionUID = 1L;

    private final PythonAsyncScalarFunction function;
    private final int[] places;

    /** For the Python package, by reflection. */
    public BytesPythonAsyncFunction(PythonAsyncScalarFunction function, int[] places) {
        super(
                function.toString(),
                function.getSerializedPythonFunction(),
                function.getPythonFunctionKind(),
                function.isDeterministic(),
                function.takesRowAsInput(),
                function.getPythonEnv());
        this.function = function;
        this.places = places;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return BytesForText.at(places, function.getTypeInference(typeFactory));
    }

    /** So that a TaskManager needs no jar. */
    private Object writeReplace() {
        return function;
    }
}

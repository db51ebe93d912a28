package io.github.pyflinktriton.function;

import io.github.pyflinktriton.Json;
import io.github.pyflinktriton.StatementException;
import io.github.pyflinktriton.compat.PlannerParts;
import io.github.pyflinktriton.model.ModelFunctionDefinition;
import io.github.pyflinktriton.worker.PlanningWorker;

import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.functions.python.PythonEnv;
import org.apache.flink.table.functions.python.PythonFunction;
import org.apache.flink.table.functions.python.PythonFunctionKind;
import org.apache.flink.table.types.inference.TypeInference;

import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.UncheckedIOException;

/** {@code m(x)} in batch: a vectorized function that PyFlink's worker runs. */
public final class TritonPandasFunction extends ScalarFunction
        implements ModelFunctionDefinition, PythonFunction {

    private static final long serialVersionUID = 1L;

    private final transient ModelFunction function;
    private final transient boolean isAlone;
    private byte[] payload;

    /** The hidden argument is left out where another function has the same name. */
    public TritonPandasFunction(ModelFunction function, boolean isAlone) {
        this.function = function;
        this.isAlone = isAlone;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        StatementException.throwIfPresent(PlannerParts.objection());
        return isAlone ? function.typeInferenceWithRows() : function.typeInference();
    }

    /** Flink uses it where it computes a row again, as for a retraction. */
    @Override
    public boolean isDeterministic() {
        return function.isDeterministic();
    }

    @Override
    public int[] strictArguments() {
        return function.strictArguments(false);
    }

    /** False, because planning must never call a model, deterministic or not. */
    @Override
    public boolean supportsConstantFolding() {
        return false;
    }

    @Override
    public byte[] getSerializedPythonFunction() {
        if (payload != null) {
            return payload;
        }
        ObjectNode request = Json.MAPPER.createObjectNode();
        request.set("call", function.declared().toOpen());
        try {
            payload =
                    PlanningWorker.of(function.python().planning)
                            .ask("payload", request)
                            .path("payload")
                            .binaryValue();
            return payload;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public PythonEnv getPythonEnv() {
        return new PythonEnv(PythonEnv.ExecType.PROCESS);
    }

    @Override
    public PythonFunctionKind getPythonFunctionKind() {
        return PythonFunctionKind.PANDAS;
    }

    private void writeObject(ObjectOutputStream out) throws IOException {
        getSerializedPythonFunction();
        out.defaultWriteObject();
    }
}

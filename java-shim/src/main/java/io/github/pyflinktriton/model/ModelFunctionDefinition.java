package io.github.pyflinktriton.model;

import org.apache.flink.table.functions.FunctionDefinition;

/** A model as a function, {@code m(x)}. */
public interface ModelFunctionDefinition extends FunctionDefinition {

    /** The positions of the arguments whose NULL makes the result NULL. */
    int[] strictArguments();
}

/**
 * A model as a function, {@code m(x)}: its types while a statement is planned, and the function
 * that runs, asynchronous in streaming and vectorized in batch.
 */
package io.github.pyflinktriton.function;

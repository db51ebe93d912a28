/**
 * A step in Flink's optimizer that calls a model only for the rows that need it. This package runs
 * inside Flink's planner, in a class loader of its own, so that it may use no other package of this
 * jar, and no other package may import it.
 */
package io.github.pyflinktriton.planner;

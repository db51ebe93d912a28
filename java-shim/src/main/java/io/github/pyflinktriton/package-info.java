/**
 * The Java side of pyflink-triton: the interfaces of Flink on one side, frames to a Python worker
 * on the other. It knows neither Triton nor the options; see docs/bridge-protocol.md. Here are only
 * the exceptions, the log and the mapper of JSON, which every package uses. Packages depend on each
 * other in one direction, from the bottom up: this one, rows, model, compat, worker, function,
 * provider, catalog.
 */
package io.github.pyflinktriton;

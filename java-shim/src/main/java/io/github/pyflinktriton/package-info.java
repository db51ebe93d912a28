/**
 * The Java side of pyflink-triton: Flink's SPIs on one side, frames to a Python worker on the
 * other. It knows neither Triton nor the options; see docs/bridge-protocol.md.
 */
package io.github.pyflinktriton;

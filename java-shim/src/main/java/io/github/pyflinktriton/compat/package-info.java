/**
 * Everything that reaches into Flink: by reflection, by reading its stack, by changing its classes
 * or through interfaces that Flink keeps for itself. docs/compat.md lists each case with its
 * reason, the versions tested, and what happens where Flink differs.
 */
package io.github.pyflinktriton.compat;

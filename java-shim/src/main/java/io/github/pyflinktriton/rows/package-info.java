/**
 * Rows of Flink as record batches of Arrow, and back: the readers and writers of each type, and the
 * estimate of a row's size on the wire. The code works on columns and copies runs of numbers at
 * once.
 */
package io.github.pyflinktriton.rows;

/**
 * One call of a model as a statement writes it, with its columns as Flink has them and as JSON, and
 * how to tell a model from another function of Flink.
 */
package io.github.pyflinktriton.model;
